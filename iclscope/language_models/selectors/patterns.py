"""Patterns of texts: kinds that a model's hidden states fall into, whatever the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from iclscope.core.errors import require

_STARTS = 4
_NEGLIGIBLE = 1e-6


def unit(vectors: Float32[np.ndarray, "text channel"]) -> Float32[np.ndarray, "text channel"]:
    """Vectors of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Float32[np.ndarray, "text channel"] = vectors / np.where(lengths > 0, lengths, 1)
    return scaled


@dataclass(frozen=True)
class Patterns:
    """What a text is compared with to tell its pattern; nothing here needs a text's label.

    Attributes:
        centre: mean of the pool's states.
        label_directions: an orthonormal basis of the differences between the classes' means; states are compared
            without their part in it.
        centres: one of length 1 per pattern.
    """

    centre: Float32[np.ndarray, " channel"]
    label_directions: Float32[np.ndarray, "direction channel"]
    centres: Float32[np.ndarray, "pattern channel"]

    def directions(self, states: Float32[np.ndarray, "text channel"]) -> Float32[np.ndarray, "text channel"]:
        """States as they are compared: centred, without what tells labels apart, of length 1."""
        centred = states - self.centre
        return unit(centred - centred @ self.label_directions.T @ self.label_directions)

    def similarity(self, states: Float32[np.ndarray, "text channel"]) -> Float32[np.ndarray, "text pattern"]:
        """Cosine between each text and each pattern's centre."""
        cosines: Float32[np.ndarray, "text pattern"] = self.directions(states) @ self.centres.T
        return cosines

    def of(self, states: Float32[np.ndarray, "text channel"]) -> Int64[np.ndarray, " text"]:
        """The nearest pattern of each text."""
        nearest: Int64[np.ndarray, " text"] = self.similarity(states).argmax(axis=1)
        return nearest


def find_patterns(
    states: Float32[np.ndarray, "text channel"], labels: Sequence[str], count: int, seed: int
) -> Patterns:
    """Cluster the pool's hidden states by k-means, after taking out what tells the labels apart.

    In Li et al. 2024 an input is made of a relevant pattern and noise, and a task gives labels to two patterns; here
    nobody knows the patterns. If states were clustered as they are, clusters would be labels, and no share of them
    could be raised while labels stay balanced. So the span of the classes' means is projected out, of queries too,
    which takes no label of theirs; what is left are kinds of text that have all labels.

    Args:
        states: of the pool.
        labels: of the pool.
        count: how many patterns.
        seed: of the starts of k-means.

    Raises:
        BadRequest: if there are fewer texts than patterns.
    """
    require(1 <= count <= len(states), "--patterns", count, f"1 to {len(states)}, the number of texts in the pool")
    centre = states.mean(axis=0)
    kinds = np.asarray(labels)
    means = np.stack([states[kinds == kind].mean(axis=0) for kind in sorted(set(labels))]) - centre
    _, sizes, basis = np.linalg.svd(means, full_matrices=False)
    bare = Patterns(centre, basis[sizes > _NEGLIGIBLE * max(float(sizes.max()), 1e-12)], means[:0])
    with threadpool_limits(limits=1):  # the same sums in the same order on every machine
        fitted = KMeans(count, n_init=_STARTS, random_state=seed % 2**32).fit(bare.directions(states))
    return Patterns(bare.centre, bare.label_directions, unit(fitted.cluster_centers_.astype(np.float32)))


def pattern_share(
    demonstrations: Sequence[Sequence[int]], of_pool: Int64[np.ndarray, " text"], of_query: Int64[np.ndarray, " query"]
) -> Float64[np.ndarray, " query"]:
    """The estimated α' of each query: the share of its demonstrations that have its pattern; NaN without any.

    Args:
        demonstrations: places in the pool of each query.
        of_pool: the pattern of each text of the pool.
        of_query: the pattern of each query.
    """
    share = np.full(len(of_query), np.nan)
    for place, shown in enumerate(demonstrations):
        if len(shown) > 0:
            share[place] = (of_pool[list(shown)] == of_query[place]).mean()
    return share
