"""Demonstrations that share the query's pattern, labels balanced: what Li et al. 2024 advise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.selectors.by_similarity import Ranked, all_equal


def by_pattern(
    pool_patterns: Int64[np.ndarray, " text"],
    labels: Sequence[str],
    similarity: Float32[np.ndarray, "query pattern"],
    shots: int,
    seed: int,
    *,
    far: bool = False,
) -> Ranked:
    """As many demonstrations of the query's pattern as there are, while labels are balanced.

    Labels take turns, as in ``balanced``; each gives its texts of the query's nearest pattern, then of the next
    nearest, and so on. Within a pattern the order is random: nothing but patterns tells this selector from
    ``balanced``. What was taken first stands last in the prompt. Of one seed, fewer shots are part of more.

    Args:
        pool_patterns: the pattern of each text.
        labels: of each text.
        similarity: of each query to each pattern; its nearest is its own.
        shots: how many.
        seed: of the order within patterns, and of the labels' turns.
        far: take the farthest patterns first: the opposite of the advice, as a control.

    Returns:
        Places among the texts, with the query's closeness to the pattern of each.
    """
    numbers = generator(seed, "demonstrations by pattern")
    kinds = np.asarray(labels)
    sign = 1 if far else -1
    between_equal = generator(seed, "equally close patterns").random(similarity.shape)
    order = np.lexsort((between_equal, sign * similarity), axis=1)
    rank = np.argsort(order, axis=1)  # 0: the first to take from
    chance = numbers.permutation(len(kinds))
    cost = rank[:, pool_patterns] * len(kinds) + chance  # the pattern decides, then chance
    turns = _turns(kinds, shots, numbers)
    places = np.zeros((len(similarity), shots), dtype=np.int64)
    for kind in sorted(set(turns)):
        mine = np.flatnonzero(kinds == kind)
        at = np.flatnonzero(np.asarray(turns) == kind)
        places[:, at] = mine[np.argsort(cost[:, mine], axis=1)[:, : len(at)]]
    places = places[:, ::-1]
    scores = np.take_along_axis(similarity, pool_patterns[places], axis=1)
    return Ranked(places, scores.astype(np.float32), all_equal(similarity[:, pool_patterns]))


def _turns(kinds: np.ndarray, shots: int, numbers: np.random.Generator) -> list[str]:
    """Which label each shot has: all in turn, in random order in each round, until a label has no more texts."""
    names, left = np.unique(kinds, return_counts=True)
    found: list[str] = []
    while len(found) < shots and left.any():
        order = numbers.permutation(len(names))
        found += [str(names[i]) for i in order if left[i] > 0]
        left = np.maximum(left - 1, 0)
    return found[:shots]
