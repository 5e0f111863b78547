"""Sine waves in context: the nonlinear regression of von Oswald 2023, Section 4.

The ranges are those of Finn, Abbeel and Levine ("Model-agnostic meta-learning", ICML 2017), which that line of work
uses; our source does not print them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

from iclscope.errors import require, require_finite
from iclscope.random_streams import RandomStream
from iclscope.settings import Settings
from iclscope.tasks.function_classes.sampler import FunctionPrompts
from iclscope.tasks.prompts import PromptSize


class SineRegression(Settings):
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
    def d_Y(self) -> int:
        """An answer is one number."""
        return 1

    @property
    def length_range(self) -> tuple[int, int]:
        """The shortest and the longest context, as every task has them."""
        return (self.length, self.length)

    @property
    def query_only(self) -> bool:
        """Always: the last x is the query."""
        return True

    @property
    def real_answers(self) -> bool:
        """Always: answers are real numbers."""
        return True

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

    def replace(self, **changes: Any) -> SineRegression:
        """The same task with some settings changed, checked like a new one."""
        return SineRegression(**{**self.model_dump(), **changes})

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for tasks to be sampled in one batch: everything, since no setting is drawn per run."""
        return tuple(self.model_dump().values())

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
        require(len(tasks) == len(seeds) > 0, "number of tasks", len(tasks), f"one per seed, {len(seeds)}")
        require(len({task.shape for task in tasks}) == 1, "tasks", len(tasks), "equal tasks")
        return SineRegressionSampler(tasks[0], seeds, dtype=dtype, device=device)

    def sampler(
        self, seeds: Sequence[int], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> SineRegressionSampler:
        """A sampler of this task's prompts with one run per seed."""
        return self.stacked([self] * len(seeds), seeds, dtype=dtype, device=device)


class SineRegressionSampler:
    """Prompts of sine waves, a stream per run; a batch is a pure function of the run's seed, the purpose and the step.

    Attributes:
        task: the settings.
    """

    task: SineRegression

    def __init__(
        self,
        task: SineRegression,
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the streams.

        Args:
            task: the settings, the same for all runs.
            seeds: one per run.
            dtype: precision of the prompts; numbers are drawn in float64 whatever it is.
            device: where prompts are made.
        """
        self.task = task
        self._seeds = tuple(seeds)
        self._dtype = dtype
        self._device = torch.device(device)

    def runs(self, indices: Sequence[int]) -> SineRegressionSampler:
        """The sampler of some of the runs, in the given order."""
        seeds = [self._seeds[i] for i in indices]
        return SineRegressionSampler(self.task, seeds, dtype=self._dtype, device=self._device)

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> FunctionPrompts:
        """Draw a batch of prompts for every run.

        Args:
            batch: prompts per run.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another number of examples than the task's own.
        """
        task = self.task
        length = task.length if size is None else size.length
        x = (2 * self._stream(purpose, "inputs", step).uniform(batch, length + 1) - 1) * task.half_width
        drawn = self._stream(purpose, "waves", step).uniform(batch, 2, 1)
        amplitude = task.least_amplitude + (task.most_amplitude - task.least_amplitude) * drawn[:, :, 0]
        values = (amplitude * torch.sin(x + math.pi * drawn[:, :, 1])).to(self._dtype)
        return FunctionPrompts(x[..., None].to(self._dtype), values, values, predict_at_every_point=False)

    def _stream(self, purpose: str, what: str, step: int) -> RandomStream:
        return RandomStream.from_seeds(self._seeds, f"{purpose} sine {what}", self._device).at(step)
