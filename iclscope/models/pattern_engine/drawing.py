"""Drawing one prompt at a time, compiled: the prompts that `PatternSampler` writes out, number by number.

Numbers come from the streams of `RandomStream`, in the places that `tasks.patterns.sampling.draw` gives them, with
the same operations in double precision.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from iclscope.models.compiled.compiling import compiled, inlined
from iclscope.tasks.patterns import PatternSampler

_GAMMA, _MULTIPLIER_1, _MULTIPLIER_2 = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_SHIFTS = tuple(np.uint64(shift) for shift in (30, 27, 31, 11))
_UNIT_53 = 2.0**-53


class Source(NamedTuple):
    """All that the prompts of one step are a function of, as arrays.

    Attributes:
        keys: where each run's stream starts, uint64 [run].
        alpha: α of each run.
        K: range of κ of each run.
        tasks: each run's tasks (a, b), [run, tasks, 2], padded.
        task_counts: how many are real.
        M1: number of relevant patterns.
        M2: number of irrelevant patterns.
        shortest: the shortest context.
        longest: the longest context.
        exact: whether ⌈αl/2⌉ columns hold the query's pattern at random places, instead of independent columns.
    """

    keys: Any
    alpha: Any
    K: Any
    tasks: Any
    task_counts: Any
    M1: int
    M2: int
    shortest: int
    longest: int
    exact: bool


def source_of(sampler: PatternSampler, purpose: str, step: int) -> Source:
    """The source of a step's prompts."""
    source = sampler.source(purpose, step)
    return Source(
        source.keys.numpy().view(np.uint64), source.alpha.numpy(), source.K.numpy(), source.tasks.numpy(),
        source.task_counts.numpy(), source.M1, source.M2, source.shortest, source.longest, source.exact,
    )  # fmt: skip


@compiled
def _uniform(key: Any, counter: Any) -> Any:
    """Number ``counter`` of a stream, from 0: SplitMix64, as in `RandomStream.uniform`."""
    bits = key + (counter + np.uint64(1)) * _GAMMA
    bits = ((bits >> _SHIFTS[0]) ^ bits) * _MULTIPLIER_1
    bits = ((bits >> _SHIFTS[1]) ^ bits) * _MULTIPLIER_2
    bits = (bits >> _SHIFTS[2]) ^ bits
    # As a signed number it converts in one instruction; 53 bits are never negative.
    return np.int64(bits >> _SHIFTS[3]) * _UNIT_53


@inlined
def numbers_of_prompt(source: Any) -> Any:
    """How many uniform numbers a prompt takes: its query's, then two for every column, three where they are exact."""
    return 3 + 2 * source.longest + (source.longest if source.exact else 0)


@compiled
def draw_numbers(key: Any, first: Any, count: Any, numbers: Any) -> None:
    """Write ``count`` numbers of a stream from number ``first`` on; prompts lie one behind the other in it."""
    start = np.uint64(first)
    for s in range(count):
        numbers[s] = _uniform(key, start + np.uint64(s))


@inlined
def draw_prompt(
    source: Any, run: Any, numbers: Any, start: Any, place: Any, cell: Any, other: Any, kappa: Any
) -> Any:  # fmt: skip
    """Make one prompt of its uniform numbers.

    Args:
        source: which prompts.
        run: of which run.
        numbers: uniform numbers of some prompts, as `draw_numbers` writes them.
        start: where this prompt's begin.
        place: where in the block it stands.
        cell: written there, as in `Block`.
        other: written there.
        kappa: written there.

    Returns:
        The context's length, whether the query's label is +1, its relevant pattern, its irrelevant one from 0, its κ.
    """
    level, reach, M1, M2 = source.alpha[run], source.K[run], source.M1, source.M2
    shortest, longest = source.shortest, source.longest
    scaled = numbers[start] * source.task_counts[run]
    pair = int(scaled)
    positive_label = scaled - pair < 0.5
    a, b = source.tasks[run, pair, 0], source.tasks[run, pair, 1]
    own = a if positive_label else b
    length = shortest + int(numbers[start + 1] * (longest - shortest + 1))
    scaled = numbers[start + 2] * M2
    k_query = int(scaled)
    kappa_query = (2 * (scaled - k_query) - 1) * reach
    relevant_at, irrelevant_at = start + 3, start + 3 + longest
    # One short loop per quantity: each becomes vector instructions.
    for s in range(length):
        drawn = numbers[irrelevant_at + s] * M2
        k = np.int32(drawn)
        other[place, s] = k
        kappa[place, s] = (2 * (drawn - k) - 1) * reach
    u = numbers[relevant_at : relevant_at + length]
    if source.exact:
        order = numbers[irrelevant_at + longest : irrelevant_at + longest + length]
        _exact_cells(u, order, cell[place], level, own, a, b, positive_label, M1)
    else:
        _independent_cells(u, cell[place], level, a, b, M1)
    return length, positive_label, own, k_query, kappa_query


@inlined
def _other_cell(scaled: Any, low: Any, high: Any, M1: Any) -> Any:
    """One of the patterns that are not the task's, with a coin as label, from a uniform number times how many."""
    j = int(scaled)
    coin = scaled - j
    # Counted around the task's two: skip the smaller, then the larger.
    j += j >= low
    j += j >= high
    return j if coin < 0.5 else M1 + j


@compiled
def _independent_cells(u: Any, cell: Any, level: Any, a: Any, b: Any, M1: Any) -> None:
    """Each column independently: μ_a and μ_b with probability α/2 each, any other pattern with (1−α)/(M1−2)."""
    rest = max(1 - level, 1e-300)
    others = max(M1 - 2, 1)
    low, high = min(a, b), max(a, b)
    for s in range(u.size):
        scaled = min(max((u[s] - level) / rest, 0.0), 1 - _UNIT_53) * others
        drawn = _other_cell(scaled, low, high, M1)
        cell[s] = a if u[s] < level / 2 else (M1 + b if u[s] < level else drawn)


@compiled
def _exact_cells(
    u: Any, order: Any, cell: Any, level: Any, own: Any, a: Any, b: Any, positive_label: Any, M1: Any
) -> None:
    """⌈αl/2⌉ columns with the query's pattern, as many with the other one, the rest from u alone."""
    others = max(M1 - 2, 1)
    low, high = min(a, b), max(a, b)
    opposite = b if positive_label else a
    share = int(np.ceil(np.rint(level * u.size / 2 * 1e9) / 1e9))
    rank = np.argsort(np.argsort(order))
    for s in range(u.size):
        if rank[s] < share:
            cell[s] = own if positive_label else M1 + own
        elif rank[s] < 2 * share:
            cell[s] = M1 + opposite if positive_label else opposite
        else:
            cell[s] = _other_cell(u[s] * others, low, high, M1)
