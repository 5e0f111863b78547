"""How much more of its attention a head gives to some demonstrations than their share of all demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64

from iclscope.claims.crossed import crossed_mean

WHOLE, WORDS = "whole demonstrations", "label words"
"""Which tokens of a demonstration count: all, or those that write its label."""

PARTS = {WHOLE: ("same", "total", "share"), WORDS: ("same_words", "total_words", "share_words")}

LEAST_MASS = 0.05
"""Heads that give less of their attention to all demonstrations are ranked behind the others: how they split so little
says hardly anything of what the model does."""


class Concentrations(NamedTuple):
    """What each head gives, by draw and query.

    Attributes:
        heads: layer and head of each.
        values: attention to demonstrations that count as the same over that to all, less their share.
        mass: attention to all demonstrations.
        labels: of the queries.
        half: of the queries, 0 or 1.
    """

    heads: tuple[tuple[int, int], ...]
    values: Float64[np.ndarray, "head draw query"]
    mass: Float64[np.ndarray, "head draw query"]
    labels: tuple[str, ...]
    half: tuple[int, ...]

    def of_half(self, half: int) -> Concentrations:
        """Those of half the queries."""
        inside = [i for i, number in enumerate(self.half) if number == half]
        labels = tuple(self.labels[i] for i in inside)
        return Concentrations(
            self.heads, self.values[:, :, inside], self.mass[:, :, inside], labels, (half,) * len(inside)
        )

    @property
    def balanced(self) -> Float64[np.ndarray, "head draw query"]:
        """The values with every label counting equally, ready for means over draws and queries."""
        return balanced_over_labels(self.values, self.labels)

    def ranked(self) -> list[int]:
        """Places of the heads, the most concentrated first; those with hardly any mass on demonstrations last."""
        means, mass = self.balanced.mean(axis=(1, 2)), self.mass.mean(axis=(1, 2))
        return [int(i) for i in np.lexsort((-means, mass < LEAST_MASS))]


def concentrations(rows: pl.DataFrame, part: str) -> Concentrations:
    """The concentration of each head.

    A head that gives a query's demonstrations nothing at all (they lie outside its window) has no preference: 0.

    Args:
        rows: of `Attention`, of one arm.
        part: `WHOLE` or `WORDS`.
    """
    rows = rows.sort("layer", "head", "draw", "query")
    shape = (rows.select("layer", "head").n_unique(), rows["draw"].n_unique(), -1)
    same, total, share = (rows[name].cast(pl.Float64).to_numpy().reshape(shape) for name in PARTS[part])
    seen = total > 0
    values = np.where(seen, same / np.where(seen, total, 1.0) - share, 0.0)
    queries = rows.head(values.shape[2])
    heads = rows.select("layer", "head").unique(maintain_order=True).rows()
    return Concentrations(tuple(heads), values, total, tuple(queries["label"]), tuple(queries["half"]))


def balanced_over_labels(
    values: Float64[np.ndarray, "head draw query"], labels: Sequence[str]
) -> Float64[np.ndarray, "head draw query"]:
    """Numbers whose mean over queries is the mean over labels of the mean over each label's queries.

    So a head that looks at the same demonstrations whatever the query is (the last, or those of one label) has a mean
    of exactly 0 if all labels are among the queries: what it gains on queries of one label it loses on the others. The
    spread is that within labels only (post-stratification; Cochran, "Sampling techniques", 1977, Section 5A.9), scaled
    for the degrees of freedom that the labels' means take.

    Args:
        values: of each query; each label has two queries or more.
        labels: of the queries.
    """
    names = sorted(set(labels))
    at = np.asarray([names.index(label) for label in labels])
    counts = np.bincount(at)
    means = np.stack([values[:, :, at == number].mean(axis=2) for number in range(len(names))], axis=2)
    weights = len(labels) / (len(names) * counts) * np.sqrt(counts / np.maximum(counts - 1, 1))
    balanced: Float64[np.ndarray, "head draw query"] = means.mean(axis=2, keepdims=True) + weights[at] * (
        values - means[:, :, at]
    )
    return balanced


def heads_table(rows: pl.DataFrame) -> pl.DataFrame:
    """Concentration and mass of each head, with 95 % intervals over draws and queries.

    Args:
        rows: of `Attention`.

    Returns:
        Columns ``arm``, ``part`` (`WHOLE` or `WORDS`), ``rank`` (from 1), ``layer``, ``head``, ``concentration``,
        ``low``, ``high``, ``mass`` (on the part's tokens of all demonstrations), ``draws``, ``queries``.
    """
    found = []
    for (arm,), of_arm in rows.group_by("arm", maintain_order=True):
        for part in PARTS:
            measured = concentrations(of_arm, part)
            balanced, mass = measured.balanced, measured.mass.mean(axis=(1, 2))
            for rank, place in enumerate(measured.ranked(), start=1):
                interval = crossed_mean(balanced[place])
                layer, head = measured.heads[place]
                found.append(
                    {
                        **{"arm": arm, "part": part, "rank": rank, "layer": layer, "head": head},
                        **{"concentration": interval.value, "low": interval.low, "high": interval.high},
                        **{"mass": float(mass[place]), "draws": interval.seeds, "queries": balanced.shape[2]},
                    }
                )
    return pl.DataFrame(found)
