"""The measurement behind `iclscope llm attention`: what each query's heads give to which demonstrations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32
from pydantic import Field

from iclscope.errors import require
from iclscope.language_models.attention import demonstration_attention
from iclscope.language_models.draws import Asked, generator
from iclscope.language_models.evaluate import SHUFFLED, draw_seed
from iclscope.language_models.labelled_text import LabelledTexts
from iclscope.language_models.prepared import Prepared
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.scoring import Told
from iclscope.language_models.selectors import choose
from iclscope.settings import Settings

SAME_LABEL, RANDOM_QUERY, OWN_LABEL = "same label", "random query labels", "shuffled labels, by text"
"""Arms: demonstrations that show the query's label; that show a label dealt to the query at random; and, where labels
were dealt to the demonstrations at random (`SHUFFLED` goes by those), whose text had the query's label before."""

ARMS = (SAME_LABEL, RANDOM_QUERY, SHUFFLED, OWN_LABEL)

LEAST_QUERIES = 4
"""A label with fewer queries is left out: each half of the queries needs two of it, for a mean and its spread."""


class AttentionSettings(Settings):
    """What is measured.

    Attributes:
        shots: demonstrations per prompt, balanced over labels.
    """

    shots: int = Field(8, ge=2)


class Queries(NamedTuple):
    """The queries that attention is measured on.

    Attributes:
        places: of the queries among those drawn.
        labels: of each.
        dealt: the same labels dealt anew at random within each half.
        half: 0 or 1: heads are chosen on the first half and measured on the second; labels are spread over both.
        left_out: labels with too few queries.
    """

    places: tuple[int, ...]
    labels: tuple[str, ...]
    dealt: tuple[str, ...]
    half: tuple[int, ...]
    left_out: tuple[str, ...]


class Unit(NamedTuple):
    """What is measured at a time, and kept when it is finished."""

    shuffled: bool
    draw: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{'shuffled' if self.shuffled else 'as-given'}-draw-{self.draw}"


def units(draws: int) -> list[Unit]:
    """All that is to be measured."""
    return [Unit(shuffled, draw) for shuffled in (False, True) for draw in range(draws)]


def measured_queries(asked: Asked, seed: int) -> Queries:
    """The queries whose labels have enough of them, split into halves.

    Raises:
        BadRequest: if fewer than two labels have.
    """
    counts = Counter(asked.queries.labels)
    left_out = tuple(kind for kind in asked.classes if counts[kind] < LEAST_QUERIES)
    enough = len(asked.classes) - len(left_out) >= 2
    allowed = f"more: at least two labels need {LEAST_QUERIES} queries each"
    require(enough, "--queries", len(asked.queries.labels), allowed)
    places = tuple(i for i, kind in enumerate(asked.queries.labels) if kind not in left_out)
    labels = tuple(asked.queries.labels[i] for i in places)
    seen: Counter[str] = Counter()
    half = []
    for kind in labels:
        half.append(seen[kind] % 2)
        seen[kind] += 1
    dealt = list(labels)
    for part in range(2):
        inside = [i for i, number in enumerate(half) if number == part]
        order = generator(seed, "query labels", part).permutation(len(inside))
        for place, other in zip(inside, order, strict=True):
            dealt[place] = labels[inside[int(other)]]
    return Queries(places, labels, tuple(dealt), tuple(half), left_out)


def check_shots(asked: Asked, shots: int) -> None:
    """Refuse too few demonstrations: every query needs one of its label.

    Raises:
        BadRequest: naming the least.
    """
    least = len(asked.classes)
    require(shots >= least, "--shots", shots, f"at least {least}, one demonstration of each label")


