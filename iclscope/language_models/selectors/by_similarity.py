"""Demonstrations that are like the query: nearest by embedding or by words, or near and unlike each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.texts.terms import terms_of

RELEVANCE_WEIGHT = 0.5
"""λ of maximal marginal relevance: likeness to the query counts as much as unlikeness to what is shown already."""

_NEGLIGIBLE = 1e-6
"""Scores that differ by less, relative to the largest, differ by rounding."""


class Ranked(NamedTuple):
    """The demonstrations of each query, the best last: it stands nearest to the query, where models look most.

    Attributes:
        places: among the texts that were given.
        scores: why they were taken.
        undecided: for which queries all texts were equally good, so that chance chose among them.
    """

    places: Int64[np.ndarray, "query shot"]
    scores: Float32[np.ndarray, "query shot"]
    undecided: Bool[np.ndarray, " query"]


def nearest(
    pool: Float32[np.ndarray, "text channel"],
    queries: Float32[np.ndarray, "query channel"],
    shots: int,
    seed: int = 0,
) -> Ranked:
    """The texts of the largest cosine (Liu et al., "What makes good in-context examples for GPT-3?", 2022).

    Args:
        pool: vectors of length 1.
        queries: the same.
        shots: how many.
        seed: of what decides between equal scores.
    """
    return _best(queries @ pool.T, shots, seed)


def by_words(pool: tuple[str, ...], queries: tuple[str, ...], shots: int, seed: int = 0) -> Ranked:
    """The texts of the best BM25 score (Robertson & Zaragoza, 2009; ``bm25s``: Lucene's variant, k₁ = 1.5, b = 0.75).

    Words are those of `terms_of`: in languages that write no spaces, pieces of one to three characters. Texts that
    share no word with the query have a score of 0.

    Args:
        pool: texts.
        queries: texts.
        shots: how many.
        seed: of what decides between equal scores.
    """
    import bm25s  # an extra: all else works without it

    of_pool, of_queries = ([terms_of(text) for text in texts] for texts in (pool, queries))
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, backend="numpy")
    if not any(of_pool):  # nothing but punctuation: nothing is alike
        return _best(np.zeros((len(queries), len(pool)), dtype=np.float32), shots, seed)
    index.index(of_pool, show_progress=False)
    known = index.vocab_dict
    scores = np.zeros((len(queries), len(pool)), dtype=np.float32)
    for row, words in enumerate(of_queries):  # a sum over posting lists each: there is no matrix to multiply
        if shared := [word for word in words if word in known]:
            scores[row] = index.get_scores(shared)
    return _best(scores, shots, seed)


def diverse(
    pool: Float32[np.ndarray, "text channel"],
    queries: Float32[np.ndarray, "query channel"],
    shots: int,
    seed: int = 0,
) -> Ranked:
    """Maximal marginal relevance (Carbonell & Goldstein, 1998), for all queries at a time.

    One text after another is taken whose λ·cos(text, query) − (1 − λ)·max cos(text, taken) is largest; the first is the
    nearest. It is shown last.

    Args:
        pool: vectors of length 1.
        queries: the same.
        shots: how many.
        seed: of what decides between equal scores.
    """
    relevance = RELEVANCE_WEIGHT * (queries @ pool.T)
    closest = np.zeros_like(relevance)  # likeness to what was taken; nothing at first
    taken = np.zeros(relevance.shape, dtype=bool)
    rows = np.arange(len(queries))
    chance = _chance(relevance, seed)
    places, scores = [], []
    for step in range(shots):
        value = np.where(taken, -np.inf, relevance - (1 - RELEVANCE_WEIGHT) * closest)
        best = np.where(value == value.max(axis=1, keepdims=True), chance, -1).argmax(axis=1)
        places.append(best)
        scores.append(value[rows, best])
        taken[rows, best] = True
        alike = pool[best] @ pool.T
        closest = alike if step == 0 else np.maximum(closest, alike)
    if not places:
        return _best(relevance, 0, seed)
    stacked = np.stack(scores[::-1], axis=1).astype(np.float32)
    return Ranked(np.stack(places[::-1], axis=1), stacked, all_equal(relevance))


def all_equal(scores: Float32[np.ndarray, "query text"]) -> Bool[np.ndarray, " query"]:
    """Whether a query's scores tell no text from another, up to rounding; of a single text there is nothing to tell."""
    if scores.shape[1] < 2:
        return np.zeros(len(scores), dtype=bool)
    largest = np.maximum(1, np.abs(scores).max(axis=1))
    equal: Bool[np.ndarray, " query"] = np.ptp(scores, axis=1) <= _NEGLIGIBLE * largest
    return equal


def _best(scores: Float32[np.ndarray, "query text"], shots: int, seed: int) -> Ranked:
    """The largest scores, in ascending order; ties are broken at random, separately for each query."""
    order = np.lexsort((_chance(scores, seed), -scores), axis=1)
    places = order[:, :shots][:, ::-1]
    return Ranked(places, np.take_along_axis(scores, places, axis=1), all_equal(scores))


def _chance(scores: Float32[np.ndarray, "query text"], seed: int) -> Float64[np.ndarray, "query text"]:
    return generator(seed, "equal scores").random(scores.shape)
