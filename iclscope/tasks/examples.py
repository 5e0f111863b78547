"""Prompts as examples in order, and the two ways to write them as tokens of a sequence model.

Li 2024 writes an example as one token, the column [x; y]; Garg 2022 writes x and y as two tokens that alternate, y
padded with zeros to the dimension of x. A causal model reads either from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from iclscope.core.arguments import expect
from iclscope.core.errors import require
from iclscope.tasks.prompts import DensePrompts, Prompts

TokenFormat = Literal["columns", "alternating"]


@dataclass(frozen=True)
class Tokens:
    """A sequence per prompt, and where predictions are read.

    Attributes:
        values: the tokens, before any read-in.
        read_at: indices of the tokens at which the model's output is a prediction.
        examples_at: index of each example's first token; the query's among them.
    """

    values: Float[Tensor, "run batch tokens width"]
    read_at: Int64[Tensor, "run batch reads"]
    examples_at: Int64[Tensor, " points"]


@dataclass(frozen=True)
class InContextExamples:
    """Examples (x_1, y_1), (x_2, y_2), … of each prompt, in order.

    Attributes:
        inputs: x of every point; points behind the query are padding.
        answers: y of every point, as a vector; the query's own is never read.
        query_at: which point is the query; None if every point is one, after those before it.
    """

    inputs: Float[Tensor, "run batch points d_X"]
    answers: Float[Tensor, "run batch points d_Y"]
    query_at: Int64[Tensor, "run batch"] | None = None

    def context_mask(self) -> Bool[Tensor, "run batch points"]:
        """Which points are context: those before the query.

        Raises:
            BadRequest: where every point is a query.
        """
        query_at = self._the_query()
        points = torch.arange(self.inputs.shape[2], device=self.inputs.device)
        return points < query_at[..., None]

    def query(self) -> Float[Tensor, "run batch d_X"]:
        """Inputs of the queries.

        Raises:
            BadRequest: where every point is a query.
        """
        at = self._the_query()[..., None, None].expand(-1, -1, 1, self.inputs.shape[3])
        return self.inputs.gather(2, at)[:, :, 0]

    def one_length(self) -> int:
        """How many examples stand before the query, of prompts that are all of one length.

        Raises:
            BadRequest: if lengths vary, or every point is a query.
        """
        lengths = set(self._the_query().flatten().tolist())
        require(len(lengths) == 1, "length", "varying", "one length for all prompts")
        return int(lengths.pop())

    def dense(self, labels: Float[Tensor, "run batch"]) -> DensePrompts:
        """The prompt's matrix P (Li 2024, Section 2) with its columns written out; padding is masked."""
        mask = self.context_mask()
        query = torch.cat([self.query(), self.answers.new_zeros(*self.answers.shape[:2], self.answers.shape[3])], dim=2)
        columns = torch.cat([self.inputs, self.answers], dim=3)
        if bool((self._the_query() == self.inputs.shape[2] - 1).all()):  # nothing behind any query
            return DensePrompts(columns[:, :, :-1], query, labels)
        return DensePrompts(columns, query, labels, mask)

    def _the_query(self) -> Int64[Tensor, "run batch"]:
        """Where the one query is."""
        allowed = "the query alone: this model answers one query per prompt"
        require(self.query_at is not None, "predictions", "every", allowed)
        assert self.query_at is not None
        return self.query_at

    def tokens(self, form: TokenFormat) -> Tokens:
        """Write the examples as tokens.

        Raises:
            BadRequest: for columns where every point is a query: a column holds the answer beside the input.
        """
        return self._columns() if form == "columns" else self._alternating()

    def _columns(self) -> Tokens:
        """[x; y] per point, with zeros for y at the query (Li 2024, Section 2)."""
        query_at = self.query_at
        require(query_at is not None, "tokens", "columns", "alternating, where a prediction is asked for at every x")
        assert query_at is not None
        points = torch.arange(self.inputs.shape[2], device=self.inputs.device)
        known = (points != query_at[..., None])[..., None].to(self.answers)
        return Tokens(torch.cat([self.inputs, self.answers * known], dim=3), query_at[..., None], points)

    def _alternating(self) -> Tokens:
        """x_1, y_1, x_2, …, x_n, each padded with zeros to the longer of the two (Garg 2022, Section 2).

        The last y is left out: nothing comes after it, so nothing could read it.
        """
        runs, batch, points, _ = self.inputs.shape
        width = max(self.inputs.shape[3], self.answers.shape[3])
        pairs = torch.stack([_padded(self.inputs, width), _padded(self.answers, width)], dim=3)
        values = pairs.reshape(runs, batch, 2 * points, width)[:, :, :-1]
        examples_at = 2 * torch.arange(points, device=values.device)
        if self.query_at is not None:
            return Tokens(values, 2 * self.query_at[..., None], examples_at)
        return Tokens(values, examples_at.expand(runs, batch, points), examples_at)


def _padded(vectors: Float[Tensor, "*batch d"], width: int) -> Float[Tensor, "*batch width"]:
    """Append zeros."""
    return torch.nn.functional.pad(vectors, (0, width - vectors.shape[-1]))


@runtime_checkable
class ExamplePrompts(Protocol):
    """A batch of prompts that a sequence model can read."""

    @property
    def labels(self) -> Tensor:
        """What the model should say: [run, batch] at the query, or [run, batch, points] at every x."""
        ...

    def examples(self) -> InContextExamples:
        """The prompts as examples in order."""
        ...


@runtime_checkable
class SignedPrompts(ExamplePrompts, Protocol):
    """Prompts whose answers are signs, which a classifier can answer."""

    @property
    def signs(self) -> Float[Tensor, "run batch length"]:
        """+1 or −1 of each context example, in the order of `examples`."""
        ...


@runtime_checkable
class CountedPrompts(Protocol):
    """Prompts that say how often each of K inputs stands in the context, all that attention without positions sees.

    Every context comes with every query: prompt number b·queries + q is context b with query q. The answer to an input
    is ``answer_scale`` on the axis of its own and 0 on the K − 1 others.
    """

    @property
    def counts(self) -> Float[Tensor, "run contexts K"]:
        """How often each input stands in each context."""
        ...

    @property
    def features(self) -> Float[Tensor, "run K d"]:
        """The inputs, one per row."""
        ...

    @property
    def queries(self) -> Int64[Tensor, " queries"]:
        """Which input each query is."""
        ...

    @property
    def answer_scale(self) -> float:
        """The answer that each input gets."""
        ...

    def written_out(self) -> InContextExamples:
        """The same prompts with every example written out."""
        ...


def examples_of(prompts: Any) -> InContextExamples:
    """The examples of prompts.

    Raises:
        BadRequest: if they are no prompts.
    """
    hint = "a task's sampler makes them: task.sampler(seeds).prompts(64)"
    expect(callable(getattr(prompts, "examples", None)), "prompts", prompts, "prompts", hint)
    found: InContextExamples = prompts.examples()
    return found


def columns_of(prompts: Prompts | ExamplePrompts) -> Prompts:
    """Prompts as columns, for a model that reads scores and weighted sums of them.

    Prompts that have these maps themselves (sparse ones) are left as they are.

    Raises:
        BadRequest: if the prompts ask for a prediction at every x.
    """
    # Not isinstance with the protocol, which would compute every property of sparse prompts.
    if hasattr(prompts, "weighted_sum"):
        return cast("Prompts", prompts)
    examples = examples_of(prompts)
    examples.query()  # refuses prompts with a query at every x, whose labels have another shape
    return examples.dense(prompts.labels)
