"""Experiments in which a claim is only just true or false: by chance it may come out wrong in 2.5 of 100, not more.

Four thousand experiments of five settings and twenty seeds for every form: one setting lies exactly at the border
of the region, the others deep inside. They are judged all at once; a few of them also by the claim itself, row by row.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
import scipy
from claims.test_claims_claim import make_claim
from claims.test_claims_forms import LEGAL

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.families import Estimate, Region, for_all, judge
from iclscope.claims.intervals import LEVEL, Interval, bounded_mean, mean_interval, rate_interval, upper_ends
from iclscope.claims.summaries import slope_of

EXPERIMENTS, SETTINGS, SEEDS = 4000, 5, 20
STRICT = 1 - (1 - LEVEL) / SETTINGS
MOST = 0.025 + 3 * math.sqrt(0.025 * 0.975 / EXPERIMENTS)
BOTH, HIGH, LOW = Region(0.9, 1.1), Region(high=1.1), Region(low=0.9)
REGIONS = {"exact": BOTH, "sufficient": HIGH, "upper bound": HIGH, "lower bound": LOW, "published": BOTH, "ours": BOTH}
SCATTERS = ("evenly", "one seed in five bad", "one seed in fifty diverged")
PROMPTS = 4096


class Ends(NamedTuple):
    """Lower and upper ends of intervals, of many experiments at once."""

    low: np.ndarray
    high: np.ndarray


def over_seeds(samples: np.ndarray, level: float = LEVEL, least: float = -math.inf, most: float = math.inf) -> Ends:
    """What `mean_interval` gives for each sample; the last axis is that of the seeds."""
    known = np.isfinite(samples)
    ends = [np.empty(samples.shape[:-1]) for _ in range(2)]
    for end, worst, sign in zip(ends, (least, most), (-1, 1), strict=True):
        filled = sign * np.where(known, samples, worst)
        usable = np.isfinite(filled).all(axis=-1)
        end[...] = sign * math.inf
        end[usable] = sign * upper_ends(filled[usable], level)
    return Ends(np.maximum(ends[0], least), np.minimum(ends[1], most))


def all_hold(ends: Ends, region: Region) -> np.ndarray:
    return ((region.low <= ends.low) & (ends.high <= region.high)).all(axis=-1)


def one_fails(strict: Ends, region: Region) -> np.ndarray:
    return ((strict.high < region.low) | (region.high < strict.low)).any(axis=-1)


def border_of(region: Region) -> float:
    return region.high if math.isfinite(region.high) else region.low


@cache
def drawn(region: Region, scatter: str) -> np.ndarray:
    """Values by experiment, setting and seed: the mean of the first setting is the border, of the others 1.

    Bad seeds lie beyond the border. Seeds diverge whatever they would have had, so that a claim is judged without them.
    """
    generator = np.random.default_rng(SCATTERS.index(scatter))
    outwards = 1.0 if math.isfinite(region.high) else -1.0
    values = 1 + generator.normal(0, 0.01, size=(EXPERIMENTS, SETTINGS, SEEDS))
    if scatter == "one seed in five bad":
        bad = generator.random((EXPERIMENTS, SEEDS)) < 0.2
        values[:, 0] = values[:, 0] - 1 + outwards * np.where(bad, 0.4, -0.1)
    else:
        values[:, 0] = 10 * (values[:, 0] - 1)
    values[:, 0] += border_of(region)
    if scatter == "one seed in fifty diverged":
        values[generator.random(values.shape) < 0.02] = math.nan
    return values


def judged_row_by_row(form: str, values: np.ndarray) -> JudgedClaim:
    """One experiment as the claim of a figure judges it."""
    rows = [
        {"arm": "trained", "setting": setting, "seed": seed, "value": float(values[setting, seed])}
        for setting, seed in np.ndindex(*values.shape)
    ]

    def estimate(found: pl.DataFrame) -> Estimate:
        return for_all(found, "setting", lambda part, level: mean_interval(part["value"].to_list(), level=level))

    changes: dict[str, Any] = {**LEGAL[form], "form": form, "expected": REGIONS[form], "estimate": estimate}
    return make_claim(**changes).judged("somebody", "null", pl.DataFrame(rows))


@cache
def verdicts(region: Region, scatter: str) -> tuple[np.ndarray, np.ndarray]:
    """Which experiments hold, and which fail by what `judge` says of all their settings."""
    values = drawn(region, scatter)
    holds = all_hold(over_seeds(values), region)
    return holds, one_fails(over_seeds(values, STRICT), region) & ~holds


@pytest.mark.parametrize("scatter", SCATTERS)
@pytest.mark.parametrize("form", list(REGIONS))
def test_a_setting_at_the_border_is_taken_for_one_beyond_or_within_it_by_chance_only(form: str, scatter: str) -> None:
    region = REGIONS[form]
    holds, fails = verdicts(region, scatter)
    assert holds.mean() <= MOST
    assert fails.mean() <= MOST
    by_chance = ["holds" if a else "fails" if b else "inconclusive" for a, b in zip(holds, fails, strict=True)]
    some = [*range(6), *np.flatnonzero(holds)[:2], *np.flatnonzero(fails)[:2]]
    for experiment in map(int, some):
        one = judged_row_by_row(form, drawn(region, scatter)[experiment])
        assert one.measured is not None
        assert judge(one.measured, region) == by_chance[experiment]
        # Where the constant is not known nothing fails, so that no "fails" can be wrong.
        of_reference = one.claim.reference is not None
        assert one.verdict == ("inconclusive" if of_reference and fails[experiment] else by_chance[experiment])


def test_the_experiments_could_come_out_wrong() -> None:
    """Student's interval alone would: with one seed in five bad it ends below the mean in 6 of 100."""
    values = drawn(HIGH, "one seed in five bad")[:, 0]
    half = scipy.stats.t.ppf(0.975, SEEDS - 1) * values.std(axis=-1, ddof=1) / math.sqrt(SEEDS)
    assert (values.mean(axis=-1) + half <= HIGH.high).mean() > 1.5 * MOST
    # And without the setting at the border the others hold.
    inside = drawn(HIGH, "evenly")[:, 1:]
    assert all_hold(over_seeds(inside[:100]), HIGH).all()


