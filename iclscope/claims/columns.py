"""The columns of rows that an estimate reads, checked."""

from __future__ import annotations

import polars as pl

from iclscope.core.errors import BadRequest, Refusal


def expect_columns(rows: pl.DataFrame, *names: str) -> None:
    """Refuse rows that lack a column.

    Args:
        rows: what an estimate was given.
        names: the columns that it reads.

    Raises:
        BadRequest: naming the first that is missing, and those that are there.
    """
    for name in names:
        if name not in rows.columns:
            there = f"the columns {', '.join(rows.columns)}" if rows.columns else "no column"
            hint = "it tells runs apart; group.rows(…) writes it" if name == "seed" else ""
            raise BadRequest(Refusal("rows", there, f"a column {name!r}", hint))
