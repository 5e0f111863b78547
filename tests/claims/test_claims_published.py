"""Published curves, and how far ours lie from them."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from importlib import resources

import numpy as np
import polars as pl
import pytest

from iclscope.claims.published import (
    COLUMNS,
    FILE,
    PublishedCurve,
    error_distance,
    published_curves,
    reading_error,
    value_distance,
)
from iclscope.study.experiment import PAPERS, figure_names

PROMPTS = 1000
THEIRS = PublishedCurve((4, 8, 12), (0.1, 0.05, 0.02), (0.003, 0.0015, 0.0006), "made up")
WITH_CURVES = [name for name, paper in PAPERS.items() if (resources.files(paper.package) / FILE).is_file()]


def errors(factor: float, seeds: int = 20, scatter: float = 0.0, lengths: tuple[int, ...] = (4, 8, 12)) -> pl.DataFrame:
    """Errors that are so many times the published ones, every second seed above and every second below."""
    return pl.DataFrame(
        [
            (seed, length, PROMPTS, factor * THEIRS.at(length) * (1 + scatter * (-1) ** seed))
            for seed in range(seeds)
            for length in lengths
        ],
        schema=["seed", "length", "prompts", "classification_error"],
        orient="row",
    )


def test_equal_curves_have_no_distance() -> None:
    found = error_distance(errors(1.0), THEIRS, "length")
    assert found.mean.value == pytest.approx(0, abs=1e-3)
    assert found.mean.low < 0 < found.mean.high
    assert found.logarithmic


def test_a_curve_of_half_the_errors_lies_at_the_logarithm_of_a_half() -> None:
    found = error_distance(errors(0.5, scatter=0.1), THEIRS, "length")
    assert found.mean.value == pytest.approx(-math.log(2), abs=0.01)
    assert found.mean.high < 0
    assert found.mean.seeds == 20


def test_the_definition_by_hand() -> None:
    """log((errors + ½)/(prompts + 1)), all seeds pooled."""
    rows = pl.DataFrame({"seed": [0, 1], "length": [4, 4], "prompts": [10, 10], "classification_error": [0.2, 0.0]})
    theirs = PublishedCurve((4,), (0.3,), (0.0,), "made up")
    found = error_distance(rows, theirs, "length")
    assert found.mean.value == pytest.approx(math.log(2.5 / 21) - math.log(6.5 / 21))
    assert found.at == 4


def test_no_error_at_all_is_compared_too() -> None:
    found = error_distance(errors(0.0), THEIRS, "length")
    assert math.isfinite(found.mean.low)
    assert found.mean.high < math.log(0.05), "20,000 prompts without an error"
    assert found.mean.high > found.mean.value, "though none was seen"


def test_the_reading_error_widens_both_ends() -> None:
    exact = error_distance(errors(1.0, scatter=0.1), THEIRS._replace(reading=(0.0, 0.0, 0.0)), "length")
    read = error_distance(errors(1.0, scatter=0.1), THEIRS, "length")
    assert read.mean.low - exact.mean.low == pytest.approx(-math.log(1.03), rel=0.02)
    assert read.mean.high - exact.mean.high == pytest.approx(-math.log(0.97), rel=0.02)


def test_the_largest_difference_keeps_its_sign_and_says_where() -> None:
    rows = errors(1.0).with_columns(
        classification_error=pl.when(pl.col("length") == 8).then(0.01).otherwise(pl.col("classification_error"))
    )
    found = error_distance(rows, THEIRS, "length")
    assert found.at == 8
    assert found.largest.value == pytest.approx(math.log(0.01 / 0.05), abs=0.01)
    assert found.largest.value < found.mean.value < 0


def test_a_seed_without_a_value_may_have_any() -> None:
    rows = errors(1.0, seeds=4)
    lost = rows.with_columns(
        classification_error=pl.when(pl.col("seed") == 3).then(None).otherwise(pl.col("classification_error"))
    )
    found, whole = error_distance(lost, THEIRS, "length").mean, error_distance(rows, THEIRS, "length").mean
    assert found.missing == 1
    assert found.low < whole.low
    assert found.high > whole.high


def test_points_that_only_one_curve_has_are_left_out() -> None:
    found = error_distance(errors(2.0, lengths=(4, 12)), THEIRS, "length")
    assert found.mean.value == pytest.approx(math.log(2), abs=0.01)
    with pytest.raises(ValueError, match="no published point"):
        error_distance(errors(1.0).with_columns(length=pl.col("length") + 1), THEIRS, "length")


def test_intervals_of_the_mean_cover() -> None:
    """Log-normal seeds with mean 1: 95 % intervals of 20 seeds contain the truth in at least nine tenths of samples."""
    theirs = THEIRS._replace(reading=(0.0, 0.0, 0.0))
    covered, rng = 0, np.random.default_rng(0)
    for _ in range(200):
        scale = np.exp(rng.normal(-0.125, 0.5, 20))
        rows = errors(1.0).with_columns(
            classification_error=pl.col("classification_error") * pl.Series(np.repeat(scale, 3))
        )
        found = error_distance(rows, theirs, "length").mean
        covered += found.low <= 0 <= found.high
    assert covered >= 180


def test_other_quantities_are_compared_by_their_difference_and_interpolated() -> None:
    theirs = PublishedCurve((0, 50, 100), (0.4, 0.7, 0.9), (0.01, 0.01, 0.01), "made up")
    rows = pl.DataFrame(
        [(seed, step, 0.3 + 0.006 * step + 0.001 * (-1) ** seed) for seed in range(20) for step in (0, 40, 60, 100)],
        schema=["seed", "step", "attention"],
        orient="row",
    )
    found = value_distance(rows, theirs, "step", "attention")
    assert found.mean.value == pytest.approx((-0.1 - 0.1 + 0.0) / 3)
    assert found.largest.value == pytest.approx(-0.1)
    assert found.mean.low < found.mean.value - 0.01 < found.mean.value + 0.01 < found.mean.high
    assert not found.logarithmic
    assert found.told[0].startswith("−0.067 [")


def test_factors_of_errors_are_told() -> None:
    mean, largest = error_distance(errors(0.5), THEIRS, "length").told
    assert mean.startswith("×0.5 [0.4")
    assert " at " in largest


def test_a_single_seed_has_no_interval_to_tell() -> None:
    rows = pl.DataFrame({"seed": [0, 0], "step": [0, 50], "loss": [1.0, 0.9]})
    theirs = PublishedCurve((50,), (0.7,), (0.01,), "made up")
    assert value_distance(rows, theirs, "step", "loss").told == ("+0.2", "+0.2 at 50")


def test_a_paper_without_a_package_has_no_published_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = replace(PAPERS["li2024"], package="", figures=())
    monkeypatch.setattr("iclscope.claims.published.paper_named", lambda _name: bare)
    assert published_curves("bare", "linear") == {}


@pytest.mark.parametrize(("exact", "expected"), [("3 %", 0.006), ("0.01", 0.01), ("10 %", 0.02)])
def test_how_exact_a_value_is(exact: str, expected: float) -> None:
    assert reading_error(exact, 0.2) == pytest.approx(expected)


@pytest.mark.parametrize("paper", WITH_CURVES)
def test_what_is_published_is_whole(paper: str) -> None:
    text = (resources.files(PAPERS[paper].package) / FILE).read_text(encoding="utf-8")
    records = list(csv.DictReader(text.splitlines()))
    assert list(records[0]) == COLUMNS
    assert {record["figure"] for record in records} <= set(figure_names(paper))
    for record in records:
        assert math.isfinite(float(record["x"])), record
        assert reading_error(record["exact"], float(record["y"])) > 0, "read off a picture"
        assert record["source"], record
    points = [(record["figure"], record["curve"], record["x"]) for record in records]
    scattered = {record["curve"] for record in records if record["figure"] == "multilayer-neurons"}
    twice = [point for point in points if points.count(point) > 1 and point[1] not in scattered]
    assert not twice, "two values at one place"


def test_a_published_curve_as_in_the_table() -> None:
    curve = published_curves("li2024", "gpt2-ood-s1")["S1 = 1.3"]
    assert curve.x == (4, 6, 8, 10, 12, 14, 16, 18, 20)
    assert curve.at(20) == 0.002
    assert curve.reading[0] == pytest.approx(0.03 * 0.048)
    assert "page 23" in curve.source
    assert published_curves("li2024", "no-such-figure") == {}
