"""The upper end of an interval where some seeds are far off: against exact bounds, and by how often it is too low."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iclscope.claims.families import Region, judge
from iclscope.claims.intervals import (
    ENOUGH_SEEDS,
    RateDifferenceInterval,
    RateInterval,
    UpperBound,
    mean_interval,
    unseen_share,
    upper_bound,
    upper_ends,
    with_unseen_seeds,
)
from iclscope.evaluation import Interval, rate_interval

BAD, SHARE = 0.5, 0.2  # one seed in five has learnt nothing
PROMPTS = 4096


def student(samples: np.ndarray, level: float = 0.95) -> np.ndarray:
    seeds = samples.shape[-1]
    half = stats.t.ppf((1 + level) / 2, seeds - 1) * samples.std(axis=-1, ddof=1) / math.sqrt(seeds)
    return np.asarray(samples.mean(axis=-1) + half)


def clopper_pearson(bad: int, seeds: int) -> float:
    return float(stats.beta.ppf(0.975, bad + 1, seeds - bad)) if bad < seeds else 1.0


def some_bad(bad: int, seeds: int) -> list[float]:
    return [BAD] * bad + [0.0] * (seeds - bad)


@pytest.mark.parametrize("seeds", [5, 12, 17, 20, 30])
def test_two_values_give_clopper_and_pearsons_bound(seeds: int) -> None:
    for bad in range(2, seeds):
        sample = np.array(some_bad(bad, seeds))
        expected = max(BAD * clopper_pearson(bad, seeds), float(student(sample)))
        assert float(upper_ends(sample)) == pytest.approx(expected, rel=1e-9)
        # Wherever zero and one are: shifted and stretched alike.
        assert float(upper_ends(3 + 10 * sample)) == pytest.approx(3 + 10 * expected, rel=1e-9)


@pytest.mark.parametrize("seeds", [5, 17, 20, 30])
def test_a_single_bad_seed_may_have_worse_ones_beside_it(seeds: int) -> None:
    """Of one far value nobody knows that it is the worst of its kind: up to twice as far is allowed for.

    So the bound lies above Clopper and Pearson's, which knows the worst, and below theirs at twice the distance.
    """
    found = float(upper_ends(np.array(some_bad(1, seeds))))
    assert BAD * clopper_pearson(1, seeds) < found < 2 * BAD * clopper_pearson(1, seeds)
    # Student's interval reads it away: that is the mistake that the second bound is there for.
    assert mean_interval(some_bad(1, 17)).high > 2 * SHARE * BAD > 2 * float(student(np.array(some_bad(1, 17)))) - 0.01


def test_equal_values_leave_no_room() -> None:
    assert upper_ends(np.zeros((2, 17))).tolist() == [0, 0]
    assert upper_ends(np.full((1, 5), 0.1)).tolist() == pytest.approx([0.1])
    assert float(upper_ends(np.array([1.0, 2.0, math.inf]))) == math.inf


@given(
    sample=st.lists(st.floats(-100, 100), min_size=2, max_size=25),
    shift=st.floats(-100, 100),
    factor=st.floats(0.01, 100),
)
def test_upper_ends_move_with_the_values(sample: list[float], shift: float, factor: float) -> None:
    values = np.array(sample)
    found = float(upper_ends(values))
    size = 1e-6 * (np.abs(values).max() + abs(shift) + 1)
    assert values.mean() <= found + size
    if values.max() - values.min() > 1e-3:
        assert found >= float(student(values)) - size
        assert float(upper_ends(values + shift)) == pytest.approx(found + shift, abs=size)
        assert float(upper_ends(values * factor)) == pytest.approx(found * factor, abs=size * factor)
        assert float(upper_ends(values[::-1])) == pytest.approx(found, abs=size)
    assert float(upper_ends(values, 0.99)) >= found - size


@pytest.mark.parametrize(("level", "near"), [(0.95, 0.02), (0.99, 0.04)])
def test_the_weighted_mean_is_distributed_about_as_it_is_taken_to_be(level: float, near: float) -> None:
    """Gaffke's bound drawn at random: uniformly random weights on the values and on the largest possible one."""
    generator = np.random.default_rng(0)
    samples = [
        *(generator.exponential(1.0, size=seeds) for seeds in (8, 20)),
        np.array([0.01] * 16 + [0.4] * 4),
        generator.uniform(size=12),
    ]
    for values in samples:
        ordered = np.sort(values)
        imagined = 2 * ordered[-1] - ordered[-2]
        weights = generator.dirichlet(np.ones(len(values) + 1), size=100_000)
        drawn = np.quantile(weights @ np.append(values, imagined), (1 + level) / 2)
        expected = max(float(drawn), float(student(values, level)))
        assert float(upper_ends(values, level)) == pytest.approx(expected, abs=near * (imagined - ordered[0]))


