"""The task of Huang 2024: how many features, how likely each is, what is averaged exactly, how prompts are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Float64, Int64
from pydantic import Field, model_validator
from torch import Tensor

from iclscope.core.arguments import whole_number
from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.function_prompts import FunctionPrompts
from iclscope.tasks.orthonormal_features.count_prompts import CountPrompts
from iclscope.tasks.prompt_sampler import PromptSampler
from iclscope.tasks.prompts import PromptSize
from iclscope.tasks.task import RegressionTask, Task, single_task

Expectation = Literal["sampled", "counts", "exact"]

MOST_COUNT_VECTORS = 20_000
"""Enumeration is refused beyond this many: a step would take seconds."""


class OrthonormalFeatures(RegressionTask):
    """Linear functions of inputs that are one of K orthonormal features (Huang 2024, problem set-up).

    x_i = v_j with probability p_j, y_i = ⟨w, x_i⟩, w ~ N(0, I) for every prompt; the query is drawn as the context
    is. The features are a random orthonormal set in R^d_X, one set per seed.

    Under "counts" and "exact" a prompt is how often each feature stands in it, which is all that a layer of attention
    without positions can see of it, and a batch is B of these, each with every query (weighed by p_k) and every
    w = √K v_m. These w have the second moment of N(0, I), so that the mean squared error over them, a quadratic
    function of w, is exactly that over N(0, I) for every prediction that is linear in the answers.
    """

    main: ClassVar[tuple[str, ...]] = ("K", "d_X", "length")

    kind: Literal["orthonormal_features"] = Field("orthonormal_features", description="which task this is")
    K: int = Field(10, ge=2, description="number of features K")
    d_X: int = Field(10, ge=2, description="input dimension, at least K")
    length: int = Field(80, ge=1, description="context length N: examples before the query")
    probabilities: Literal["balanced"] | tuple[float, ...] = Field(
        "balanced", description="balanced: 1/K each, but for a dominant feature; or p_1 … p_K, summing to 1"
    )
    dominant: float | None = Field(
        None, description="probability p_1 of a dominant feature, more than 1/K; the others share the rest; None: none"
    )
    query_feature: int | None = Field(None, ge=0, description="the query's feature, counted from 0; None: drawn")
    expectation: Expectation = Field(
        "sampled",
        description="sampled: fresh prompts; counts: fresh feature counts, all queries and tasks w exactly; exact: all "
        "feature counts, too",
    )

    @model_validator(mode="after")
    def _check(self) -> OrthonormalFeatures:
        require(self.d_X >= self.K, "K", self.K, f"at most d_X = {self.d_X}: no more features are orthonormal")
        require_finite([("dominant", self.dominant)])
        if self.probabilities != "balanced":
            given = self.probabilities
            require(len(given) == self.K, "probabilities", list(given), f"one per feature, {self.K}")
            positive = all(math.isfinite(p) and p > 0 for p in given)
            require(positive, "probabilities", list(given), "positive numbers")
            require(abs(sum(given) - 1) < 1e-9, "sum of probabilities", sum(given), "1")
            require(self.dominant is None, "dominant", self.dominant, "None, where the probabilities are given")
        if self.dominant is not None:
            require(
                1 / self.K < self.dominant < 1, "dominant", self.dominant, f"more than 1/K = {1 / self.K:g}, below 1"
            )
        if self.query_feature is not None:
            require(self.query_feature < self.K, "query_feature", self.query_feature, f"0 to {self.K - 1}")
        if self.expectation == "exact":
            allowed = f"at most {MOST_COUNT_VECTORS} (counts or sampled have no limit)"
            require(self.count_vectors <= MOST_COUNT_VECTORS, "feature counts to list", self.count_vectors, allowed)
        return self

    @property
    def feature_probabilities(self) -> tuple[float, ...]:
        """p_1 … p_K."""
        if self.probabilities != "balanced":
            return self.probabilities
        if self.dominant is None:
            return (1 / self.K,) * self.K
        return (self.dominant, *((1 - self.dominant) / (self.K - 1),) * (self.K - 1))

    @property
    def count_vectors(self) -> int:
        """How many different (n_1 … n_K) a context of this length can have."""
        return math.comb(self.length + self.K - 1, self.K - 1)

    @property
    def scale(self) -> float:
        """E f(x)², which a prediction of 0 has as squared error."""
        return 1.0

    def summary(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        p: float | str = "1/K" if self.probabilities == "balanced" else "given"
        if self.dominant is not None:
            p = f"p₁ = {self.dominant:g}, others equal"
        return {"K": self.K, "d": self.d_X, "N": self.length, "p": p, "prompts": self.expectation}

    @classmethod
    def stacked(
        cls,
        tasks: Sequence[Any],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> FeatureSampler:
        """A sampler of these tasks, one per run."""
        return FeatureSampler(single_task(tasks, seeds), seeds, dtype=dtype, device=device)

    def check_test_of(self, trained_on: Task | None) -> None:
        """Refuse to be what a model is tested on: tests are on single prompts."""
        super().check_test_of(trained_on)
        require(self.expectation == "sampled", "expectation", self.expectation, "sampled: tests are on single prompts")

    @classmethod
    def for_testing(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The same on single prompts, whatever training averages over."""
        return {**settings, "expectation": "sampled"}


