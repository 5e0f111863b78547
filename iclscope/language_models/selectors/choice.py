"""What a selector is given and gives, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from iclscope.core.errors import require
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.draws import SampledTask
from iclscope.language_models.selectors.by_pattern import by_pattern
from iclscope.language_models.selectors.by_similarity import Ranked, by_words, diverse, nearest
from iclscope.language_models.selectors.random_selectors import balanced, random
from iclscope.language_models.selectors.text_features import TextFeatures
from iclscope.language_models.settings import check_selectors

SCORES: dict[str, str] = {
    "similarity": "cosine with the query",
    "bm25": "BM25",
    "diverse": "marginal relevance",
    "pattern": "cosine of the query with the pattern",
}
"""What the scores of a choice are; selectors that are not named have none."""


class Choice(NamedTuple):
    """The demonstrations of each query.

    Attributes:
        demonstrations: places in the pool, in the order of the prompt; one tuple per query.
        shared: whether all queries have the same.
        scores: why each was taken (`SCORES`); empty where chance decided alone.
        undecided: places of the queries for which the scores told no text from another, so that chance chose.
    """

    demonstrations: tuple[tuple[int, ...], ...]
    shared: bool
    scores: tuple[tuple[float, ...], ...] = ()
    undecided: tuple[int, ...] = ()

    def at(self, queries: Sequence[int]) -> Choice:
        """Those of some queries."""
        scores = tuple(self.scores[i] for i in queries) if self.scores else ()
        undecided = tuple(place for place, i in enumerate(queries) if i in set(self.undecided))
        return Choice(tuple(self.demonstrations[i] for i in queries), self.shared, scores, undecided)


def check_shots(sampled: SampledTask, shots: Sequence[int]) -> None:
    """Refuse more demonstrations than the pool has texts.

    Raises:
        BadRequest: naming the first number that is too large.
    """
    for number in shots:
        allowed = f"at most {len(sampled.pool.texts)}, the size of the pool"
        require(0 <= number <= len(sampled.pool.texts), "--shots", number, allowed)


_SHARED: dict[str, Callable[[SampledTask, int, int], tuple[int, ...]]] = {"random": random, "balanced": balanced}


def choose(
    name: str,
    language_model: LanguageModel,
    sampled: SampledTask,
    shots: int,
    seed: int,
    *,
    seen: TextFeatures | None = None,
    far: bool = False,
) -> Choice:
    """Choose demonstrations for each query.

    Selectors that look at the query choose among the half of the candidates that the draw has (`TextFeatures.drawn`).

    Args:
        name: one of `settings.SELECTORS`.
        language_model: whose hidden states some selectors look at.
        sampled: the pool and the queries.
        shots: how many demonstrations; 0 gives none.
        seed: of the draw.
        seen: what was read of these texts before; None: nothing, with default options.
        far: of ``pattern``: take the farthest patterns instead, as a control.

    Raises:
        BadRequest: if there is no such selector or the pool has too few texts.
    """
    check_selectors([name])
    check_shots(sampled, [shots])
    if name in _SHARED:
        return Choice((_SHARED[name](sampled, shots, seed),) * len(sampled.queries.texts), True)
    if shots == 0:
        return Choice(((),) * len(sampled.queries.texts), True)
    seen = seen if seen is not None else TextFeatures(language_model, sampled)
    drawn = seen.drawn(shots, seed)
    found = _ranked(name, seen, drawn, shots, seed, far)
    places = seen.candidates[drawn][found.places]
    scores = tuple(tuple(row) for row in found.scores.tolist())
    undecided = tuple(int(place) for place in np.flatnonzero(found.undecided))
    return Choice(tuple(tuple(row) for row in places.tolist()), False, scores, undecided)


def _ranked(name: str, seen: TextFeatures, drawn: np.ndarray, shots: int, seed: int, far: bool) -> Ranked:
    if name == "pattern":
        patterns, labels = seen.pool_patterns[drawn], seen.pool.at(drawn.tolist()).labels
        return by_pattern(patterns, labels, seen.similarity[1], shots, seed, far=far)
    if name == "bm25":
        return by_words(seen.pool.at(drawn.tolist()).texts, seen.sampled.queries.texts, shots, seed)
    pool, queries = seen.directions
    return {"similarity": nearest, "diverse": diverse}[name](pool[drawn], queries, shots, seed)
