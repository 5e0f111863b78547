"""Patterns that were planted are found, and the estimated α' is the planted one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from iclscope.core.errors import BadRequest
from iclscope.language_models.selection.alpha import error_by_alpha, error_slope, saved_shots, shots_needed
from iclscope.language_models.selectors.patterns import find_patterns, pattern_share

KINDS, CHANNELS = 4, 32


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """States of kinds of text, with a label that shifts them more than the kind does."""
    fixed = np.random.default_rng(99)
    kinds_at = 3 * fixed.normal(size=(KINDS, CHANNELS))
    shift = 10 * fixed.normal(size=CHANNELS)
    numbers = np.random.default_rng(seed)
    kind, label = numbers.integers(0, KINDS, size=count), numbers.integers(0, 2, size=count)
    noise = 0.3 * numbers.normal(size=(count, CHANNELS))
    states = kinds_at[kind] + label[:, None] * shift + noise + 50
    return states.astype(np.float32), kind, [f"label {i}" for i in label]


def test_planted_patterns_are_found_whatever_the_label() -> None:
    states, kind, labels = planted(400, 0)
    patterns = find_patterns(states, labels, KINDS, 0)
    found = patterns.of(states)
    names = {number: int(np.bincount(kind[found == number]).argmax()) for number in range(KINDS)}
    assert sorted(names.values()) == list(range(KINDS))
    others, other_kind, _ = planted(200, 1)  # queries: nothing of their labels is given
    assert np.mean([names[i] for i in patterns.of(others)] == other_kind) == 1


def test_clusters_of_states_as_they_are_would_be_labels() -> None:
    """The reason why what tells labels apart is taken out."""
    states, _, labels = planted(400, 0)
    with_one_label = find_patterns(states, ["all"] * 400, 2, 0).of(states)
    without = find_patterns(states, labels, 2, 0).of(states)
    is_first = np.asarray(labels) == "label 0"

    def agreement(found: np.ndarray) -> float:
        return abs(2 * float(np.mean((found == 0) == is_first)) - 1)

    assert agreement(with_one_label) > 0.95
    assert agreement(without) < 0.15


def test_the_estimated_share_is_the_planted_one() -> None:
    states, kind, labels = planted(400, 0)
    queries, query_kind, _ = planted(50, 2)
    patterns = find_patterns(states, labels, KINDS, 0)
    numbers = np.random.default_rng(3)
    shown = numbers.integers(0, 400, size=(50, 8))
    share = pattern_share(shown.tolist(), patterns.of(states), patterns.of(queries))
    np.testing.assert_allclose(share, (kind[shown] == query_kind[:, None]).mean(axis=1))
    assert np.isnan(pattern_share([()] * 50, patterns.of(states), patterns.of(queries))).all()


def test_patterns_are_functions_of_the_seed() -> None:
    states, _, labels = planted(100, 0)
    first, second = (find_patterns(states, labels, 3, 5) for _ in range(2))
    np.testing.assert_array_equal(first.centres, second.centres)
    with pytest.raises(BadRequest, match="--patterns: expected 1 to 100"):
        find_patterns(states, labels, 101, 0)


def rows_with_slope(slope: float, seed: int = 0) -> pl.DataFrame:
    numbers = np.random.default_rng(seed)
    query, shots, draw, arm = (a.ravel() for a in np.meshgrid(range(200), (2, 4), range(3), range(2), indexing="ij"))
    alpha = np.where(arm == 1, 1.0, numbers.choice([0.0, 0.25, 0.5], size=len(query)))
    hard = np.random.default_rng(1).uniform(0.3, 0.7, size=200)[query]
    wrong = numbers.uniform(size=len(query)) < hard + slope * (alpha - 0.5)
    return pl.DataFrame({"query": query, "shots": shots, "draw": draw, "alpha": alpha, "calibrated_correct": ~wrong})


def test_the_slope_of_the_error_is_the_planted_one() -> None:
    rows = rows_with_slope(-0.3)
    found = error_slope(rows)
    assert found.low < -0.3 < found.high
    assert found.high - found.low < 0.2
    # Least squares with a constant per query and number of shots, written out.
    groups = rows["query"].to_numpy() * 2 + (rows["shots"].to_numpy() == 4)
    design = np.column_stack([rows["alpha"].to_numpy(), np.eye(400)[groups]])
    plain = np.linalg.lstsq(design, 1 - rows["calibrated_correct"].to_numpy().astype(float), rcond=None)[0][0]
    assert found.value == pytest.approx(plain)
    none = error_slope(rows_with_slope(0))
    assert none.low < 0 < none.high


def test_intervals_of_the_slope_cover_it_as_often_as_they_say() -> None:
    covered = [found.low <= -0.2 <= found.high for found in (error_slope(rows_with_slope(-0.2, i)) for i in range(100))]
    assert sum(covered) >= 88


def test_the_interval_of_the_slope_by_hand() -> None:
    """Two queries and two draws; the errors fall from 1 to 0 in the first draw and stay as they are in the second.

    Centred by query, Σ xy = −1 and Σ x² = 2, so the slope is −½. The products of x and residual sum to 0 in each query
    and to −½ and ½ in the draws: a variance of 2/(2 − 1) · (¼ + ¼)/2² = ¼, with one degree of freedom.
    """
    rows = pl.DataFrame(
        {
            "query": [0, 0, 0, 0, 1, 1, 1, 1],
            "draw": [0, 0, 1, 1, 0, 0, 1, 1],
            "shots": [2] * 8,
            "alpha": [0.0, 1.0] * 4,
            "calibrated_correct": [False, True, False, False, False, True, True, True],
        }
    )
    found = error_slope(rows)
    assert found.value == pytest.approx(-0.5)
    assert found.high + 0.5 == pytest.approx(12.7062047 * 0.5)
    assert -0.5 - found.low == pytest.approx(12.7062047 * 0.5)


def test_a_slope_that_differs_between_draws_is_uncertain_by_draw() -> None:
    """Draws share their demonstrations: more queries say nothing of the next draw."""
    parts = []
    for draw, slope in enumerate((-0.6, 0.0, -0.3)):
        parts.append(rows_with_slope(slope, draw).filter(pl.col("draw") == draw))
    found = error_slope(pl.concat(parts))
    assert found.low < -0.6
    assert found.high > 0.0


def test_an_alpha_that_never_changes_has_no_slope() -> None:
    rows = rows_with_slope(0).with_columns(alpha=pl.lit(0.5))
    assert np.isnan(error_slope(rows).value)


def test_errors_are_binned_by_alpha() -> None:
    rows = rows_with_slope(-0.3)
    table = error_by_alpha(rows)
    for row in table.iter_rows(named=True):
        part = rows.filter((pl.col("shots") == row["shots"]) & (pl.col("alpha") - row["alpha"]).abs().lt(0.01))
        assert part.height == row["prompts"]
        assert row["error"] == pytest.approx(1 - part["calibrated_correct"].mean())
        assert row["low"] < row["error"] < row["high"]
    assert table["shots"].unique().sort().to_list() == [2, 4]
    assert table.height == 8


def answered(wrong: np.ndarray, alpha: float = 0.5) -> pl.DataFrame:
    """Rows of one number of shots and one α': whether each query [draw, query] was answered wrongly."""
    draw, query = (places.ravel() for places in np.indices(wrong.shape))
    rows = {"query": query, "draw": draw, "alpha": np.full(wrong.size, alpha), "calibrated_correct": ~wrong.ravel()}
    return pl.DataFrame(rows).with_columns(shots=4)


