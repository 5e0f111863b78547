"""Squared error against context length, as Garg 2022 reports it: divided so that a prediction of 0 scores 1."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class SquaredErrors(NamedTuple):
    """How wrong each run is on each prompt.

    Attributes:
        lengths: how many examples were seen before each prediction.
        errors: (prediction − f(x))² / E f(x)², per prompt and context length.
    """

    lengths: tuple[int, ...]
    errors: Float[Tensor, "run prompt length"]

    @property
    def mean(self) -> Float[Tensor, "run length"]:
        """Mean over prompts."""
        return self.errors.double().mean(dim=1)
