"""Queries for which a selector could not tell texts apart: marked in the rows, and told to the reader."""

from __future__ import annotations

import polars as pl

from iclscope.language_models.selectors import Choice

UNDECIDED = "undecided"
"""The column that says for which queries all texts were equally good, so that chance chose the demonstrations."""


def with_undecided(rows: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """Rows of `answers` with the column `UNDECIDED`.

    Args:
        rows: with ``query``, the place of each among the queries.
        choice: the demonstrations of the queries.
    """
    return rows.with_columns(pl.col("query").is_in(list(choice.undecided)).alias(UNDECIDED))


def undecided_notes(rows: pl.DataFrame) -> list[str]:
    """A sentence for each selector that could not tell texts apart for some query; none for the others.

    Args:
        rows: with ``selector``, ``query`` and, unless they were measured by a version that had none, `UNDECIDED`.
    """
    if UNDECIDED not in rows.columns:
        return []
    total = rows["query"].n_unique()
    counts = rows.filter(UNDECIDED).group_by("selector", maintain_order=True).agg(pl.col("query").n_unique())
    return [
        f"{selector} could not tell texts apart for {count} of {total} queries: all scores were equal, so chance chose."
        for selector, count in counts.rows()
    ]
