"""The interface between prompts and models, the same for every task.

A prompt of context length l is the matrix P = [p_1 … p_l p_query] of Li 2024, Section 2: inputs in the first d_X
rows, label embeddings in the last d_Y, the query's label embedding zero. A softmax-attention layer reads the
context through two maps only: the scores p_sᵀ A p_query of all columns for one matrix A, and a weighted sum of all
columns under one matrix. `Prompts` asks for just these, so that a task whose columns are sparse in some dictionary
never has to write them out; `DensePrompts` is the plain case and the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TRAINING_PURPOSE, EVALUATION_PURPOSE = "training", "evaluation"
"""What batches are drawn for; those of one purpose are unrelated to those of another."""


class PromptSize(NamedTuple):
    """How large the prompts of one batch are, where a training changes it from step to step.

    Attributes:
        length: context examples.
        dimensions: coordinates of the inputs that are not zero; None: all.
    """

    length: int
    dimensions: int | None = None


@runtime_checkable
class TrainingPrompts(Protocol):
    """All that a loss asks of prompts.

    A batch that lists every prompt there is, or every query of a context, for an exact expectation, also has
    ``weights`` [run, batch]: the prompts' probabilities. Without them all prompts count alike.
    """

    @property
    def labels(self) -> Tensor:
        """What the model should say: [run, batch] at the query, or [run, batch, points] at every x."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """Draws the prompts of a task for many runs."""

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> TrainingPrompts:
        """A batch for every run, a pure function of (seed, purpose, step), and of the size if one is given."""
        ...

    def runs(self, indices: Sequence[int]) -> Self:
        """The sampler of some of the runs, in the given order."""
        ...


@runtime_checkable
class Prompts(Protocol):
    """A batch of prompts for each run."""

    @property
    def query(self) -> Float[Tensor, "run batch d"]:
        """The query column p_query, d = d_X + d_Y, label part zero."""
        ...

    @property
    def labels(self) -> Float[Tensor, "run batch"]:
        """The query's label z, +1 or −1."""
        ...

    @property
    def mask(self) -> Bool[Tensor, "run batch length"] | None:
        """Which context columns exist; None if all do."""
        ...

    @property
    def length(self) -> int:
        """The number of context columns, masked ones included."""
        ...

    def scores(self, interaction: Float[Tensor, "run d d"]) -> Float[Tensor, "run batch length"]:
        """p_sᵀ A p_query for every context column s; A is the interaction, for instance W_Kᵀ W_Q."""
        ...

    def weighted_sum(
        self, weights: Float[Tensor, "run batch length"], projection: Float[Tensor, "run k d"]
    ) -> Float[Tensor, "run batch k"]:
        """Σ_s weights_s W p_s over the context columns; W is the projection, for instance W_V."""
        ...


@dataclass(frozen=True)
class DensePrompts:
    """Prompts whose columns are written out.

    Attributes:
        columns: the context columns p_1 … p_l, one per row.
        query: the query column, its label part zero.
        labels: the query's label, +1 or −1.
        mask: which context columns exist; None if all do.
    """

    columns: Float[Tensor, "run batch length d"]
    query: Float[Tensor, "run batch d"]
    labels: Float[Tensor, "run batch"]
    mask: Bool[Tensor, "run batch length"] | None = None

    @property
    def length(self) -> int:
        """The number of context columns, masked ones included."""
        return self.columns.shape[2]

    def scores(self, interaction: Float[Tensor, "run d d"]) -> Float[Tensor, "run batch length"]:
        """p_sᵀ A p_query for every context column s, in O(d² + length·d) per prompt."""
        return torch.einsum("rbsd,rbd->rbs", self.columns, self.query @ interaction.transpose(1, 2))

    def weighted_sum(
        self, weights: Float[Tensor, "run batch length"], projection: Float[Tensor, "run k d"]
    ) -> Float[Tensor, "run batch k"]:
        """Σ_s weights_s W p_s, columns mixed before they are projected: O(length·d + k·d) per prompt."""
        return torch.einsum("rbs,rbsd->rbd", weights, self.columns) @ projection.transpose(1, 2)
