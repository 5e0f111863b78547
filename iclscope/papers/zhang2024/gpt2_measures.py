"""What claims on GPT-2 of Zhang 2024 measure: errors after N examples beside others, and how they rise behind N."""

from __future__ import annotations

import math

import polars as pl

from iclscope.claims.families import ForAll, for_all
from iclscope.claims.intervals import Interval, mean_interval, upper_bound
from iclscope.claims.summaries import mean_at_every, over_seeds
from iclscope.papers.zhang2024.gpt2_settings import IDENTITY, RANDOM, TESTS

WITHIN, SWAPPED = "within training", "trained on the other"
SAME, SMALLER = "Λ = I in their place", "c = 4 in the place of 9"
MIXED = "at c = 1 within training"
C1, C4, C9 = TESTS[1:]


def control_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of trained models as if they were of others: at other lengths, of the other training, of another test."""
    # A control is judged by what it errs, however long it was trained.
    rows = rows.filter(pl.col("arm") == "trained").with_columns(short=pl.lit(False))
    within = rows.filter((pl.col("M") == pl.col("N") // 2) | (pl.col("M") == pl.col("N")))
    # The errors after N/2 and N examples as if they were those after N and 2N.
    doubled = pl.when(pl.col("M") == pl.col("N")).then(2 * pl.col("N")).otherwise(pl.col("N"))
    other = pl.col("trained_on").replace({IDENTITY: RANDOM, RANDOM: IDENTITY})
    within = within.with_columns(arm=pl.lit(WITHIN), M=doubled)
    plain, c4, c9 = (rows.filter(pl.col("test") == name) for name in (IDENTITY, C4, C9))
    c1_within = within.filter(pl.col("test") == C1)
    return pl.concat(
        [
            within,
            rows.with_columns(other, arm=pl.lit(SWAPPED)),
            *(plain.with_columns(arm=pl.lit(SAME), test=pl.lit(name)) for name in (IDENTITY, C4, C9)),
            *(part.with_columns(arm=pl.lit(MIXED)) for part in (c9, c1_within)),
            *(c4.with_columns(arm=pl.lit(SMALLER), test=pl.lit(name)) for name in (C4, C9)),
        ]
    )


_OF_A_TRAINING = ["seed", "N", "trained_on", "test"]


def after(rows: pl.DataFrame, times: int = 1, *, test: str | None = None, on: str | None = None) -> pl.DataFrame:
    """Errors after N examples, or after so many times N; of one test, of one training."""
    chosen = rows.filter(pl.col("M") == times * pl.col("N"))
    for name, value in (("test", test), ("trained_on", on)):
        chosen = chosen if value is None else chosen.filter(pl.col(name) == value)
    return chosen


def rises(rows: pl.DataFrame) -> pl.DataFrame:
    """The error after 2N examples less that after N."""
    joined = after(rows, 2).join(after(rows), on=_OF_A_TRAINING, suffix="_at_N")
    return joined.with_columns(rise=pl.col("error") - pl.col("error_at_N"))


def least_rise(rows: pl.DataFrame) -> Interval:
    """Per seed, the rise on Λ = I of models trained there, at the train length where it rises least."""
    chosen = rises(rows).filter((pl.col("test") == IDENTITY) & (pl.col("trained_on") == IDENTITY))
    found = []
    for _, of_seed in chosen.sort("seed", "N").group_by("seed", maintain_order=True):
        each = of_seed["rise"].to_list()
        found.append(math.nan if any(math.isnan(rise) for rise in each) else min(each))
    return mean_interval(found)


def every_rise(rows: pl.DataFrame) -> ForAll:
    """The rise for each training and test."""
    return mean_at_every(rises(rows), ("trained_on", "test", "N"), "rise")


def rise_at_nine(rows: pl.DataFrame) -> ForAll:
    """The rise at c = 9 less that at c = 1, for both trainings."""
    nine, one = (rises(rows).filter(pl.col("test") == name) for name in (C9, C1))
    joined = nine.join(one, on=["seed", "N", "trained_on"], suffix="_at_1")
    joined = joined.with_columns(less=pl.col("rise") - pl.col("rise_at_1"))
    return mean_at_every(joined, ("trained_on", "N"), "less")


def beside_linear_attention(rows: pl.DataFrame) -> ForAll:
    """The error at c = 1 over that of linear attention's limit, or of predicting 0 where that is less."""
    chosen = after(rows, test=C1, on=IDENTITY)
    better = pl.min_horizontal(pl.col("linear"), pl.lit(1.0))
    return mean_at_every(chosen.with_columns(ratio=pl.col("error") / better), "N", "ratio")


def beside_other_test(rows: pl.DataFrame, names: tuple[str, ...], other: str, on: str) -> ForAll:
    """Errors on some tests over those on another, of one training."""
    return _ratio(after(rows, on=on), after(rows, test=other, on=on), ("seed", "N"), names)


def random_over_fixed(rows: pl.DataFrame) -> ForAll:
    """Errors of models trained on random covariances over those of models trained on Λ = I, at c = 4 and 9."""
    return _ratio(after(rows, on=RANDOM), after(rows, on=IDENTITY), ("seed", "N", "test"), (C4, C9))


def _ratio(rows: pl.DataFrame, others: pl.DataFrame, paired: tuple[str, ...], names: tuple[str, ...]) -> ForAll:
    """Errors over those of others, paired by some columns, on some tests."""
    joined = rows.join(others, on=paired, suffix="_other").filter(pl.col("test").is_in(names))
    return mean_at_every(joined.with_columns(ratio=pl.col("error") / pl.col("error_other")), ("test", "N"), "ratio")


def over_least_squares(rows: pl.DataFrame) -> ForAll:
    """Errors at c = 1 and 4 less those of least squares, trained on random covariances; after a short training a bound."""
    chosen = after(rows, on=RANDOM).filter(pl.col("test").is_in([C1, C4]))
    chosen = chosen.with_columns(more=pl.col("error") - pl.col("least_squares"))

    def measure(part: pl.DataFrame, level: float) -> Interval:
        found = over_seeds(part, "more", level)
        return upper_bound(found, 0.0) if bool(part["short"].any()) else found

    return for_all(chosen, ("test", "N"), measure)
