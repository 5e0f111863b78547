"""What each query's heads give to which demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32

from iclscope.language_models.evaluation.rows import SHUFFLED
from iclscope.language_models.heads.prompts import Queries

SAME_LABEL, RANDOM_QUERY, OWN_LABEL = "same label", "random query labels", "shuffled labels, by text"
NEAREST, NEAREST_OTHER = "nearest pattern", "nearest pattern of another query"
"""Arms: demonstrations that show the query's label; that show a label dealt to the query at random; and, where labels
were dealt to the demonstrations at random (`SHUFFLED` goes by those), whose text had the query's label before.
`NEAREST`: the half of the demonstrations nearest to the query in pattern, and, as a control, to another query."""

ARMS = (SAME_LABEL, RANDOM_QUERY, NEAREST, NEAREST_OTHER, SHUFFLED, OWN_LABEL)


class Group(NamedTuple):
    """Which demonstrations count as the same for each query.

    Attributes:
        labels: what decides it, one per query; means count each equally.
        same: whether a demonstration counts.
        paired: whether the share is what the query's attention gives to those that count for the queries of its half,
            on average; else it is their number over that of all.
    """

    labels: tuple[str, ...]
    same: Bool[np.ndarray, "query demonstration"]
    paired: bool = False


def label_group(asked_for: tuple[str, ...], shown: Sequence[str]) -> Group:
    """Demonstrations of the query's label.

    Args:
        asked_for: label of each query.
        shown: label of each demonstration.
    """
    return Group(asked_for, np.asarray(asked_for)[:, None] == np.asarray(shown)[None, :])


def grouped_rows(
    attention: Float32[np.ndarray, "part query layer head demonstration"], queries: Queries, groups: Mapping[str, Group]
) -> pl.DataFrame:
    """Sum attention over the demonstrations that count as the same.

    Args:
        attention: of `demonstration_attention`.
        queries: what was asked.
        groups: by arm.

    Returns:
        The rows of `Attention` without its tags.
    """
    _, count, layers, heads, _ = attention.shape
    at = np.indices((count, layers, heads)).reshape(3, -1)
    total = attention.sum(axis=-1)
    found = []
    for arm, group in groups.items():
        same = group.same.astype(np.float32)
        mass = np.einsum("pqlhd,qd->pqlh", attention, same)
        share = np.broadcast_to(same.mean(axis=1)[None, :, None, None], mass.shape)
        if group.paired:
            half = np.asarray(queries.half)
            usual = np.stack([same[half == number].mean(axis=0) for number in half])
            share = np.einsum("pqlhd,qd->pqlh", attention, usual) / np.where(total > 0, total, 1)
        numbers = {"same": mass, "total": total, "share": share}
        found.append(
            pl.DataFrame(
                {
                    "arm": pl.repeat(arm, at.shape[1], eager=True),
                    "query": np.asarray(queries.places, dtype=np.int32)[at[0]],
                    "label": np.asarray(group.labels)[at[0]].tolist(),
                    "half": np.asarray(queries.half, dtype=np.int8)[at[0]],
                    "layer": at[1].astype(np.int32),
                    "head": at[2].astype(np.int32),
                    **{name: values[0].reshape(-1) for name, values in numbers.items()},
                    **{f"{name}_words": values[1].reshape(-1) for name, values in numbers.items()},
                }
            )
        )
    return pl.concat(found)
