"""The measurement behind `iclscope llm attention`: what each query's heads give to which demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32

from iclscope.language_models.evaluation.rows import SHUFFLED
from iclscope.language_models.heads.prompts import (
    AttentionSettings,
    Queries,
    Unit,
    fit_attention,
    measured_queries,
    shown_demonstrations,
    units,
)
from iclscope.language_models.heads.reading import demonstration_attention
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import Told
from iclscope.language_models.prompts.too_long import Fitted
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import Choice
from iclscope.language_models.selectors.nearest_demonstrations import NearestDemonstrations

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


def attention_rows(
    prepared: Prepared,
    settings: AttentionSettings,
    folder: RunFolder | None = None,
    *,
    fitted: Fitted[Unit] | None = None,
    told: Told | None = None,
) -> pl.DataFrame:
    """Measure all draws.

    Args:
        prepared: model and texts.
        settings: what to measure.
        folder: where finished parts are kept; None: nowhere.
        fitted: of `fit_attention`; None: found now.
        told: is told how many prompts have been read.

    Returns:
        A row per ``arm``, ``draw``, ``query`` (its place), ``layer`` and ``head``, with ``label`` (which decides which
        demonstrations count as the same), ``half`` of the query, and attention:
        ``same`` (to those that count), ``total`` (to all demonstrations), ``share`` (the part of the total that those
        would have if heads did not look at the query, as `Group` says), and with ``_words`` the same of what writes
        their labels.

    Raises:
        BadRequest: if there are too few demonstrations or queries, or a prompt is too long; nothing has been read then.
    """
    fits = fit_attention(prepared, settings, folder) if fitted is None else fitted
    prepared = fits.prepared
    folder = None if folder is None else folder.marked(fits.mark)
    queries = measured_queries(prepared.asked, prepared.settings.seed)
    nearest = NearestDemonstrations(prepared, prepared.asked.queries.at(queries.places))
    found = []
    for unit in units(prepared.settings.draws):

        def measured(unit: Unit = unit) -> pl.DataFrame:
            return _measured(prepared, fits.choices[unit], queries, nearest, unit, told)

        part = folder.part(unit.name, measured) if folder is not None else measured()
        found.append(part.with_columns(draw=pl.lit(unit.draw, dtype=pl.Int32)))
    return pl.concat(found)


def _measured(
    prepared: Prepared,
    choice: Choice,
    queries: Queries,
    nearest: NearestDemonstrations,
    unit: Unit,
    told: Told | None,
) -> pl.DataFrame:
    asked = prepared.asked
    given = asked.pool.at(choice.demonstrations[0])
    shown = shown_demonstrations(prepared, unit, choice.demonstrations[0])
    texts = asked.queries.at(queries.places).texts
    attention = demonstration_attention(
        prepared.language_model, prepared.format, shown, texts, asked.classes, told=told
    )
    by_shown = {one: label_group(one, shown.labels) for one in (queries.labels, queries.dealt)}
    if unit.shuffled:
        groups = {SHUFFLED: by_shown[queries.labels], OWN_LABEL: label_group(queries.labels, given.labels)}
    else:
        near = nearest.nearest_half(shown)
        everyone = ("",) * len(queries.places)
        groups = {
            SAME_LABEL: by_shown[queries.labels],
            RANDOM_QUERY: by_shown[queries.dealt],
            NEAREST: Group(everyone, near, paired=True),
            NEAREST_OTHER: Group(everyone, near[list(queries.others)], paired=True),
        }
    return grouped_rows(attention, queries, groups)


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
        The rows of `attention_rows` without ``draw``.
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