@pytest.mark.parametrize("region", [BOTH, HIGH, LOW])
def test_with_every_setting_at_the_border_one_seldom_refutes_all(region: Region) -> None:
    values = border_of(region) + np.random.default_rng(3).normal(0, 0.1, size=(EXPERIMENTS, SETTINGS, SEEDS))
    assert one_fails(over_seeds(values, STRICT), region).mean() <= MOST
    # At the level of a single setting one of five would, too often.
    student = scipy.stats.ttest_1samp(values, border_of(region), axis=-1).pvalue
    assert (student < 0.05).any(axis=-1).mean() > 2 * MOST


@pytest.mark.parametrize("seeds", [17, 20])
@pytest.mark.parametrize("diverged", [0.0, 0.2])
def test_rates_with_one_bad_or_diverged_seed_in_five_hold_by_chance_only(seeds: int, diverged: float) -> None:
    """A run that diverged answers at random; it is one of the bad ones, and stands for a rate of 1."""
    generator = np.random.default_rng(seeds)
    rates = generator.binomial(PROMPTS, 1e-4, size=(EXPERIMENTS, SETTINGS, seeds)) / PROMPTS
    bad = generator.random((EXPERIMENTS, seeds)) < 0.2
    rates[:, 0] = np.where(bad, 0.5, rates[:, 0])
    lost = bad & (generator.random(bad.shape) < 5 * diverged)
    border = Region(high=0.2 * 0.5 + 0.8 * 1e-4)
    shown = rates.copy()
    shown[:, 0][lost] = math.nan
    by_seed = over_seeds(shown, least=0.0, most=1.0)
    filled = np.where(np.isfinite(shown), shown, 1.0).sum(axis=-1) * PROMPTS
    high = np.fmax(by_seed.high, scipy.stats.beta.ppf(0.975, filled + 1, np.maximum(PROMPTS * seeds - filled, 1e-9)))
    holds = (high <= border.high).all(axis=-1)
    assert holds.mean() <= MOST
    for experiment in [*range(5), *map(int, np.flatnonzero(holds)[:3])]:
        found = [rate_interval(one, PROMPTS) for one in shown[experiment].tolist()]
        assert [one.high for one in found] == pytest.approx(high[experiment].tolist())
        assert all(judge(one, border) == "holds" for one in found) == holds[experiment]


