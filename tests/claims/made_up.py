"""What the tests of made-up rows share: a claim judged on rows that no model was trained for."""

from __future__ import annotations

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.study.experiment import experiments_named

SEEDS = range(20)
"""As many as a claim on a rate needs, and some more."""


def judged(figure: str, name: str, rows: pl.DataFrame, *, paper: str = "li2024") -> JudgedClaim:
    """A claim and its control, judged on measured rows and those that the figure makes of them."""
    (experiment,) = experiments_named(paper, [figure])
    claim = next(claim for claim in experiment.claims if claim.id == name)
    if experiment.controls is not None:
        rows = pl.concat([rows, experiment.controls(rows)], how="diagonal")
    return claim.judged(paper, figure, rows)


def wobble(seed: int, size: float = 0.01) -> float:
    """What differs between seeds: −2 … 2 sizes, by rank."""
    return (seed % 5 - 2) * size
