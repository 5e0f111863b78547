"""The population loss and its gradient for prompts of N examples, by enumeration of all of them (ours).

A prompt matters only through how often each feature stands in it: (n_1, …, n_K), multinomial. This is written for
reading, one prompt at a time, in numpy, and shares nothing with the code that trains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from iclscope.core.errors import require
from iclscope.papers.huang2024.theory.formulas import checked_probabilities

Floats = NDArray[np.float64]

MOST_COUNT_VECTORS = 200_000
"""Enumeration is refused beyond this many."""


def count_vectors(K: int, length: int) -> NDArray[np.int64]:
    """All (n_1, …, n_K) of non-negative integers that sum to ``length``, one per row.

    Raises:
        BadRequest: if there are more than `MOST_COUNT_VECTORS`, saying how many.
    """
    require(K >= 1, "K", K, "at least 1")
    require(length >= 1, "length", length, "at least 1")
    many = comb(length + K - 1, K - 1)
    require(many <= MOST_COUNT_VECTORS, "count vectors of (K, length)", many, f"at most {MOST_COUNT_VECTORS}")
    return np.array(list(_compositions(K, length)), dtype=np.int64)


def _compositions(K: int, length: int) -> Iterator[tuple[int, ...]]:
    """The vectors, by the count of the first feature."""
    if K == 1:
        yield (length,)
        return
    for first in range(length + 1):
        for others in _compositions(K - 1, length - first):
            yield (first, *others)


def count_probabilities(counts: NDArray[np.int64], probabilities: Sequence[float]) -> Floats:
    """Multinomial probability of each row."""
    p = checked_probabilities(probabilities)
    found: Floats = np.asarray(scipy.stats.multinomial(int(counts[0].sum()), p).pmf(counts), dtype=float)
    return found


def attention(scores: ArrayLike, counts: ArrayLike) -> Floats:
    """Attention summed over the columns of each feature, per query feature: a_jk = n_j e^{S_jk} / Σ_m n_m e^{S_mk}.

    Args:
        scores: S_jk = v_jᵀ Q v_k, context feature j by query feature k.
        counts: how often each feature stands in the context.

    Returns:
        [context feature, query feature]; columns sum to one.
    """
    S, n = np.asarray(scores, dtype=float), np.asarray(counts, dtype=float)
    K = len(n)
    require(n.ndim == 1 and S.shape == (K, K), "shape of scores", S.shape, f"({K}, {K}), a row and column per feature")
    require(bool((n >= 0).all() and n.sum() > 0), "counts", n.tolist(), "0 or more, at least one of them positive")
    weights = n[:, None] * np.exp(S - S.max(axis=0))
    shares: Floats = weights / weights.sum(axis=0)
    return shares


def population_loss(scores: ArrayLike, probabilities: Sequence[float], length: int) -> Floats:
    """E[(ŷ − y)² | the query is v_k] for each k: over all contexts of N inputs, w ~ N(0, I) taken exactly.

    The loss of training is the sum of these times p_k. For one prompt, ŷ − y = Σ_m (a_m − δ_mk) ⟨w, v_m⟩, so the mean
    over w is Σ_m (a_m − δ_mk)².
    """
    p = checked_probabilities(probabilities)
    vectors = count_vectors(len(p), length)
    total = np.zeros(len(p))
    for counts, chance in zip(vectors, count_probabilities(vectors, probabilities), strict=True):
        off = attention(scores, counts) - np.eye(len(p))
        total += chance * (off**2).sum(axis=0)
    return total


def population_gradient(scores: ArrayLike, probabilities: Sequence[float], length: int) -> Floats:
    """Gradient of E(ŷ − y)² in the scores, [context feature, query feature].

    ∂/∂S_jk = 2 p_k E[a_j ((a_j − δ_jk) − Σ_m a_m (a_m − δ_mk))], a = the attention of query k. In Q it is
    Σ_jk G_jk v_j v_kᵀ, so that gradient descent on Q is gradient descent on S.
    """
    p = checked_probabilities(probabilities)
    vectors = count_vectors(len(p), length)
    total = np.zeros((len(p), len(p)))
    for counts, chance in zip(vectors, count_probabilities(vectors, probabilities), strict=True):
        a = attention(scores, counts)
        off = a - np.eye(len(p))
        total += chance * 2 * p * a * (off - (a * off).sum(axis=0))
    return total