def test_bins_are_quarters_around_their_middles() -> None:
    """None and all have half a quarter; what lies on a border belongs to the bin above."""
    bins = [[0.0, 0.1], [0.125, 0.25, 0.3], [0.375, 0.5], [0.625, 0.75, 0.8], [0.875, 0.9, 1.0]]
    right = np.zeros((1, 2), dtype=bool)
    table = error_by_alpha(pl.concat([answered(right, alpha) for alphas in bins for alpha in alphas]))
    assert table["prompts"].to_list() == [2 * len(alphas) for alphas in bins]
    assert table["alpha"].to_list() == pytest.approx([sum(alphas) / len(alphas) for alphas in bins])


@pytest.mark.parametrize("queries", [2, 4])
def test_what_no_query_showed_may_still_happen(queries: int) -> None:
    """Of four queries without an error up to 1 − 0.025^(1/4) may err, however often they were asked."""
    unseen = 1 - 0.025 ** (1 / queries)
    for draws in (1, 3):
        right, wrong = (error_by_alpha(answered(np.full((draws, queries), answer))) for answer in (False, True))
        assert right["error"].item() == 0
        assert (right["low"].item(), right["high"].item()) == pytest.approx((0, unseen))
        assert (wrong["low"].item(), wrong["high"].item()) == pytest.approx((1 - unseen, 1))
        assert (right["prompts"].item(), right["queries"].item()) == (queries * draws, queries)


def test_the_interval_of_a_bin_by_hand() -> None:
    """One draw, of 100 queries 40 wrong: a squared distance from the mean of 40 · 0.6² + 60 · 0.4² = 24.

    Times 100/99 that is the variance of their sum; Student's t has 99 degrees of freedom.
    """
    found = error_by_alpha(answered(np.arange(100)[None] < 40, alpha=0.75))
    half = 1.98421695 * (24 * 100 / 99) ** 0.5 / 100
    assert found["error"].item() == pytest.approx(0.4)
    assert found["alpha"].item() == 0.75
    assert (found["low"].item(), found["high"].item()) == pytest.approx((0.4 - half, 0.4 + half))


