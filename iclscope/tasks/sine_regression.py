"""Sine waves in context: the nonlinear regression of von Oswald 2023, Section 4.

The ranges are those of Finn, Abbeel and Levine ("Model-agnostic meta-learning", ICML 2017), which that line of work
uses; our source does not print them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, model_validator

from iclscope.core.arguments import seeds_from, whole_number
from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.equal_runs import EqualRunsSampler, EqualRunsTask, the_one_task
from iclscope.tasks.function_classes.sampler import FunctionPrompts
from iclscope.tasks.prompts import PromptSize


class SineRegression(EqualRunsTask):
    """y = a sin(x + φ), a and φ drawn anew for every prompt; the answer to the last x alone is asked for."""

    kind: Literal["sine_regression"] = Field("sine_regression", description="which task this is")
    length: int = Field(10, ge=0, description="context length N")
    half_width: float = Field(5.0, gt=0, description="x ~ U(−half_width, half_width)")
    least_amplitude: float = Field(0.1, ge=0, description="the smallest a")
    most_amplitude: float = Field(5.0, gt=0, description="the largest a; a is uniform between the two")

    @model_validator(mode="after")
    def _check(self) -> SineRegression:
        names = ("half_width", "least_amplitude", "most_amplitude")
        require_finite([(name, getattr(self, name)) for name in names])
        allowed = f"at least least_amplitude = {self.least_amplitude}"
        require(self.most_amplitude >= self.least_amplitude, "most_amplitude", self.most_amplitude, allowed)
        return self

    @property
    def d_X(self) -> int:
        """An input is one number."""
        return 1

    @property
    def scale(self) -> float:
        """E f(x)² = E a²/2, since φ covers half a turn; errors are divided by it."""
        low, high = self.least_amplitude, self.most_amplitude
        return (low**2 + low * high + high**2) / 6

    def described(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        amplitudes = f"U({self.least_amplitude:g}, {self.most_amplitude:g})"
        return {
            "functions": "sine",
            "N": self.length,
            "x": f"U(−{self.half_width:g}, {self.half_width:g})",
            "a": amplitudes,
        }

    @staticmethod
    def stacked(
        tasks: Sequence[SineRegression],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> SineRegressionSampler:
        """A sampler of these tasks, one per run.

        Raises:
            BadRequest: if they differ, or their number is not that of the seeds.
        """
        return SineRegressionSampler(the_one_task(tasks, seeds), seeds, dtype=dtype, device=device)

    def sampler(
        self, seeds: Sequence[int], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> SineRegressionSampler:
        """A sampler of this task's prompts with one run per seed."""
        seeds = seeds_from(seeds)
        return self.stacked([self] * len(seeds), seeds, dtype=dtype, device=device)


class SineRegressionSampler(EqualRunsSampler[SineRegression]):
    """Prompts of sine waves, a stream per run."""

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> FunctionPrompts:
        """Draw a batch of prompts for every run.

        Args:
            batch: prompts per run.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another number of examples than the task's own.
        """
        batch = whole_number("batch", batch, least=1)
        task = self.task
        length = task.length if size is None else size.length
        x = (2 * self._stream(purpose, "inputs", step).uniform(batch, length + 1) - 1) * task.half_width
        drawn = self._stream(purpose, "waves", step).uniform(batch, 2, 1)
        amplitude = task.least_amplitude + (task.most_amplitude - task.least_amplitude) * drawn[:, :, 0]
        values = (amplitude * torch.sin(x + math.pi * drawn[:, :, 1])).to(self._dtype)
        return FunctionPrompts(x[..., None].to(self._dtype), values, values, predict_at_every_point=False)

    def _stream(self, purpose: str, what: str, step: int) -> RandomStream:
        return RandomStream.from_seeds(self._seeds, f"{purpose} sine {what}", self._device).at(step)