@pytest.mark.parametrize("seeds", [5, 12, 16])
def test_rates_of_fewer_than_seventeen_seeds_do_not_hold_however_clean(seeds: int) -> None:
    border = Region(high=0.1)
    assert judge(rate_interval([0.0] * seeds, PROMPTS), border) == "inconclusive"
    assert judge(rate_interval([0.0] * (seeds - 1) + [0.5], PROMPTS), border) != "holds"


@pytest.mark.parametrize("diverged", [0.0, 0.005])
def test_a_single_slope_at_the_border_is_decided_by_chance_only(diverged: float) -> None:
    """Five points to a seed; those that are lost leave the seed's slope open."""
    generator = np.random.default_rng(5)
    region, x = Region(1.75, 2.25), np.array([5.0, 10, 20, 40, 80])
    log_x = np.log(x) - np.log(x).mean()
    log_y = (2.25 + generator.normal(0, 0.1, size=(EXPERIMENTS, SEEDS, 1))) * log_x
    log_y += generator.normal(0, 0.05, size=log_y.shape)
    log_y[generator.random(log_y.shape) < diverged] = math.nan
    slopes = log_y @ log_x / np.square(log_x).sum()
    ends = over_seeds(slopes[:, None])
    holds, fails = all_hold(ends, region), one_fails(ends, region)
    assert holds.mean() <= MOST
    assert fails.mean() <= MOST
    for experiment in [*range(4), *map(int, np.flatnonzero(holds)[:2]), *map(int, np.flatnonzero(fails)[:2])]:
        rows = [
            {"seed": seed, "x": float(at), "y": None if math.isnan(value) else math.exp(value)}
            for seed, curve in enumerate(log_y[experiment])
            for at, value in zip(x, curve, strict=True)
        ]
        found = slope_of(pl.DataFrame(rows, schema_overrides={"y": pl.Float64}), "x", "y")
        assert (found.low, found.high) == pytest.approx((ends.low[experiment, 0], ends.high[experiment, 0]))
        assert judge(found, region) == (
            "holds" if holds[experiment] else "fails" if fails[experiment] else "inconclusive"
        )


def test_a_slope_with_points_that_were_never_reached_is_decided_by_chance_only() -> None:
    """Of seeds that are known to be steep, but not how steep, a slope at the border is not made a smaller one."""
    generator = np.random.default_rng(6)
    region, border = Region(high=2.25), 2.25
    slopes = border + generator.normal(0, 0.1, size=(EXPERIMENTS, SEEDS))
    censored = slopes > 2.4  # what nobody waited for: such a slope is at least this
    ends = over_seeds(np.where(censored, math.nan, slopes))
    low = -upper_ends(-np.minimum(slopes, 2.4))
    assert (ends.high <= region.high).mean() <= MOST
    assert (low > region.high).mean() <= MOST
    row, lost = slopes[0], censored[0]
    lows = np.minimum(row, 2.4).tolist()
    highs = np.where(lost, math.inf, row).tolist()
    one = bounded_mean(lows, highs, value=0.0, missing=int(lost.sum()))
    assert one.low == pytest.approx(low[0])
    assert (one.high == math.inf) == lost.any()


def test_where_values_are_skewed_the_bound_is_better_than_students_but_not_free_of_error() -> None:
    """Unbounded risks: of exponential ones 3 in 100 experiments of twenty seeds come out as "holds", by Student's 8."""
    samples = np.random.default_rng(7).exponential(1.0, size=(EXPERIMENTS, SEEDS))
    wrong = (upper_ends(samples) <= 1).mean()
    half = scipy.stats.t.ppf(0.975, SEEDS - 1) * samples.std(axis=-1, ddof=1) / math.sqrt(SEEDS)
    assert wrong <= 0.032 + 3 * math.sqrt(0.032 * 0.968 / EXPERIMENTS)
    assert wrong < 0.6 * (samples.mean(axis=-1) + half <= 1).mean()


def test_one_diverged_run_leaves_an_unbounded_risk_open() -> None:
    values = [0.01] * 19 + [math.nan]
    assert judge(mean_interval(values, least=0), Region(high=0.1)) == "inconclusive"
    assert (
        judge(mean_interval([1.0] * 19 + [math.nan], least=0), Region(high=0.1)) == "fails"
    )  # even with the best of it
    most_gone = [1.0, 1.0] + [math.nan] * 8
    assert judge(mean_interval(most_gone, least=0), Region(high=0.1)) == "inconclusive"
    assert judge(Interval(1.0, 0.994, 1.007, 10), Region(high=0.1)) == "fails"  # what the two that are left would say
