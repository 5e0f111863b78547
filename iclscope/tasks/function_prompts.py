"""Prompts about a function: inputs, answers in the context, and target values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.tasks.examples import InContextExamples


@dataclass(frozen=True)
class FunctionPrompts:
    """Inputs and a function's values at them.

    Attributes:
        inputs: x of every point, the last query included.
        answers: what the context shows of f: f(x), with noise if there is any.
        values: f(x) without noise, which predictions are compared with. A noisy answer to a query would add its
            variance to every error.
        predict_at_every_point: whether every x is a query, after the examples before it, or the last x only.
    """

    inputs: Float[Tensor, "run batch points d"]
    answers: Float[Tensor, "run batch points"]
    values: Float[Tensor, "run batch points"]
    predict_at_every_point: bool = True

    @property
    def labels(self) -> Float[Tensor, "run batch *points"]:
        """What the model should say: at every x, or at the last."""
        return self.values if self.predict_at_every_point else self.values[..., -1]

    def examples(self) -> InContextExamples:
        """The prompts as examples in order."""
        runs, batch, points, _ = self.inputs.shape
        query_at = None
        if not self.predict_at_every_point:
            query_at = torch.full((runs, batch), points - 1, device=self.inputs.device)
        return InContextExamples(self.inputs, self.answers[..., None], query_at)
