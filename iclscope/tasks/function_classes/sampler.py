"""Drawing prompts of a function class, for many runs at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import whole_number
from iclscope.core.errors import require
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.equal_runs import EqualRunsSampler
from iclscope.tasks.examples import InContextExamples
from iclscope.tasks.function_classes import functions
from iclscope.tasks.function_classes.function_class import FunctionClass
from iclscope.tasks.function_classes.inputs import QUERY_APART, draw_inputs
from iclscope.tasks.prompts import PromptSize


@dataclass(frozen=True)
class FunctionPrompts:
    """Inputs, and what a function says of them.

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


class FunctionSampler(EqualRunsSampler[FunctionClass]):
    """Prompts of one function class, a stream per run."""

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> FunctionPrompts:
        """Draw a batch of prompts for every run.

        Args:
            batch: prompts per run.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: fewer examples, or fewer dimensions, than the task's own: the inputs' last coordinates are then 0
                (the curriculum of Garg 2022, Appendix A.2).
        """
        batch = whole_number("batch", batch, least=1)
        task = self.task
        length = task.length if size is None else size.length
        active = task.d_X if size is None or size.dimensions is None else size.dimensions
        least = 1 if task.inputs in QUERY_APART else 0
        require(least <= length <= task.length, "length of a schedule", length, f"{least} to the task's, {task.length}")
        require(1 <= active <= task.d_X, "dimensions of a schedule", active, f"1 to d_X = {task.d_X}")
        inputs, functions_of, noise = (
            RandomStream.from_seeds(self._seeds, f"{purpose} {what}", self._device).at(step)
            for what in ("inputs", "functions", "noise")
        )
        x = draw_inputs(task.inputs, inputs, batch, length + 1, task.d_X)
        x[..., active:] = 0
        x = x * task.x_scale
        values = self._values(functions_of, x, active) * task.y_scale
        answers = values if task.noise == 0 else values + task.noise * noise.normal(batch, length + 1)
        return FunctionPrompts(
            x.to(self._dtype), answers.to(self._dtype), values.to(self._dtype), task.predictions == "every"
        )

    def _values(self, stream: RandomStream, x: Tensor, active: int) -> Tensor:
        """f(x), a function per prompt."""
        task = self.task
        if task.function == "sparse_linear":
            return functions.sparse_linear(stream, x, task.sparsity, active)
        if task.function == "decision_tree":
            return functions.decision_tree(stream, x, task.depth, active)
        if task.function == "relu_network":
            return functions.relu_network(stream, x, task.width)
        plain = {
            "linear": functions.linear,
            "quadratic": functions.quadratic,
            "linear_classification": functions.linear_classification,
        }
        return plain[task.function](stream, x)
