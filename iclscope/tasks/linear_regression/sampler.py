"""Drawing prompts of linear regression, for many runs at once."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from iclscope.core.arguments import whole_number
from iclscope.core.errors import require
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.equal_runs import EqualRunsSampler
from iclscope.tasks.function_classes.sampler import FunctionPrompts
from iclscope.tasks.linear_regression.regression import LinearRegression
from iclscope.tasks.prompts import PromptSize


class LinearRegressionSampler(EqualRunsSampler[LinearRegression]):
    """Prompts of linear regression, a stream per run."""

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> FunctionPrompts:
        """Draw a batch of prompts for every run.

        Args:
            batch: prompts per run.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another number of examples than the task's own.

        Raises:
            BadRequest: if the size asks for fewer dimensions: all are used here.
        """
        batch = whole_number("batch", batch, least=1)
        task = self.task
        length = task.length if size is None else size.length
        fewer = size is not None and size.dimensions is not None and size.dimensions != task.d_X
        require(not fewer, "dimensions of a schedule", getattr(size, "dimensions", None), f"d_X = {task.d_X}")
        x = self._inputs(self._stream(purpose, "inputs", step), batch, length + 1) * task.x_scale
        x[:, :, -1] *= task.query_scale
        values = torch.einsum("rbpd,rbd->rbp", x, self._weights(self._stream(purpose, "weights", step), batch))
        answers = values
        if task.noise:
            answers = values + task.noise * self._stream(purpose, "noise", step).normal(batch, length + 1)
        kind = self._dtype
        return FunctionPrompts(x.to(kind), answers.to(kind), values.to(kind), predict_at_every_point=False)

    def _inputs(self, stream: RandomStream, batch: int, points: int) -> Float64[Tensor, "run batch points d"]:
        task = self.task
        if task.inputs == "uniform":
            return (2 * stream.uniform(batch, points, task.d_X) - 1) * task.half_width
        normal = stream.normal(batch, points, task.d_X)
        inputs = self._coloured(normal, stream)
        if task.query_covariance is not None:
            inputs[:, :, -1] = normal[:, :, -1] @ self._root(np.asarray(task.query_covariance, dtype=float))
        return inputs

    def _coloured(
        self, normal: Float64[Tensor, "run batch points d"], stream: RandomStream
    ) -> Float64[Tensor, "run batch points d"]:
        """Standard normal numbers with the covariance of the inputs."""
        task = self.task
        if task.covariance == "exponential":
            together = task.prompts_per_covariance
            drawn = stream.at(1).uniform(-(-normal.shape[1] // together), 1, task.d_X)
            variances = -torch.log1p(-drawn).repeat_interleave(together, dim=1)[:, : normal.shape[1]]
            return normal * variances.sqrt()
        if task.covariance == "identity":
            return normal.clone()
        return normal @ self._root(task.input_covariance())

    def _root(self, covariance: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Float64[Tensor, "d d"]:
        """Lᵀ with L Lᵀ the covariance; x = L z for the row zᵀ Lᵀ."""
        return torch.from_numpy(np.linalg.cholesky(covariance)).to(self._device).T

    def _weights(self, stream: RandomStream, batch: int) -> Float64[Tensor, "run batch d"]:
        task = self.task
        if task.weight is None:
            weights = task.weight_scale * stream.normal(batch, task.d_X)
        else:
            fixed = torch.tensor(task.weight, dtype=torch.float64, device=self._device) * task.weight_scale
            weights = fixed.expand(len(self._seeds), batch, task.d_X).clone()
        weights[:, :, task.d_X - task.distractors :] = 0.0
        return weights
