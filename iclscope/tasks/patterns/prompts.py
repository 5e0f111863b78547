"""Prompts of patterns, kept as what each column is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from iclscope.tasks.examples import InContextExamples
from iclscope.tasks.prompts import DensePrompts


@dataclass(frozen=True)
class PatternPrompts:
    """Prompts whose columns are μ_j + κ ν_k above and ±q below.

    A column is two indices and two numbers, so scores are looked up and weighted sums are counted per pattern: no
    tensor of size length × d is made. Every column also says which pattern it holds, which the mechanism measures
    read.

    Attributes:
        dictionary: the relevant patterns, the irrelevant patterns and q, as rows of length d = d_X + d_Y.
        relevant: index into ``dictionary`` of each context column's relevant pattern.
        irrelevant: index into ``dictionary`` of each context column's irrelevant pattern.
        kappa: κ of each context column.
        signs: label of each context column, +1 or −1.
        query_relevant: the query's relevant pattern.
        query_irrelevant: the query's irrelevant pattern.
        query_kappa: the query's κ.
        labels: the query's label z.
        d_X: how many first entries of a column are the input.
        mask: which context columns exist; None if all do. As sampled, those that exist come first.
    """

    dictionary: Float[Tensor, "run patterns d"]
    relevant: Int64[Tensor, "run batch length"]
    irrelevant: Int64[Tensor, "run batch length"]
    kappa: Float[Tensor, "run batch length"]
    signs: Float[Tensor, "run batch length"]
    query_relevant: Int64[Tensor, "run batch"]
    query_irrelevant: Int64[Tensor, "run batch"]
    query_kappa: Float[Tensor, "run batch"]
    labels: Float[Tensor, "run batch"]
    d_X: int
    mask: Bool[Tensor, "run batch length"] | None = None

    @property
    def length(self) -> int:
        """The number of context columns, masked ones included."""
        return self.relevant.shape[2]

    @property
    def query(self) -> Float[Tensor, "run batch d"]:
        """The query column p_query, label part zero."""
        relevant = own_rows(self.dictionary, self.query_relevant)
        return relevant + self.query_kappa[..., None] * own_rows(self.dictionary, self.query_irrelevant)

    @property
    def same_pattern(self) -> Bool[Tensor, "run batch length"]:
        """Which existing context columns hold the query's relevant pattern."""
        same = self.relevant == self.query_relevant[..., None]
        return same if self.mask is None else same & self.mask

    def scores(self, interaction: Float[Tensor, "run d d"]) -> Float[Tensor, "run batch length"]:
        """p_sᵀ A p_query for every context column s, in O(patterns + length) per prompt.

        All scores of all patterns with all patterns are one small matrix per run; a prompt looks its own up.
        """
        of_patterns = self.dictionary @ interaction.transpose(1, 2) @ self.dictionary.transpose(1, 2)
        of_query = own_rows(of_patterns, self.query_relevant)
        of_query = of_query + self.query_kappa[..., None] * own_rows(of_patterns, self.query_irrelevant)
        return (
            of_query.gather(2, self.relevant)
            + self.kappa * of_query.gather(2, self.irrelevant)
            + self.signs * of_query[..., -1:]
        )

    def weighted_sum(
        self, weights: Float[Tensor, "run batch length"], projection: Float[Tensor, "run k d"]
    ) -> Float[Tensor, "run batch k"]:
        """Σ_s weights_s W p_s, in O(length + patterns·k) per prompt: how much of each pattern, times its image."""
        runs, batch, _ = weights.shape
        amounts = weights.new_zeros(runs, batch, self.dictionary.shape[1] - 1)
        amounts = amounts.scatter_add(2, self.relevant, weights)
        amounts = amounts.scatter_add(2, self.irrelevant, weights * self.kappa)
        label = (weights * self.signs).sum(dim=2, keepdim=True)
        return torch.cat([amounts, label], dim=2) @ (self.dictionary @ projection.transpose(1, 2))

    def examples(self) -> InContextExamples:
        """The prompts as examples in order, the query right behind the context columns that exist."""
        dense = self.dense()
        runs, batch, length, d = dense.columns.shape
        query_at = torch.full((runs, batch), length, device=dense.query.device)
        if self.mask is not None:
            query_at = self.mask.sum(dim=2)
        points = torch.cat([dense.columns, dense.query[:, :, None]], dim=2)
        place = query_at[..., None, None].expand(-1, -1, 1, d)
        points = points.scatter(2, place, dense.query[:, :, None])
        return InContextExamples(points[..., : self.d_X], points[..., self.d_X :], query_at)

    def dense(self) -> DensePrompts:
        """The same prompts with every column written out; the reference for the sparse maps above."""
        runs, batch, length = self.relevant.shape
        flat = (runs, batch * length)
        columns = (
            own_rows(self.dictionary, self.relevant.reshape(flat))
            + self.kappa.reshape(flat)[..., None] * own_rows(self.dictionary, self.irrelevant.reshape(flat))
            + self.signs.reshape(flat)[..., None] * self.dictionary[:, -1:, :]
        )
        return DensePrompts(columns.reshape(runs, batch, length, columns.shape[2]), self.query, self.labels, self.mask)


def own_rows(table: Float[Tensor, "run patterns d"], index: Int64[Tensor, "run count"]) -> Float[Tensor, "run count d"]:
    """Each run's own rows at each run's own indices."""
    return table.gather(1, index[..., None].expand(-1, -1, table.shape[2]))
