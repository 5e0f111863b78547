"""The settings of the task of Huang 2024: how many features, how likely each is, and what is averaged exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, model_validator

from iclscope.core.arguments import seeds_from
from iclscope.core.errors import require, require_finite
from iclscope.tasks.equal_runs import EqualRunsTask, the_one_task

if TYPE_CHECKING:
    from iclscope.tasks.orthonormal_features.sampler import FeatureSampler

Expectation = Literal["sampled", "counts", "exact"]

MOST_COUNT_VECTORS = 20_000
"""Enumeration is refused beyond this many: a step would take seconds."""


class OrthonormalFeatures(EqualRunsTask):
    """Linear functions of inputs that are one of K orthonormal features (Huang 2024, problem set-up).

    x_i = v_j with probability p_j, y_i = ⟨w, x_i⟩, w ~ N(0, I) anew for every prompt; the query is drawn as the context
    is. The features are a random orthonormal set in R^d_X, one set per seed.

    Under "counts" and "exact" a prompt is how often each feature stands in it, which is all that a layer of attention
    without positions can see of it, and a batch is B of these, each with every query (weighed by p_k) and every
    w = √K v_m. These w have the second moment of N(0, I), so that the mean squared error over them, a quadratic
    function of w, is exactly that over N(0, I) for every prediction that is linear in the answers.
    """

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

    def described(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        p: float | str = "1/K" if self.probabilities == "balanced" else "given"
        if self.dominant is not None:
            p = f"p₁ = {self.dominant:g}, others equal"
        return {"K": self.K, "d": self.d_X, "N": self.length, "p": p, "prompts": self.expectation}

    @staticmethod
    def stacked(
        tasks: Sequence[OrthonormalFeatures],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> FeatureSampler:
        """A sampler of these tasks, one per run."""
        from iclscope.tasks.orthonormal_features.sampler import FeatureSampler

        return FeatureSampler(the_one_task(tasks, seeds), seeds, dtype=dtype, device=device)

    def sampler(
        self, seeds: Sequence[int], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> FeatureSampler:
        """A sampler of this task's prompts with one run per seed."""
        seeds = seeds_from(seeds)
        return self.stacked([self] * len(seeds), seeds, dtype=dtype, device=device)
