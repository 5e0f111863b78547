"""Demonstrations that are like the query: nearest by embedding or by words, or near and unlike each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

RELEVANCE_WEIGHT = 0.5
"""λ of maximal marginal relevance: likeness to the query counts as much as unlikeness to what is shown already."""


class Ranked(NamedTuple):
    """The demonstrations of each query, the best last: it stands nearest to the query, where models look most.

    Attributes:
        places: among the texts that were given.
        scores: why they were taken.
    """

    places: Int64[np.ndarray, "query shot"]
    scores: Float32[np.ndarray, "query shot"]


def nearest(
    pool: Float32[np.ndarray, "text channel"], queries: Float32[np.ndarray, "query channel"], shots: int
) -> Ranked:
    """The texts of the largest cosine (Liu et al., "What makes good in-context examples for GPT-3?", 2022).

    Args:
        pool: vectors of length 1.
        queries: the same.
        shots: how many.
    """
    return _best(queries @ pool.T, shots)


def by_words(pool: tuple[str, ...], queries: tuple[str, ...], shots: int) -> Ranked:
    """The texts of the best BM25 score (Robertson & Zaragoza, 2009; ``bm25s``: Lucene's variant, k₁ = 1.5, b = 0.75).

    Words are runs of letters and digits in lower case; none is left out and none is cut to its stem, which would need a
    language. Texts that share no word with the query have a score of 0, and come in the order of the pool.

    Args:
        pool: texts.
        queries: texts.
        shots: how many.
    """
    import bm25s  # an extra: all else works without it

    of_pool, of_queries = (_words(texts) for texts in (pool, queries))
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, backend="numpy")
    if not any(of_pool):  # nothing but punctuation: nothing is alike
        return _best(np.zeros((len(queries), len(pool)), dtype=np.float32), shots)
    index.index(of_pool, show_progress=False)
    known = index.vocab_dict
    scores = np.zeros((len(queries), len(pool)), dtype=np.float32)
    for row, words in enumerate(of_queries):  # a sum over posting lists each: there is no matrix to multiply
        if shared := [word for word in words if word in known]:
            scores[row] = index.get_scores(shared)
    return _best(scores, shots)


def diverse(
    pool: Float32[np.ndarray, "text channel"], queries: Float32[np.ndarray, "query channel"], shots: int
) -> Ranked:
    """Maximal marginal relevance (Carbonell & Goldstein, 1998), for all queries at a time.

    One text after another is taken whose λ·cos(text, query) − (1 − λ)·max cos(text, taken) is largest; the first is the
    nearest. It is shown last.

    Args:
        pool: vectors of length 1.
        queries: the same.
        shots: how many.
    """
    relevance = RELEVANCE_WEIGHT * (queries @ pool.T)
    closest = np.zeros_like(relevance)  # likeness to what was taken; nothing at first
    taken = np.zeros(relevance.shape, dtype=bool)
    rows = np.arange(len(queries))
    places, scores = [], []
    for step in range(shots):
        value = np.where(taken, -np.inf, relevance - (1 - RELEVANCE_WEIGHT) * closest)
        best = value.argmax(axis=1)
        places.append(best)
        scores.append(value[rows, best])
        taken[rows, best] = True
        alike = pool[best] @ pool.T
        closest = alike if step == 0 else np.maximum(closest, alike)
    if not places:
        return _best(relevance, 0)
    return Ranked(np.stack(places[::-1], axis=1), np.stack(scores[::-1], axis=1).astype(np.float32))


def _best(scores: Float32[np.ndarray, "query text"], shots: int) -> Ranked:
    """The largest scores, in rising order; of equal ones the first text counts as the better."""
    places = np.argsort(-scores, axis=1, kind="stable")[:, :shots][:, ::-1]
    return Ranked(places, np.take_along_axis(scores, places, axis=1))


def _words(texts: tuple[str, ...]) -> list[list[str]]:
    import bm25s

    found: list[list[str]] = bm25s.tokenize(
        list(texts), token_pattern=r"(?u)\w+", stopwords=None, return_ids=False, show_progress=False
    )
    return found