def test_of_a_single_query_nothing_is_known() -> None:
    for wrong in ([[True], [True], [False]], [[True]] * 3, [[False]] * 3):
        found = error_by_alpha(answered(np.asarray(wrong)))
        assert found["error"].item() == pytest.approx(np.mean(wrong))
        assert (found["low"].item(), found["high"].item()) == (0, 1)


def test_needed_shots_are_read_off_the_curve() -> None:
    curves = np.asarray([[0.5, 0.6, 0.8], [0.7, 0.8, 0.9], [0.5, 0.5, 0.55], [0.5, 0.7, 0.6]])
    found = shots_needed([2, 4, 8], curves, np.asarray([0.7, 0.7, 0.7, 0.65]))
    np.testing.assert_allclose(found, [4 * 2**0.5, 2, np.inf, 2 * 2**0.75])


def test_needed_shots_lie_on_a_straight_line_over_their_logarithm() -> None:
    curve = np.asarray([0.25, 0.5, 0.75, 0.9375])
    targets = np.asarray([0.3, 0.5, 0.6, 0.75, 0.8, 0.9375])
    found = shots_needed([1, 2, 8, 9], np.tile(curve, (6, 1)), targets)
    np.testing.assert_allclose(found, np.exp(np.interp(targets, curve, np.log([1, 2, 8, 9]))))
    np.testing.assert_allclose(found[[1, 3, 5]], [2, 8, 9])  # an accuracy that is just reached is reached
    together = shots_needed([1, 2, 8, 9], np.tile(curve, (3, 2, 1)), targets.reshape(3, 2))
    np.testing.assert_array_equal(together, found.reshape(3, 2))


def test_the_first_number_of_shots_is_enough_where_it_reaches_the_target() -> None:
    found = shots_needed([3, 6], np.asarray([[0.5, 0.5], [0.75, 0.25]]), np.asarray([0.5, 0.6]))
    np.testing.assert_allclose(found, [3, 3])


def test_saved_shots_are_the_planted_ones_or_not_reached() -> None:
    numbers = np.random.default_rng(0)

    def correct(rates: list[float]) -> np.ndarray:
        return (numbers.uniform(size=(len(rates), 3, 4000)) < np.asarray(rates)[:, None, None]).astype(float)

    slow, fast = correct([0.5, 0.6, 0.7, 0.8]), correct([0.6, 0.7, 0.8, 0.9])
    found = saved_shots([2, 4, 8, 16], slow, fast)
    assert found.low < 1 < found.high
    assert found.value == pytest.approx(1, abs=0.25)
    never = saved_shots([2, 4, 8, 16], fast, slow)
    assert never.value == -np.inf
    assert never.high == -np.inf
    assert saved_shots([2, 4], slow[:2], slow[:2]).value == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_saved_shots_are_those_of_the_sample_itself(seed: int) -> None:
    """Both numbers of shots are read off the mean accuracy over all draws and queries, whatever the bootstrap draws."""
    shots, rates = [1, 2, 4, 8], np.asarray([0.1, 0.3, 0.5, 0.7])[:, None, None]
    numbers = np.random.default_rng(5).uniform(size=(2, 1, 4, 25))
    first, second = numbers[0] < rates, numbers[1] < rates + 0.2  # who is right stays so with more shots
    curves = [values.mean(axis=(1, 2)) for values in (first, second)]
    assert all((np.diff(curve) > 0).all() for curve in curves)
    needs = [np.exp(np.interp(curves[0][-1], curve, np.log(shots))) for curve in curves]
    found = saved_shots(shots, first.astype(float), second.astype(float), seed)
    assert found.value == pytest.approx(np.log2(needs[0] / needs[1]))
    assert found.low < found.value < found.high
    assert found.seeds == 4
    usual = saved_shots(shots, first.astype(float), second.astype(float))
    assert (usual == found) == (seed == 0)


NEVER_EARLY, FROM_FOUR, ALWAYS = [0, 0, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]
"""Whether a query is answered rightly with 1, 2, 4 and 8 shots."""


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # The second needs 1 shot by the third query alone, 4 as soon as there is another one.
        ([NEVER_EARLY] * 3, [FROM_FOUR, FROM_FOUR, ALWAYS], (1, 1, 3)),
        # The first needs 1 shot by the third query alone, 8 as soon as there is another one.
        ([NEVER_EARLY, NEVER_EARLY, ALWAYS], [ALWAYS] * 3, (3, 0, 3)),
    ],
)
def test_the_interval_reaches_to_what_one_of_three_queries_says_alone(
    first: list[list[int]], second: list[list[int]], expected: tuple[float, float, float]
) -> None:
    """One of 27 samples of three is the third query three times: more than 2.5 % of all."""
    correct = [np.asarray(values, dtype=float).T[:, None] for values in (first, second)]
    found = saved_shots([1, 2, 4, 8], *correct)
    assert found[:3] == pytest.approx(expected, abs=1e-9)
    assert found.seeds == 1