class FeatureSampler(PromptSampler):
    """Prompts of orthonormal features, a stream and a set of features per run.

    A batch is a pure function of the run's seed, the purpose and the step.

    Attributes:
        features: v_1 … v_K of each run, one per row.
    """

    features: Float[Tensor, "run K d"]

    def __init__(
        self,
        task: OrthonormalFeatures,
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the streams and the features.

        Args:
            task: the settings, the same for all runs.
            seeds: one per run.
            dtype: precision of the prompts; numbers are drawn in float64 whatever it is.
            device: where prompts are made.
        """
        super().__init__(task, seeds, dtype=dtype, device=device)
        self._probabilities = torch.tensor(task.feature_probabilities, dtype=torch.float64, device=self._device)
        self._listed: dict[int, tuple[Tensor, Tensor]] = {}

    def _set_seeds(self, seeds: Sequence[int]) -> None:
        """Begin the streams of these runs, and draw their features."""
        super()._set_seeds(seeds)
        self._features = _orthonormal_features(self._seeds, self.task.K, self.task.d_X).to(self._device)
        self.features = self._features.to(self._dtype)

    def prompts(
        self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None
    ) -> FunctionPrompts | CountPrompts:
        """Draw a batch of prompts for every run, or list all there are.

        Args:
            batch: prompts per run; under "counts" contexts per run, each with every query; under "exact" of no effect.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another context length than the task's; all dimensions are always used.
        """
        batch = whole_number("batch", batch, least=1)
        task = self.task
        length = task.length if size is None else size.length
        all_used = size is None or size.dimensions in (None, task.d_X)
        require(all_used, "dimensions of a schedule", size and size.dimensions, f"all, d_X = {task.d_X}")
        require(1 <= length <= task.length, "length of a schedule", length, f"1 to the task's, {task.length}")
        if task.expectation == "exact":
            counts, chances = self._all_counts(length)
            return self._of_counts(counts.expand(len(self._seeds), -1, -1), chances)
        stream = RandomStream.from_seeds(self._seeds, f"{purpose} features", self._device).at(step)
        if task.expectation == "counts":
            drawn = self._draw(stream, batch, length)
            counts = torch.zeros(len(drawn), batch, task.K, dtype=torch.float64, device=self._device)
            counts.scatter_add_(2, drawn, torch.ones_like(drawn, dtype=torch.float64))
            return self._of_counts(counts, counts.new_full((batch,), 1 / batch))
        points = self._draw(stream, batch, length + 1)
        if task.query_feature is not None:
            points[..., -1] = task.query_feature
        w = RandomStream.from_seeds(self._seeds, f"{purpose} functions", self._device).at(step).normal(batch, task.d_X)
        # ⟨w, v_j⟩ for every feature; the answers are then looked up.
        values = torch.einsum("rbd,rjd->rbj", w, self._features).gather(2, points).to(self._dtype)
        run = torch.arange(len(points), device=self._device)[:, None, None]
        return FunctionPrompts(self.features[run, points], values, values, predict_at_every_point=False)

    def _draw(self, stream: RandomStream, batch: int, points: int) -> Int64[Tensor, "run batch points"]:
        """Which feature each input is."""
        # The last bound is left out, so that rounding of the sum cannot give a feature K + 1.
        bounds = self._probabilities.cumsum(0)[:-1]
        return torch.bucketize(stream.uniform(batch, points), bounds, right=True)

    def _of_counts(
        self, counts: Float64[Tensor, "run contexts K"], chances: Float64[Tensor, " contexts"]
    ) -> CountPrompts:
        """Contexts of given probabilities with every query."""
        asked = self.task.query_feature
        queries = torch.tensor(range(self.task.K) if asked is None else [asked], device=self._device)
        of_query = self._probabilities if asked is None else torch.ones(1, dtype=torch.float64, device=self._device)
        weights = (chances[:, None] * of_query).flatten().to(self._dtype).expand(len(counts), -1)
        return CountPrompts(counts.to(self._dtype), self.features, queries, weights)

    def _all_counts(self, length: int) -> tuple[Float64[Tensor, "contexts K"], Float64[Tensor, " contexts"]]:
        """Every (n_1 … n_K), and its multinomial probability; kept, since every step needs them again."""
        if length not in self._listed:
            K = self.task.K
            # Stars and bars: K − 1 bars among length + K − 1 places leave K runs of stars.
            bars = torch.tensor(list(combinations(range(length + K - 1), K - 1)), dtype=torch.float64)
            edges = torch.nn.functional.pad(bars, (1, 0), value=-1.0)
            edges = torch.nn.functional.pad(edges, (0, 1), value=float(length + K - 1))
            counts = (edges.diff(dim=1) - 1).to(self._device)
            ways = torch.lgamma(torch.tensor(length + 1.0, dtype=torch.float64)) - torch.lgamma(counts + 1).sum(dim=1)
            self._listed[length] = (counts, (ways + (counts * self._probabilities.log()).sum(dim=1)).exp())
        return self._listed[length]


def _orthonormal_features(seeds: Sequence[int], K: int, d_X: int) -> Float64[Tensor, "run K d"]:
    """K directions per seed, uniform among orthonormal sets, one per row.

    Made on the CPU wherever they are used, and with the signs that make the decomposition unique (a positive
    diagonal of R), so that a model is measured on the features it was trained on whatever machine it comes from.
    """
    decomposed = torch.linalg.qr(RandomStream.from_seeds(seeds, "orthonormal features").normal(d_X, K))
    signs = decomposed.R.diagonal(dim1=1, dim2=2).sign()
    features: Tensor = (decomposed.Q * signs[:, None]).transpose(1, 2)
    return features
