"""Zhang 2024: rows made up so that a claim is true, or false; the verdict must follow, and the control fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble

from iclscope.papers.zhang2024 import gpt2_covariances, gradient_flow, limits, random_covariances, risk_lengths
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


def gpt2_rows(rise: float) -> pl.DataFrame:
    """Errors that fall up to N, and behind it rise; the second length rises more."""
    rows = []
    for seed, N in product(SEEDS, (6, 10)):
        for M in range(2 * N + 1):
            error = 1 - 0.9 * M / N if N >= M else 0.1 + (rise + 0.1 * (N == 10)) * (M - N) / N
            rows.append({"arm": "trained", "seed": seed, "test": gpt2_covariances.IDENTITY, "N": N, "M": M,
                         "error": error + wobble(seed, 0.002) * (N < M)})  # fmt: skip
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
    Case("shifts", "shift-task", shift_rows, lambda: shift_rows(task=0.8)),
    Case("shifts", "shift-query", shift_rows, lambda: shift_rows(query=1.2)),
    Case("shifts", "shift-off-span", shift_rows, lambda: shift_rows(off=0.2)),
    Case("shifts", "shift-inputs-exponent", shift_rows, lambda: shift_rows(power=1.5)),
    Case("shifts", "shift-inputs-size", shift_rows, lambda: shift_rows(size=0.8)),
    Case("random-covariances", "random-limit", lambda: random_rows(0.05, 1 / 3), lambda: random_rows(0.2, 1 / 3)),
    Case("random-covariances", "random-third", lambda: random_rows(0.05, 1 / 3), lambda: random_rows(0.05, 0.5)),
    Case(
        "gpt2-covariances",
        "gpt2-beyond-training",
        lambda: gpt2_rows(0.2),
        lambda: gpt2_rows(0.01),
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
    found = judged("gpt2-covariances", "gpt2-beyond-training", gpt2_rows(rise), paper="zhang2024")
    assert (found.verdict, found.control_verdict) == (verdict, "fails")
    assert found.estimate.value == pytest.approx(rise, abs=1e-6), "the length with the smallest rise counts"


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