def attention_rows(
    prepared: Prepared, settings: AttentionSettings, folder: RunFolder | None = None, *, told: Told | None = None
) -> pl.DataFrame:
    """Measure all draws.

    Args:
        prepared: model and texts.
        settings: what to measure.
        folder: where finished parts are kept; None: nowhere.
        told: is told how many prompts have been read.

    Returns:
        A row per ``arm``, ``draw``, ``query`` (its place), ``layer`` and ``head``, with ``label`` (which decides which
        demonstrations count as the same), ``half`` of the query, ``share`` (of demonstrations that do), and attention:
        ``same`` (to those), ``total`` (to all demonstrations), ``same_words`` and ``total_words`` (to what writes their
        labels).

    Raises:
        BadRequest: if there are too few demonstrations or queries, or a prompt is too long.
    """
    check_shots(prepared.asked, settings.shots)
    queries = measured_queries(prepared.asked, prepared.settings.seed)
    found = []
    for unit in units(prepared.settings.draws):

        def measured(unit: Unit = unit) -> pl.DataFrame:
            return _measured(prepared, settings, queries, unit, told)

        part = folder.part(unit.name, measured) if folder is not None else measured()
        found.append(part.with_columns(draw=pl.lit(unit.draw, dtype=pl.Int32)))
    return pl.concat(found)


def _measured(
    prepared: Prepared, settings: AttentionSettings, queries: Queries, unit: Unit, told: Told | None
) -> pl.DataFrame:
    asked = prepared.asked
    seed = draw_seed(prepared.settings.seed, unit.draw)
    choice = choose("balanced", prepared.language_model, asked, settings.shots, seed)
    given = asked.pool.at(choice.demonstrations[0])
    shown = dealt_labels(given, seed) if unit.shuffled else given
    texts = asked.queries.at(queries.places).texts
    attention = demonstration_attention(
        prepared.language_model, prepared.format, shown, texts, asked.classes, told=told
    )
    if unit.shuffled:
        arms = {SHUFFLED: (queries.labels, shown.labels), OWN_LABEL: (queries.labels, given.labels)}
    else:
        arms = {SAME_LABEL: (queries.labels, shown.labels), RANDOM_QUERY: (queries.dealt, shown.labels)}
    return grouped_rows(attention, queries, arms)


def dealt_labels(shown: LabelledTexts, seed: int) -> LabelledTexts:
    """Demonstrations with their labels dealt among them at random: each label is shown as often as before."""
    order = generator(seed, "dealt labels").permutation(len(shown.labels))
    return LabelledTexts(shown.texts, tuple(shown.labels[int(i)] for i in order))


def grouped_rows(
    attention: Float32[np.ndarray, "part query layer head demonstration"],
    queries: Queries,
    arms: Mapping[str, tuple[Sequence[str], Sequence[str]]],
) -> pl.DataFrame:
    """Sum attention over the demonstrations of a query's label.

    Args:
        attention: of `demonstration_attention`.
        queries: what was asked.
        arms: name → label of each query, label of each demonstration.

    Returns:
        The rows of `attention_rows` without ``draw``.
    """
    _, count, layers, heads, _ = attention.shape
    at = np.indices((count, layers, heads)).reshape(3, -1)
    total = attention.sum(axis=-1).reshape(2, -1)
    found = []
    for arm, (asked_for, shown) in arms.items():
        same: Bool[np.ndarray, "query demonstration"] = np.asarray(asked_for)[:, None] == np.asarray(shown)[None, :]
        mass = np.einsum("pqlhd,qd->pqlh", attention, same.astype(np.float32)).reshape(2, -1)
        found.append(
            pl.DataFrame(
                {
                    "arm": pl.repeat(arm, at.shape[1], eager=True),
                    "query": np.asarray(queries.places, dtype=np.int32)[at[0]],
                    "label": np.asarray(asked_for)[at[0]].tolist(),
                    "half": np.asarray(queries.half, dtype=np.int8)[at[0]],
                    "layer": at[1].astype(np.int32),
                    "head": at[2].astype(np.int32),
                    "share": same.mean(axis=1).astype(np.float32)[at[0]],
                    **{"same": mass[0], "total": total[0], "same_words": mass[1], "total_words": total[1]},
                }
            )
        )
    return pl.concat(found)
