"""Where the unknown constant of a law is taken from: models of one setting, of seeds that nothing is judged on."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from iclscope.training.trial import Trial

REFERENCE = "reference"
"""Arm of these models' rows. Claims that have a reference see them beside their own, and so do their controls: both go
by one constant."""

FIRST_SEED = 1000
"""First seed of these models; all others have smaller ones, at any number of seeds that somebody waits for."""

MARGIN = 1.5
"""How many times what the reference needs every other setting gets."""


def with_other_seeds(trials: Iterable[Trial]) -> list[Trial]:
    """The same trials with the seeds of the reference."""
    return [one.model_copy(update={"seed": FIRST_SEED + one.seed}) for one in trials]


def marked(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the trained models of the reference's seeds in their arm; of those seeds no other arm is kept."""
    is_reference = pl.col("seed") >= FIRST_SEED
    kept = rows.filter(~is_reference | pl.col("arm").is_in(["trained", REFERENCE]))
    return kept.with_columns(arm=pl.when(is_reference).then(pl.lit(REFERENCE)).otherwise(pl.col("arm")))
