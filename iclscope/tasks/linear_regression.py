"""The settings of linear regression in context: where x, w and y come from, and how the query differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float64
from pydantic import Field, model_validator
from torch import Tensor

from iclscope.core.arguments import check_covariance
from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.function_prompts import FunctionPrompts
from iclscope.tasks.prompt_sampler import StreamOf
from iclscope.tasks.prompts import PromptSize
from iclscope.tasks.task import RegressionTask

Matrix = tuple[tuple[float, ...], ...]


class LinearRegression(RegressionTask):
    """y = ⟨w, x⟩ + noise, w redrawn for every prompt; the answer to the last x is asked for, or to every one.

    Von Oswald 2023 draws x uniformly, Zhang 2024 from N(0, Λ). The defaults are those of von Oswald's public code.
    """

    neutral_values: ClassVar[Mapping[str, Any]] = {"noise_answers": 0, "predictions": "query"}

    kind: Literal["linear_regression"] = Field("linear_regression", description="which task this is")
    d_X: int = Field(10, ge=1, description="input dimension d")
    length: int = Field(10, ge=0, description="context length N (M in the testing prompts of Zhang 2024)")
    inputs: Literal["uniform", "gaussian"] = Field("uniform", description="x ~ U(−h, h)^d, or N(0, Λ)")
    half_width: float = Field(
        0.5, gt=0, description="h of uniform inputs: 1/2 in von Oswald's public code, 1 in the paper's text"
    )
    covariance: Literal["identity", "exponential"] | Matrix = Field(
        "identity",
        description="Λ of gaussian inputs: identity, a matrix, or exponential: diagonal, Exp(1), drawn per prompt",
    )
    prompts_per_covariance: int = Field(
        1, ge=1, description="successive prompts that share one random covariance; 64 in Zhang 2024, GPT-2"
    )
    query_covariance: Matrix | None = Field(
        None, description="covariance of the query's x (gaussian inputs); None: that of the context (no query shift)"
    )
    x_scale: float = Field(1.0, description="every x, the query's too, is multiplied by this")
    query_scale: float = Field(1.0, description="the query's x alone is multiplied by this")
    weight_scale: float = Field(1.0, description="w ~ N(0, weight_scale² I)")
    weight: tuple[float, ...] | None = Field(
        None, description="one w for all prompts, before weight_scale; None: drawn"
    )
    distractors: int = Field(
        0, ge=0, description="how many coordinates of x, the last ones, no answer depends on (their w is 0)"
    )
    noise: float = Field(0.0, ge=0, description="standard deviation of normal noise on the answers in the context")
    noise_answers: int = Field(
        0,
        ge=0,
        description="how many context examples, chosen at random, have an answer from N(0, 1) in place of ⟨w, x⟩ (the "
        "distractors of von Oswald 2023)",
    )
    predictions: Literal["query", "every"] = Field(
        "query", description="predict at the last x, or at every x after the examples before it (GPT-2 in Zhang 2024)"
    )

    @model_validator(mode="after")
    def _check(self) -> LinearRegression:
        scales = ("half_width", "x_scale", "query_scale", "weight_scale", "noise")
        require_finite([(name, getattr(self, name)) for name in scales])
        for name in ("x_scale", "query_scale", "weight_scale"):
            require(getattr(self, name) != 0, name, getattr(self, name), "any number but 0")
        most = f"less than d_X = {self.d_X}"
        require(self.distractors < self.d_X, "distractors", self.distractors, most)
        most = f"at most length = {self.length}"
        require(self.noise_answers <= self.length, "noise_answers", self.noise_answers, most)
        is_like_the_others = self.query_covariance is None and self.query_scale == 1
        allowed = "query, where the query's x is drawn or scaled apart"
        require(self.predictions == "query" or is_like_the_others, "predictions", self.predictions, allowed)
        if self.inputs == "uniform":
            require(self.covariance == "identity", "covariance", "given", "with inputs = 'gaussian' only")
            require(self.query_covariance is None, "query_covariance", "given", "with inputs = 'gaussian' only")
        if not isinstance(self.covariance, str):
            check_covariance(self.covariance, self.d_X)
        if self.query_covariance is not None:
            check_covariance(self.query_covariance, self.d_X, "query_covariance")
        shared = self.prompts_per_covariance > 1
        allowed = "1, where covariance is not 'exponential'"
        require(
            not shared or self.covariance == "exponential",
            "prompts_per_covariance",
            self.prompts_per_covariance,
            allowed,
        )
        if self.weight is not None:
            require_finite([("weight", value) for value in self.weight])
            require(len(self.weight) == self.d_X, "entries of weight", len(self.weight), f"d_X = {self.d_X}")
            relevant = self.weight[: self.d_X - self.distractors]
            require(any(relevant), "weight", self.weight, "not all 0 where it counts: every answer would be 0")
        return self

    @property
    def query_only(self) -> bool:
        """Whether the model predicts at the last x alone, not at every one."""
        return self.predictions == "query"

    @property
    def scale(self) -> float:
        """E ⟨w, x⟩² at a query drawn like the context: what predicting 0 errs; errors are divided by it."""
        relevant = self.d_X - self.distractors
        weight = np.ones(relevant) if self.weight is None else np.asarray(self.weight[:relevant])
        covariance = self.input_covariance()[:relevant, :relevant]
        # E w wᵀ is the identity where w is drawn, w wᵀ where it is fixed.
        second = np.trace(covariance) if self.weight is None else weight @ covariance @ weight
        return float(second) * (self.x_scale * self.weight_scale) ** 2

    def input_covariance(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Λ = E x xᵀ [d, d] before ``x_scale``; its mean over prompts where it is redrawn for each."""
        if self.inputs == "uniform":
            return np.eye(self.d_X) * self.half_width**2 / 3
        return np.eye(self.d_X) if isinstance(self.covariance, str) else np.asarray(self.covariance, dtype=float)

    @property
    def input_moment(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """E x xᵀ [d, d] of the inputs as the model sees them."""
        return self.input_covariance() * self.x_scale**2

    def summary(self) -> dict[str, float | str]:
        """The settings in the papers' symbols, in the order to be shown."""
        inputs = f"U(−{self.half_width:g}, {self.half_width:g})" if self.inputs == "uniform" else "N(0, Λ)"
        shown: dict[str, float | str] = {"functions": "linear", "d": self.d_X, "N": self.length, "x": inputs}
        if self.inputs == "gaussian":
            shown["Λ"] = self.covariance if isinstance(self.covariance, str) else "given"
        if self.query_covariance is not None:
            shown["Λ of the query"] = "given"
        changed = {"x times": self.x_scale, "query times": self.query_scale, "w times": self.weight_scale}
        shown |= {name: value for name, value in changed.items() if value != 1}
        extra = {"distractors": self.distractors, "noise": self.noise, "noise answers": self.noise_answers}
        return shown | {name: value for name, value in extra.items() if value}

    def check_dimensions(self, dimensions: int) -> None:
        """Refuse a curriculum with zeros among inputs that it would make other ones.

        Raises:
            BadRequest: naming what does not fit.
        """
        allowed = f"at least d_X = {self.d_X}, or with gaussian inputs whose covariance is no given matrix"
        require(dimensions >= self._fewest_dimensions, "dimensions of a curriculum", dimensions, allowed)

    @property
    def _fewest_dimensions(self) -> int:
        """Zeros in place of coordinates leave gaussian inputs what they are, unless a matrix mixes these."""
        return 1 if self.inputs == "gaussian" and isinstance(self.covariance, str) else self.d_X

    def draw(self, stream_of: StreamOf, batch: int, size: PromptSize | None, dtype: torch.dtype) -> FunctionPrompts:
        """Inputs, weights and noise; with fewer dimensions than the task's own the inputs' last coordinates are 0.

        Raises:
            BadRequest: if the size asks for dimensions that the task does not have, or for a context too short.
        """
        length = self.length if size is None else size.length
        active = self.d_X if size is None or size.dimensions is None else size.dimensions
        least = self._fewest_dimensions
        allowed = f"{least} to d_X" if least < self.d_X else "d_X"
        require(least <= active <= self.d_X, "dimensions of a schedule", active, f"{allowed} = {self.d_X}")
        allowed = f"at least noise_answers = {self.noise_answers}"
        require(length >= self.noise_answers, "length of a schedule", length, allowed)
        x = draw_inputs(self, stream_of("inputs"), batch, length + 1) * self.x_scale
        x[:, :, -1] *= self.query_scale
        x[..., active:] = 0
        values = torch.einsum("rbpd,rbd->rbp", x, draw_weights(self, stream_of("weights"), batch))
        answers = values
        if self.noise:
            answers = values + self.noise * stream_of("noise").normal(batch, length + 1)
        if self.noise_answers:
            answers = _with_noise_answers(self.noise_answers, answers, stream_of("noise answers"))
        return FunctionPrompts(x.to(dtype), answers.to(dtype), values.to(dtype), self.predictions == "every")


def _with_noise_answers(
    count: int, answers: Float64[Tensor, "run batch points"], stream: RandomStream
) -> Float64[Tensor, "run batch points"]:
    """The answers with so many of each context's replaced by standard normal numbers, the query's left alone."""
    _, batch, points = answers.shape
    order = stream.uniform(batch, points - 1).argsort(dim=2)
    chosen = torch.zeros_like(answers, dtype=torch.bool)
    chosen.scatter_(2, order[:, :, :count], True)
    return torch.where(chosen, stream.at(1).normal(batch, points), answers)


def draw_inputs(
    task: LinearRegression, stream: RandomStream, batch: int, points: int
) -> Float64[Tensor, "run batch points d"]:
    """X of every point, before ``x_scale``."""
    if task.inputs == "uniform":
        return (2 * stream.uniform(batch, points, task.d_X) - 1) * task.half_width
    normal = stream.normal(batch, points, task.d_X)
    inputs = _coloured(task, normal, stream)
    if task.query_covariance is not None:
        inputs[:, :, -1] = normal[:, :, -1] @ _root(np.asarray(task.query_covariance, dtype=float), stream.keys.device)
    return inputs


def _coloured(
    task: LinearRegression, normal: Float64[Tensor, "run batch points d"], stream: RandomStream
) -> Float64[Tensor, "run batch points d"]:
    """Standard normal numbers with the covariance of the inputs."""
    if task.covariance == "exponential":
        together = task.prompts_per_covariance
        drawn = stream.at(1).uniform(-(-normal.shape[1] // together), 1, task.d_X)
        variances = -torch.log1p(-drawn).repeat_interleave(together, dim=1)[:, : normal.shape[1]]
        return normal * variances.sqrt()
    if task.covariance == "identity":
        return normal.clone()
    return normal @ _root(task.input_covariance(), stream.keys.device)


def _root(
    covariance: np.ndarray[tuple[int, int], np.dtype[np.float64]], device: torch.device
) -> Float64[Tensor, "d d"]:
    """Lᵀ with L Lᵀ the covariance; x = L z for the row zᵀ Lᵀ."""
    return torch.from_numpy(np.linalg.cholesky(covariance)).to(device).T


def draw_weights(task: LinearRegression, stream: RandomStream, batch: int) -> Float64[Tensor, "run batch d"]:
    """W of every prompt."""
    if task.weight is None:
        weights = task.weight_scale * stream.normal(batch, task.d_X)
    else:
        fixed = torch.tensor(task.weight, dtype=torch.float64, device=stream.keys.device) * task.weight_scale
        weights = fixed.expand(len(stream.keys), batch, task.d_X).clone()
    weights[:, :, task.d_X - task.distractors :] = 0.0
    return weights
