"""Drawing which pattern each column holds (Li 2024, Section 2 for training, Section 3 for testing prompts)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from iclscope.core.arguments import whole_number
from iclscope.core.random_streams import RandomStream


class DrawnQuery(NamedTuple):
    """Task and query of each prompt.

    Attributes:
        positive: index a of the pattern labelled +1.
        negative: index b of the pattern labelled −1.
        labels: the query's label z, each value with probability 1/2.
    """

    positive: Int64[Tensor, "run batch"]
    negative: Int64[Tensor, "run batch"]
    labels: Float64[Tensor, "run batch"]

    @property
    def relevant(self) -> Int64[Tensor, "run batch"]:
        """The query's relevant pattern."""
        return torch.where(self.labels > 0, self.positive, self.negative)


class DrawnContext(NamedTuple):
    """Relevant pattern and label of each context column."""

    relevant: Int64[Tensor, "run batch length"]
    signs: Float64[Tensor, "run batch length"]


class PromptSource(NamedTuple):
    """All that the prompts of one step are a function of.

    Attributes:
        keys: where each run's stream of this step starts.
        alpha: α of each run.
        K: range of κ of each run.
        tasks: each run's tasks (a, b), padded at the end to a common number.
        task_counts: how many of them are real.
        M1: number of relevant patterns.
        M2: number of irrelevant patterns.
        shortest: the shortest context.
        longest: the longest context.
        exact: whether the numbers of columns are exact.
    """

    keys: Int64[Tensor, " run"]
    alpha: Float64[Tensor, " run"]
    K: Float64[Tensor, " run"]
    tasks: Int64[Tensor, "run tasks 2"]
    task_counts: Int64[Tensor, " run"]
    M1: int
    M2: int
    shortest: int
    longest: int
    exact: bool


def split(uniform: Float64[Tensor, "*shape"], parts: Tensor | int) -> tuple[Tensor, Tensor]:
    """Split a uniform number into a uniform index below ``parts`` and an independent uniform number.

    53 random bits are enough for both: the index takes log₂(parts) of them.
    """
    scaled = uniform * parts
    index = scaled.floor()
    return index.to(torch.int64), scaled - index


class Draws(NamedTuple):
    """All random numbers of a batch, uniform on [0, 1), drawn at once.

    Attributes:
        task: for task and label of the query.
        length: for the prompt's length.
        query: for the query's irrelevant pattern and κ.
        relevant: for each column's relevant pattern and label.
        irrelevant: for each column's irrelevant pattern and κ.
        places: for the order of columns, where their numbers are exact; empty otherwise.
    """

    task: Float64[Tensor, "run batch"]
    length: Float64[Tensor, "run batch"]
    query: Float64[Tensor, "run batch"]
    relevant: Float64[Tensor, "run batch length"]
    irrelevant: Float64[Tensor, "run batch length"]
    places: Float64[Tensor, "run batch places"]


def draw(stream: RandomStream, batch: int, length: int, *, exact: bool) -> Draws:
    """Draw a batch's numbers in one call: for small batches the number of calls is what costs time.

    Args:
        stream: one stream per run.
        batch: prompts per run.
        length: the longest context.
        exact: whether columns will be placed at random.
    """
    batch = whole_number("batch", batch, least=1)
    sizes = [3, length, length, length if exact else 0]
    single, relevant, irrelevant, places = torch.split(stream.uniform(batch, sum(sizes)), sizes, dim=2)
    task, prompt_length, query = single.unbind(2)
    return Draws(task, prompt_length, query, relevant, irrelevant, places)


def queries(
    uniform: Float64[Tensor, "run batch"], tasks: Int64[Tensor, "run tasks 2"], task_counts: Int64[Tensor, " run"]
) -> DrawnQuery:
    """A task for each prompt, uniformly, and the query's label.

    Args:
        uniform: random numbers.
        tasks: each run's tasks (a, b), padded at the end to a common number.
        task_counts: how many of them are real.
    """
    index, rest = split(uniform, task_counts[:, None].double())
    pairs = tasks.gather(1, index[..., None].expand(-1, -1, 2))
    labels = torch.where(rest < 0.5, 1.0, -1.0).double()
    return DrawnQuery(pairs[..., 0], pairs[..., 1], labels)


