"""Rows and claims of one's own that cannot be judged are refused in one line that says what is missing."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import iclscope as icl
from iclscope.claims.summaries import mean_at_every, over_seeds, rate_over_seeds, slope_of, summarise
from iclscope.core.errors import BadRequest

ROWS = pl.DataFrame(
    {
        "arm": ["trained"] * 4 + ["untrained"] * 4,
        "seed": [0, 1, 0, 1] * 2,
        "length": [8, 8, 16, 16] * 2,
        "error": [0.1, 0.11, 0.09, 0.1, 1.0, 0.9, 1.1, 1.0],
    }
)


def claim(**changes: Any) -> icl.Claim:
    settings: dict[str, Any] = {
        "id": "small",
        "form": "exact",
        "statement": "The error is small.",
        "source": "Nobody 2026, Section 2",
        "quantity": "squared error",
        "expected": icl.Region(high=0.5),
        "reason": "half of predicting 0",
        "estimate": lambda rows: over_seeds(rows, "error"),
        "control": icl.Control("initial weights", "untrained"),
    }
    return icl.Claim(**settings | changes)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROWS.drop("seed"), "rows: expected a column 'seed', got the columns arm, length, error; it tells runs apart"),
        (ROWS.rename({"error": "loss"}), "rows: expected a column 'error', got the columns arm, seed, length, loss"),
        (
            ROWS.filter(pl.col("arm") == "trained"),
            "claim 'small': control: expected one of the arms of the rows (trained), got 'untrained'",
        ),
        (
            ROWS.filter(pl.col("arm") != "trained"),
            "claim 'small': arm: expected one of the arms of the rows (untrained), got 'trained'",
        ),
        (ROWS.clear(), "claim 'small': arm: expected one of the arms of the rows (there are none), got 'trained'"),
    ],
    ids=["seed", "column", "control", "arm", "empty"],
)
def test_what_rows_lack_is_named(rows: pl.DataFrame, told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        icl.judge(rows, claim())
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    "summary",
    [
        lambda rows: over_seeds(rows, "nothing"),
        lambda rows: rate_over_seeds(rows, "nothing"),
        lambda rows: mean_at_every(rows, "nothing", "error"),
        lambda rows: summarise(rows, "length", "nothing"),
        lambda rows: summarise(rows, "nothing", "error"),
        lambda rows: slope_of(rows, "length", "nothing"),
    ],
)
def test_every_summary_names_the_column_that_it_misses(summary: Any) -> None:
    with pytest.raises(
        BadRequest, match=r"^rows: expected a column 'nothing', got the columns arm, seed, length, error"
    ):
        summary(ROWS)


def test_a_source_names_a_place() -> None:
    told = r"^claim 'small': source: expected a theorem, proposition, section, figure or the like, such as 'Section 2'"
    with pytest.raises(BadRequest, match=told):
        claim(source="me")
