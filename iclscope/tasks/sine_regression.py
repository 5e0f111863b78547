"""Sine waves in context: the nonlinear regression of von Oswald 2023, Section 4.

The ranges are those of the paper's public code. There a and φ come from the same random numbers, so a prompt's wave has
one degree of freedom: ``amplitude_sets_phase``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator

from iclscope.core.errors import require, require_finite
from iclscope.tasks.function_prompts import FunctionPrompts
from iclscope.tasks.prompt_sampler import StreamOf
from iclscope.tasks.prompts import PromptSize
from iclscope.tasks.task import RegressionTask


class SineRegression(RegressionTask):
    """y = a sin(x + φ), a and φ ~ U(0, π) redrawn for every prompt; the answer to the last x alone is asked for."""

    neutral_values: ClassVar[Mapping[str, Any]] = {"amplitude_sets_phase": False}

    kind: Literal["sine_regression"] = Field("sine_regression", description="which task this is")
    length: int = Field(10, ge=0, description="context length N")
    half_width: float = Field(5.0, gt=0, description="x ~ U(−half_width, half_width)")
    least_amplitude: float = Field(0.1, ge=0, description="the smallest a")
    most_amplitude: float = Field(0.5, gt=0, description="the largest a; a is uniform between the two")
    amplitude_sets_phase: bool = Field(
        False,
        description="whether φ is π times the place of a between least_amplitude and most_amplitude (the public code), "
        "in place of a number of its own",
    )

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
        """E f(x)², what predicting 0 errs; errors are divided by it.

        E a²/2 where φ has numbers of its own, since it covers half a turn. With x ~ U(−h, h) and φ set by a it is less
        by E[a² cos 2φ] sin(2h)/(4h), and E[a² cos 2πu] = r²/(2π²) with a = a_least + r u, u ~ U(0, 1).
        """
        low, high = self.least_amplitude, self.most_amplitude
        mean = (low**2 + low * high + high**2) / 6
        if not self.amplitude_sets_phase:
            return mean
        h = self.half_width
        return mean - (high - low) ** 2 / (2 * math.pi**2) * math.sin(2 * h) / (4 * h)

    def summary(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        amplitudes = f"U({self.least_amplitude:g}, {self.most_amplitude:g})"
        return {
            "functions": "sine",
            "N": self.length,
            "x": f"U(−{self.half_width:g}, {self.half_width:g})",
            "a": amplitudes,
            **({"φ": "set by a"} if self.amplitude_sets_phase else {}),
        }

    def draw(self, stream_of: StreamOf, batch: int, size: PromptSize | None, dtype: torch.dtype) -> FunctionPrompts:
        """Inputs, and a wave per prompt."""
        length = self.length if size is None else size.length
        x = (2 * stream_of("sine inputs").uniform(batch, length + 1) - 1) * self.half_width
        drawn = stream_of("sine waves").uniform(batch, 2, 1)
        share = drawn[:, :, 0]
        amplitude = self.least_amplitude + (self.most_amplitude - self.least_amplitude) * share
        phase = math.pi * (share if self.amplitude_sets_phase else drawn[:, :, 1])
        values = (amplitude * torch.sin(x + phase)).to(dtype)
        return FunctionPrompts(x[..., None].to(dtype), values, values, predict_at_every_point=False)
