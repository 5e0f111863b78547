"""Prompts as feature counts: all that attention without positions can see of them, at a cost that no length raises."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from iclscope.core.errors import Verbatim, refused
from iclscope.tasks.examples import InContextExamples


@dataclass(frozen=True)
class CountPrompts:
    """How often each feature stands in each context; every context comes with every query.

    Prompt number b·queries + q is context b with query q. Its answers are those of K functions at once, w = √K v_m.

    Attributes:
        counts: n_j of each context, whole numbers that sum to the same length.
        features: v_1 … v_K of each run, one per row.
        queries: the feature of each query, counted from 0.
        weights: probability of each prompt, summing to 1 over a run's.
    """

    counts: Float[Tensor, "run contexts K"]
    features: Float[Tensor, "run K d"]
    queries: Int64[Tensor, " queries"]
    weights: Float[Tensor, "run prompts"]

    @property
    def answer_scale(self) -> float:
        """What the function w = √K v_m says of its own feature v_m, √K; of the others it says 0."""
        return math.sqrt(self.counts.shape[2])

    @property
    def labels(self) -> Float[Tensor, "run prompts K"]:
        """⟨√K v_m, x_query⟩ for every m."""
        runs, contexts, K = self.counts.shape
        one_hot = torch.eye(K, dtype=self.counts.dtype, device=self.counts.device)[self.queries]
        return (one_hot * self.answer_scale).expand(runs, contexts, -1, -1).reshape(runs, -1, K)

    def written_out(self) -> InContextExamples:
        """The same prompts with every example written out, features in order, K answers per example.

        What the fast path of a model is tested against; nothing else needs it.
        """
        runs, contexts, K = self.counts.shape
        many = len(self.queries)
        which = torch.arange(K, device=self.counts.device).repeat(runs * contexts)
        listed = which.repeat_interleave(self.counts.flatten().long()).reshape(runs, contexts, 1, -1)
        listed = listed.expand(-1, -1, many, -1)
        asked = self.queries.reshape(1, 1, -1, 1).expand(runs, contexts, -1, -1)
        points = torch.cat([listed, asked], dim=3).flatten(1, 2)
        run = torch.arange(runs, device=points.device)[:, None, None]
        answers = torch.eye(K, dtype=self.counts.dtype, device=points.device)[points] * self.answer_scale
        query_at = torch.full(points.shape[:2], points.shape[2] - 1, device=points.device)
        return InContextExamples(self.features[run, points], answers, query_at)

    def examples(self) -> InContextExamples:
        """Refused: a model of sequences gives one answer per prompt, not one for each of K functions.

        Raises:
            BadRequest: always, naming what to ask for instead.
        """
        raise refused("expectation", Verbatim("'counts' or 'exact'"), "sampled, but for the model softmax_attention")