@pytest.mark.parametrize("seeds", [2, 5, 10, 20])
def test_where_values_scatter_evenly_the_bound_is_near_students(seeds: int) -> None:
    samples = np.random.default_rng(1).normal(size=(4000, seeds))
    ends, usual = upper_ends(samples), student(samples)
    assert (ends >= usual - 1e-12).all()
    longer = (ends - samples.mean(axis=1)).mean() / (usual - samples.mean(axis=1)).mean()
    assert longer < 1.25
    assert (ends < 0).mean() < 0.025 + 3 * math.sqrt(0.025 * 0.975 / 4000)


def chance_of(seeds: int, happens: list[bool]) -> float:
    """Exact: of so many bad seeds as the index says."""
    return float(stats.binom.pmf(np.arange(seeds + 1), seeds, SHARE)[np.array(happens)].sum())


def bad_seed_intervals(seeds: int) -> list[RateInterval]:
    return [rate_interval(some_bad(bad, seeds), PROMPTS) for bad in range(seeds + 1)]


@pytest.mark.parametrize("seeds", [12, 17, 20, 30])
def test_one_bad_seed_in_five_is_covered(seeds: int) -> None:
    """From twelve seeds on the upper end covers in 93 of 100: unless no seed at all was bad.

    The lower end is too high in another 0.4 of 100 at twelve, where more than half of the seeds were bad.
    """
    truth = SHARE * BAD
    found = bad_seed_intervals(seeds)
    above = chance_of(seeds, [one.high >= truth for one in found])
    both = chance_of(seeds, [one.low <= truth <= one.high for one in found])
    assert above == pytest.approx(1 - (1 - SHARE) ** seeds)
    assert above >= 0.93
    assert above - both <= 0.025
    assert both >= (0.927 if seeds < ENOUGH_SEEDS else 0.95)


@pytest.mark.parametrize("seeds", [5, 10, 12, 16, 17, 20, 30])
def test_one_bad_seed_in_five_is_not_read_away(seeds: int) -> None:
    """At a region that ends exactly at the true mean: "holds" is wrong, and comes in at most 2.5 of 100."""
    border = Region(high=SHARE * BAD)
    wrong = chance_of(seeds, [judge(one, border) == "holds" for one in bad_seed_intervals(seeds)])
    assert wrong <= 0.025
    assert (wrong == 0) == (
        seeds < ENOUGH_SEEDS
    )  # so few cannot hold: their all-clean interval reaches over the border


@pytest.mark.parametrize("seeds", [17, 20, 30])
@pytest.mark.parametrize("good", [0.0, 1e-4, 0.004])
def test_one_bad_seed_in_five_is_not_read_away_where_the_others_err_a_little(seeds: int, good: float) -> None:
    draws = 5000
    generator = np.random.default_rng(seeds)
    rates = generator.binomial(PROMPTS, np.where(generator.random((draws, seeds)) < SHARE, BAD, good)) / PROMPTS
    truth = SHARE * BAD + (1 - SHARE) * good
    by_seed = upper_ends(rates)
    by_prompt = stats.beta.ppf(0.975, rates.sum(axis=1) * PROMPTS + 1, (1 - rates).sum(axis=1) * PROMPTS)
    high = np.minimum(1, np.maximum(by_seed, by_prompt))
    wrong = (high <= truth).mean()
    assert wrong <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / draws)
    for row, end in zip(rates[:20].tolist(), high[:20], strict=True):
        assert rate_interval(row, PROMPTS).high == pytest.approx(end)