def independent_context(
    uniform: Float64[Tensor, "run batch length"], query: DrawnQuery, alpha: Float64[Tensor, " run"], M1: int
) -> DrawnContext:
    """Each column independently: μ_a and μ_b with probability α/2 each, any other pattern with (1−α)/(M1−2).

    Columns with another pattern get a fair coin as label.
    """
    level = alpha[:, None, None]
    other = ((uniform - level) / (1 - level).clamp_min(1e-300)).clamp(0, 1 - 2.0**-53)
    is_positive = uniform < level / 2
    is_negative = ~is_positive & (uniform < level)
    return _assemble(query, is_positive, is_negative, other, M1)


def exact_context(
    places: Float64[Tensor, "run batch length"],
    other: Float64[Tensor, "run batch length"],
    query: DrawnQuery,
    alpha: Float64[Tensor, " run"],
    M1: int,
    mask: Bool[Tensor, "run batch length"] | None,
) -> DrawnContext:
    """Exactly ⌈α'l/2⌉ columns with the query's pattern, at random places (the paper's testing prompts).

    As many hold the task's other pattern, or as many as there is room for; the rest hold other patterns.
    """
    if mask is None:
        lengths = torch.full_like(query.labels, places.shape[2])
    else:
        places = places.masked_fill(~mask, 2.0)
        lengths = mask.sum(dim=2).double()
    rank = places.argsort(dim=2).argsort(dim=2)
    # Rounding guards against α'l/2 = 8.000000001 becoming 9.
    share = torch.ceil((alpha[:, None] * lengths / 2 * 1e9).round() / 1e9)[..., None]
    same, opposite = rank < share, (rank >= share) & (rank < 2 * share)
    query_positive = query.labels[..., None] > 0
    is_positive = torch.where(query_positive, same, opposite)
    is_negative = torch.where(query_positive, opposite, same)
    return _assemble(query, is_positive, is_negative, other, M1)


def irrelevant_part(
    uniform: Float64[Tensor, "run *shape"],  # noqa: F821 (a shape)
    M1: int,
    M2: int,
    K: Float64[Tensor, " run"],
) -> tuple[Int64[Tensor, "run *shape"], Float64[Tensor, "run *shape"]]:  # noqa: F821 (a shape)
    """ν_k uniformly, as its index in the dictionary, and κ ~ Uniform(−K, K)."""
    index, rest = split(uniform, M2)
    return index + M1, (2 * rest - 1) * K.reshape(-1, *(1 for _ in uniform.shape[1:]))


def length_mask(uniform: Float64[Tensor, "run batch"], shortest: int, longest: int) -> Bool[Tensor, "run batch length"]:
    """Give each prompt a length of its own, uniform on shortest … longest."""
    index, _ = split(uniform, longest - shortest + 1)
    return torch.arange(longest, device=index.device) < (index + shortest)[..., None]


def _assemble(
    query: DrawnQuery,
    is_positive: Bool[Tensor, "run batch length"],
    is_negative: Bool[Tensor, "run batch length"],
    other: Float64[Tensor, "run batch length"],
    M1: int,
) -> DrawnContext:
    """Turn "μ_a, μ_b or another" into pattern indices and labels, ``other`` being uniform on [0, 1)."""
    positive, negative = query.positive[..., None], query.negative[..., None]
    index, coin = split(other, max(M1 - 2, 1))
    # Count the other patterns around a and b: skip the smaller of the two, then the larger.
    index = index + (index >= torch.minimum(positive, negative))
    index = index + (index >= torch.maximum(positive, negative))
    relevant = torch.where(is_positive, positive, torch.where(is_negative, negative, index))
    coin_sign = torch.where(coin < 0.5, 1.0, -1.0).double()
    signs = torch.where(is_positive, 1.0, torch.where(is_negative, -1.0, coin_sign))
    return DrawnContext(relevant, signs)
