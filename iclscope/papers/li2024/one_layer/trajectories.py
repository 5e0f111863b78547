"""What the figures over training share."""

from __future__ import annotations

import polars as pl

from iclscope.claims.claim import Control

AT_START = Control("the same models before the first step", "untrained")


def with_control(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the arm "untrained": the values of step 0 at every step, as if training changed nothing."""
    keys = ["seed", *(name for name in ("domain", "group", "layer") if name in rows.columns)]
    start = rows.filter(pl.col("step") == 0).drop("step")
    steps = rows.select(*keys, "step")
    return pl.concat([rows, steps.join(start, on=keys).select(rows.columns).with_columns(arm=pl.lit(AT_START.arm))])


def at_end(rows: pl.DataFrame, domain: str | None = None) -> pl.DataFrame:
    """The rows of the last recorded step, of one domain if there are several."""
    last = rows.filter(pl.col("step") == pl.col("step").max())
    return last if domain is None else last.filter(pl.col("domain") == domain)


def growth(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each seed's last value over its first, as the column ``growth``."""
    first = rows.filter(pl.col("step") == 0).select("seed", first=column)
    return at_end(rows).join(first, on="seed").with_columns(growth=pl.col(column) / pl.col("first"))