@pytest.mark.parametrize("seeds", [17, 20])
def test_small_rates_are_covered(seeds: int) -> None:
    """1e-4 with 4,096 prompts: about one error in two or three seeds."""
    draws = 300
    rates = np.random.default_rng(2).binomial(PROMPTS, 1e-4, size=(draws, seeds)) / PROMPTS
    found = [rate_interval(row, PROMPTS) for row in rates.tolist()]
    assert np.mean([one.low <= 1e-4 <= one.high for one in found]) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)
    assert all(0 <= one.low <= one.high < 1e-3 for one in found)
    assert np.mean([judge(one, Region(high=1e-4)) == "holds" for one in found]) < 0.025 + 3 * math.sqrt(
        0.025 * 0.975 / draws
    )
    assert {judge(one, Region(high=0.01)) for one in found} == {"holds"}


def test_all_zero_is_as_sure_as_prompts_and_seeds_make_it() -> None:
    many, few = rate_interval([0.0] * ENOUGH_SEEDS, PROMPTS), rate_interval([0.0] * (ENOUGH_SEEDS - 1), PROMPTS)
    assert many.high == pytest.approx(1 - 0.025 ** (1 / (ENOUGH_SEEDS * PROMPTS)))
    assert judge(many, Region(high=0.01)) == "holds"
    assert judge(few, Region(high=0.01)) == "inconclusive"
    # Sixteen can miss 20.6 % of bad seeds, which are taken to have a rate of 1.
    assert judge(few, Region(high=0.2)) == "inconclusive"
    assert judge(few, Region(high=0.21)) == "holds"


def test_how_many_bad_seeds_can_go_unseen() -> None:
    for seeds in (1, 5, 16, 17, 20):
        share = unseen_share(seeds)
        assert share == pytest.approx(stats.binomtest(0, seeds).proportion_ci(0.95, method="exact").high)
        assert (1 - share) ** seeds == pytest.approx(0.025)
    assert unseen_share(0) == 1
    # 17 is where one bad seed in five stands out.
    assert unseen_share(ENOUGH_SEEDS) < 0.2 < unseen_share(ENOUGH_SEEDS - 1)


def test_unseen_seeds_have_the_worst_rates_there_are() -> None:
    share = unseen_share(5)
    rate = with_unseen_seeds(RateInterval(0.1, 0.05, 0.2, 5))
    assert rate[:3] == pytest.approx((0.1, 0.05 * (1 - share), 0.2 * (1 - share) + share))
    assert isinstance(rate, RateInterval)
    difference = with_unseen_seeds(RateDifferenceInterval(0.1, 0.05, 0.2, 5, 1))
    assert difference[:3] == pytest.approx((0.1, 0.05 * (1 - share) - share, 0.2 * (1 - share) + share))
    assert difference[3:] == (5, 1)


def test_few_seeds_can_fail_though_they_cannot_hold() -> None:
    assert judge(RateInterval(0.3, 0.25, 0.35, 5), Region(high=0.1)) == "fails"
    assert judge(RateInterval(0.05, 0.0, 0.09, 5), Region(high=0.1)) == "inconclusive"
    assert judge(RateInterval(0.05, 0.0, 0.09, ENOUGH_SEEDS), Region(high=0.1)) == "holds"
    # What is no rate has no worst: its few seeds decide, and the report states what share could have been missed.
    assert judge(Interval(0.05, 0.0, 0.09, 5), Region(high=0.1)) == "holds"


@given(
    rates=st.lists(st.one_of(st.floats(0, 1), st.just(math.nan), st.sampled_from([0.0, 1.0])), max_size=25),
    prompts=st.sampled_from([1, 40, 4096]),
)
def test_rates_stay_within_zero_and_one(rates: list[float], prompts: int) -> None:
    found = rate_interval(rates, prompts)
    assert 0 <= found.low <= found.high <= 1
    assert found.seeds == len(rates)
    assert found.missing == sum(map(math.isnan, rates))
    if found.missing < found.seeds:
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_a_bound_is_open_below() -> None:
    found = upper_bound(Interval(0.3, 0.2, 0.4, 5, 1), floor=0.1)
    assert found == UpperBound(0.3, 0.1, 0.4, 5, 1)
    assert upper_bound(Interval(0.3, 0.2, 0.4, 5), floor=0.25).low == 0.2
