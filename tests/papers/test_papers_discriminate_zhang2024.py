"""Zhang 2024: rows made up so that a claim is true, or false; the verdict must follow, and the control fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble

from iclscope.papers.zhang2024 import (
    gpt2_measures,
    gpt2_settings,
    gradient_flow,
    limits,
    random_covariances,
    risk_bound,
    risk_lengths,
)
from iclscope.papers.zhang2024 import shifts as shift_figure
from iclscope.study.experiment import experiments_of


def flow_rows(gap: float, excess: float) -> pl.DataFrame:
    """A gap that is widest in the middle, and an excess loss that ends at a value; the controls are far off."""
    rows = []
    for (arm, wide, left), seed, step in product(
        (("trained", gap, excess), (gradient_flow.WITHOUT, 0.2, excess), ("untrained", 0.0, 1.9)), SEEDS, range(5)
    ):
        rows.append(
            {
                "arm": arm,
                "seed": seed,
                "step": step,
                "steps": 4,
                "gap": wide * (1 - abs(step - 2) / 2) * (1 + wobble(seed)),
                "excess": (left + (4 - step)) * (1 + wobble(seed)),
            }
        )
    return pl.DataFrame(rows)


def limit_rows(block: float, others: float, u: float) -> pl.DataFrame:
    """Deviations of the three kinds of entries, u relative to its limit."""
    arms = {
        "trained": (block, others, u),
        limits.WITHOUT: (0.17, others, u),
        limits.NORMAL: (0.5, 0.5, 0.5),
        "untrained": (0.5, 0.0, 0.44),
    }
    rows = []
    for (arm, (of_block, of_others, of_u)), seed in product(arms.items(), SEEDS):
        for kind, entry, deviation in (
            (limits.KINDS[0], 0.5, of_block),
            (limits.KINDS[0], 0.5, of_block / 2),
            (limits.KINDS[1], 2 * of_u, abs(of_u - 1)),
            (limits.KINDS[2], 0.0, of_others),
        ):
            size = 1 + wobble(seed, 0.001)
            rows.append(
                {"arm": arm, "seed": seed, "kind": kind, "limit": 2.0, "entry": entry * size,
                 "deviation": deviation * size}
            )  # fmt: skip
    return pl.DataFrame(rows)


def risk_rows(deviations: float, ratio: float) -> pl.DataFrame:
    """Everything as the formula says but for one point, where it is off."""
    rows = []
    for arm, seed, setting, N, M in product(
        ("trained", risk_lengths.LIMIT, "untrained", risk_lengths.WRONG_LENGTH), SEEDS, ("a", "b"), (5, 10), (5, 10)
    ):
        odd = (setting, N, M) == ("b", 5, 10)
        far = {"untrained": 7.0, "trained": ratio if odd else 0.0}.get(arm, 0.0)
        off = {risk_lengths.WRONG_LENGTH: 60.0, risk_lengths.LIMIT: deviations if odd else 1.0}.get(arm, 1.0)
        rows.append(
            {"arm": arm, "seed": seed, "setting": setting, "N": N, "M": M, "deviations": off + wobble(seed, 0.1),
             "beside_limit": far + wobble(seed, 0.002)}
        )  # fmt: skip
    return pl.DataFrame(rows)


def bound_rows(over: float = 0.8, in_M: float = -1.0, in_N: float = -2.0) -> pl.DataFrame:
    """The risk over the bound at one pair of lengths, and powers of M and N; where no M is given it is endless."""
    rows = []
    for seed in SEEDS:
        size = 1 + wobble(seed, 0.002)
        for N, M in product((5, 10), (6, 12, 24)):
            of_pair = over if (N, M) == (5, 24) else 0.5
            for arm, value in (("trained", of_pair), (risk_bound.NO_FLOOR, 9.0 if N == 5 else 1.5)):
                rows.append({"arm": arm, "seed": seed, "N": N, "M": M, "over_bound": value * size})
        for length in (6, 12, 24, 48):
            for arm, N, M, risk in (
                (risk_bound.LIMIT, 600, length, length**in_M),
                (risk_bound.SHORT, 5, length, 0.5 + 1 / length),
                (risk_bound.LIMIT, length, None, length**in_N),
                (risk_bound.FINITE, length, None, 0.05 + length**-2),
            ):
                rows.append({"arm": arm, "seed": seed, "N": N, "M": M, "risk": risk * size ** math.log(length)})
    return pl.DataFrame(rows, infer_schema_length=None)


def shift_rows(
    *, task: float = 1.0, query: float = 1.0, off: float = 0.0, power: float = 2.0, size: float = 1.0
) -> pl.DataFrame:
    """Relative slopes under each shift, the slope off the span, and a power of c."""
    rows = []
    for seed in SEEDS:
        for arm, kind, slope, relative in (
            ("trained", shift_figure.TASK, 0.8, task),
            ("trained", shift_figure.QUERY, 0.8, query),
            ("trained", shift_figure.OFF, off, math.nan),
            ("untrained", shift_figure.TASK, 0.1, 0.15),
            ("untrained", shift_figure.QUERY, 0.1, 0.15),
            (shift_figure.PLAIN, shift_figure.OFF, 0.8, 1.0),
        ):
            rows.append({"arm": arm, "seed": seed, "kind": kind, "c": 1.0, "slope": slope + wobble(seed, 0.001),
                         "relative": relative + wobble(seed, 0.001)})  # fmt: skip
        for c, (arm, of_arm, times) in product(
            shift_figure.FACTORS,
            (("trained", power, size), ("untrained", power, 0.13), (shift_figure.SQUARES, 0.0, 1.0)),
        ):
            slope = 0.8 * times * c**of_arm * (1 + wobble(seed, 0.001))
            rows.append({"arm": arm, "seed": seed, "kind": shift_figure.INPUTS, "c": c, "slope": slope,
                         "relative": slope / (0.8 * c**2)})  # fmt: skip
    return pl.DataFrame(rows)


def random_rows(distance: float, third: float) -> pl.DataFrame:
    """A distance that is largest at one length, and slopes that tend to a value."""
    rows = []
    for seed, N, (arm, end, far) in product(
        SEEDS, (5, 10, 20), (("trained", third, distance), (random_covariances.ONE, 1.0, 1.8))
    ):
        slope = 1 / (1 / end + 8 / N) * (1 + wobble(seed, 0.002))
        of_length = far if N == 10 else far / 2
        rows.append(
            {"arm": arm, "seed": seed, "N": N, "slope": slope, "distance": of_length * (1 + wobble(seed))}
        )  # fmt: skip
    return pl.DataFrame(rows)


AFTER_N = {
    (gpt2_settings.IDENTITY, gpt2_measures.C1): 0.1,
    (gpt2_settings.IDENTITY, gpt2_measures.C4): 0.5,
    (gpt2_settings.IDENTITY, gpt2_measures.C9): 0.7,
    (gpt2_settings.RANDOM, gpt2_measures.C1): 0.05,
    (gpt2_settings.RANDOM, gpt2_measures.C4): 0.08,
    (gpt2_settings.RANDOM, gpt2_measures.C9): 0.2,
}
"""Errors after N examples of a GPT-2 that does as published, by training and test; 0.05 on Λ = I."""

RISES = dict(zip(gpt2_settings.TESTS, (0.2, 0.2, 0.15, 0.1), strict=True))
"""What comes to them after 2N examples; from N/2 to N they fall by twice as much."""


def gpt2_rows(
    after_N: dict[tuple[str, str], float] | None = None, rises: dict[str, float] | None = None, *, short: bool = False
) -> pl.DataFrame:
    """Errors after N/2, N and 2N examples, some of them changed; the second length rises more."""
    rows = []
    changed, rising = {**AFTER_N, **(after_N or {})}, {**RISES, **(rises or {})}
    for seed, N, kind, test in product(
        SEEDS, (6, 10), (gpt2_settings.IDENTITY, gpt2_settings.RANDOM), gpt2_settings.TESTS
    ):
        at_N = changed.get((kind, test), 0.05) * (1 + wobble(seed, 0.002))
        rise = rising[test] + 0.1 * (N == 10) + wobble(seed, 0.002)
        for M, error in ((N // 2, at_N + 2 * RISES[test]), (N, at_N), (2 * N, at_N + rise)):
            for arm, of_arm in (("trained", error), ("untrained", 1.0 + wobble(seed, 0.002))):
                where = {"arm": arm, "seed": seed, "trained_on": kind, "test": test, "N": N, "M": M}
                rows.append({**where, "error": of_arm, "linear": 2.0, "least_squares": 0.0, "short": short})
    return pl.DataFrame(rows)


class Case(NamedTuple):
    """A claim, rows in which it is true, and rows in which it is false."""

    figure: str
    claim: str
    true: Callable[[], pl.DataFrame]
    false: Callable[[], pl.DataFrame]


CASES = [
    Case("gradient-flow", "flow-agrees", lambda: flow_rows(0.01, 0.0), lambda: flow_rows(0.08, 0.0)),
    Case("gradient-flow", "flow-global-minimum", lambda: flow_rows(0.01, 0.001), lambda: flow_rows(0.01, 0.05)),
    Case("limits", "limits-entries", lambda: limit_rows(0.01, 0.0, 1.0), lambda: limit_rows(0.08, 0.0, 1.0)),
    Case("limits", "limits-zeros", lambda: limit_rows(0.01, 0.01, 1.0), lambda: limit_rows(0.01, 0.08, 1.0)),
    Case("limits", "limits-u", lambda: limit_rows(0.01, 0.0, 0.98), lambda: limit_rows(0.01, 0.0, 0.9)),
    Case("risk-lengths", "risk-formula", lambda: risk_rows(2.5, 0.0), lambda: risk_rows(6.0, 0.0)),
    Case("risk-lengths", "risk-trained", lambda: risk_rows(2.5, 0.02), lambda: risk_rows(2.5, -0.08)),
    Case("risk-bound", "cor43-bound", bound_rows, lambda: bound_rows(over=1.1)),
    Case("risk-bound", "cor43-test-length", bound_rows, lambda: bound_rows(in_M=-0.8)),
    Case("risk-bound", "cor43-floor", bound_rows, lambda: bound_rows(in_N=-1.5)),
    Case("shifts", "shift-task", shift_rows, lambda: shift_rows(task=0.8)),
    Case("shifts", "shift-query", shift_rows, lambda: shift_rows(query=1.2)),
    Case("shifts", "shift-off-span", shift_rows, lambda: shift_rows(off=0.2)),
    Case("shifts", "shift-inputs-exponent", shift_rows, lambda: shift_rows(power=1.5)),
    Case("shifts", "shift-inputs-size", shift_rows, lambda: shift_rows(size=0.8)),
    Case("random-covariances", "random-limit", lambda: random_rows(0.05, 1 / 3), lambda: random_rows(0.2, 1 / 3)),
    Case("random-covariances", "random-third", lambda: random_rows(0.05, 1 / 3), lambda: random_rows(0.05, 0.5)),
    *(
        Case("gpt2-covariances", f"gpt2-{name}", gpt2_rows, partial(gpt2_rows, {(kind, test): error}))
        for name, kind, test, error in (
            ("fixed-succeeds", gpt2_settings.IDENTITY, gpt2_measures.C1, 0.7),
            ("fixed-fails", gpt2_settings.IDENTITY, gpt2_measures.C4, 0.06),
            ("random-better", gpt2_settings.RANDOM, gpt2_measures.C9, 0.69),
            ("random-matches", gpt2_settings.RANDOM, gpt2_measures.C4, 0.15),
            ("random-largest", gpt2_settings.RANDOM, gpt2_measures.C9, 0.09),
        )
    ),
    *(
        Case("gpt2-covariances", f"gpt2-beyond-{name}", gpt2_rows, partial(gpt2_rows, None, {test: rise}))
        for name, test, rise in (
            ("training", gpt2_settings.IDENTITY, 0.01),
            ("every-case", gpt2_measures.C4, -0.2),
            ("variance", gpt2_measures.C9, 0.4),
        )
    ),
]


def test_every_claim_has_a_case() -> None:
    claims = [claim.id for experiment in experiments_of("zhang2024") for claim in experiment.claims]
    assert [one.claim for one in CASES] == claims


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.claim)
def test_the_verdict_follows_the_rows_and_the_control_fails(one: Case) -> None:
    true, false = (judged(one.figure, one.claim, rows(), paper="zhang2024") for rows in (one.true, one.false))
    assert true.verdict == "holds", true.estimate
    assert false.verdict == "fails", false.estimate
    for found in (true, false):
        assert found.control_verdict == "fails", found.control_estimate
        assert found.estimate.seeds == found.control_estimate.seeds == len(SEEDS)


@pytest.mark.parametrize(("rise", "verdict"), [(0.2, "holds"), (0.01, "fails"), (-0.1, "fails")])
def test_the_length_with_the_smallest_rise_counts(rise: float, verdict: str) -> None:
    rows = gpt2_rows(None, {gpt2_settings.IDENTITY: rise})
    found = judged("gpt2-covariances", "gpt2-beyond-training", rows, paper="zhang2024")
    assert (found.verdict, found.control_verdict) == (verdict, "fails")
    assert found.estimate.value == pytest.approx(rise, abs=1e-6), "the length with the smallest rise counts"


def test_a_short_training_does_not_show_that_gpt2_cannot_match_least_squares() -> None:
    worse = {(gpt2_settings.RANDOM, gpt2_measures.C4): 0.15}
    found = judged("gpt2-covariances", "gpt2-random-matches", gpt2_rows(worse, short=True), paper="zhang2024")
    assert (found.verdict, found.control_verdict) == ("inconclusive", "fails")
    found = judged("gpt2-covariances", "gpt2-random-matches", gpt2_rows(short=True), paper="zhang2024")
    assert (found.verdict, found.control_verdict) == ("holds", "fails")


def test_a_half_trained_seed_is_not_half_a_deviation() -> None:
    """One record that is no number leaves its seed without a value: the largest of the others says nothing of it."""
    rows = flow_rows(0.01, 0.0)
    lost = (pl.col("seed") == 0) & (pl.col("step") == 3) & (pl.col("arm") == "trained")
    rows = rows.with_columns(gap=pl.when(lost).then(math.nan).otherwise(pl.col("gap")))
    found = judged("gradient-flow", "flow-agrees", rows, paper="zhang2024")
    assert (found.estimate.seeds, found.estimate.missing) == (len(SEEDS), 1)
    # What it could have been is not known, so nothing holds any more.
    assert (found.estimate.high, found.verdict) == (math.inf, "inconclusive")


@pytest.mark.parametrize("falling", [True, False])
def test_the_time_of_a_step(falling: bool) -> None:
    """Twice the sum of the step sizes so far, in a plain loop."""
    rate, total = 0.02, 50
    times, time = [], 0.0
    for k in range(total + 1):
        times.append(time)
        time += 2 * rate * (1 - k / total if falling else 1)
    found = gradient_flow.flow_times(range(total + 1), rate=rate, total=total)
    assert np.allclose(found, times) is falling
