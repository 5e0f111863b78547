"""Sine waves in context: the nonlinear regression of von Oswald 2023, Section 4.

The ranges are those of Finn, Abbeel and Levine ("Model-agnostic meta-learning", ICML 2017), which that line of work
uses; our source does not print them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, model_validator

from iclscope.core.errors import require, require_finite
from iclscope.tasks.function_prompts import FunctionPrompts
from iclscope.tasks.prompt_sampler import StreamOf
from iclscope.tasks.prompts import PromptSize
from iclscope.tasks.task import RegressionTask


class SineRegression(RegressionTask):
    """y = a sin(x + φ), a and φ redrawn for every prompt; the answer to the last x alone is asked for."""

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

    def summary(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        amplitudes = f"U({self.least_amplitude:g}, {self.most_amplitude:g})"
        return {
            "functions": "sine",
            "N": self.length,
            "x": f"U(−{self.half_width:g}, {self.half_width:g})",
            "a": amplitudes,
        }

    def draw(self, stream_of: StreamOf, batch: int, size: PromptSize | None, dtype: torch.dtype) -> FunctionPrompts:
        """Inputs, and a wave per prompt."""
        length = self.length if size is None else size.length
        x = (2 * stream_of("sine inputs").uniform(batch, length + 1) - 1) * self.half_width
        drawn = stream_of("sine waves").uniform(batch, 2, 1)
        amplitude = self.least_amplitude + (self.most_amplitude - self.least_amplitude) * drawn[:, :, 0]
        values = (amplitude * torch.sin(x + math.pi * drawn[:, :, 1])).to(dtype)
        return FunctionPrompts(x[..., None].to(dtype), values, values, predict_at_every_point=False)
