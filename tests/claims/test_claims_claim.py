"""Verdicts, and what a judged claim writes down."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest

from iclscope.claims.claim import Claim, Control, Region, Verdict, judge
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import over_seeds

INF, NAN = math.inf, math.nan


def interval(low: float, high: float, value: float | None = None) -> Interval:
    return Interval((low + high) / 2 if value is None else value, low, high, 5)


@pytest.mark.parametrize(
    ("estimate", "expected", "verdict"),
    [
        # Bounded on both sides.
        (interval(0.2, 0.8), Region(0, 1), "holds"),
        (interval(0.0, 1.0), Region(0, 1), "holds"),  # touching from inside: the region is closed
        (interval(-0.1, 0.5), Region(0, 1), "inconclusive"),
        (interval(0.5, 1.1), Region(0, 1), "inconclusive"),
        (interval(-1.0, 2.0), Region(0, 1), "inconclusive"),  # the region inside the interval
        (interval(-2.0, -0.5), Region(0, 1), "fails"),
        (interval(1.5, 2.0), Region(0, 1), "fails"),
        (interval(1.0, 2.0), Region(0, 1), "inconclusive"),  # touching from outside: one end is still in
        (interval(-1.0, 0.0), Region(0, 1), "inconclusive"),
        (interval(math.nextafter(1.0, 2), 2.0), Region(0, 1), "fails"),
        (interval(-1.0, math.nextafter(0.0, -1)), Region(0, 1), "fails"),
        (interval(0.0, math.nextafter(1.0, 2)), Region(0, 1), "inconclusive"),
        # One end only.
        (interval(-5.0, 0.1), Region(high=0.1), "holds"),
        (interval(0.05, 0.15), Region(high=0.1), "inconclusive"),
        (interval(0.2, 0.3), Region(high=0.1), "fails"),
        (interval(2.0, 9.0), Region(low=2.0), "holds"),
        (interval(1.0, 3.0), Region(low=2.0), "inconclusive"),
        (interval(0.0, 1.0), Region(low=2.0), "fails"),
        # A single number.
        (interval(1.0, 1.0), Region(1, 1), "holds"),
        (interval(0.5, 1.5), Region(1, 1), "inconclusive"),
        (interval(1.1, 1.5), Region(1, 1), "fails"),
        # A single seed has an unbounded interval and decides nothing, however far out it is.
        (interval(-INF, INF, 0.5), Region(0, 1), "inconclusive"),
        (interval(-INF, INF, 99.0), Region(0, 1), "inconclusive"),
        (interval(-INF, INF, 0.0), Region(high=1), "inconclusive"),
        (interval(-INF, 0.5, 0.0), Region(high=1), "holds"),
        (interval(2.0, INF, 3.0), Region(high=1), "fails"),
        (interval(INF, INF, INF), Region(high=1), "fails"),
        # Nothing was measured.
        (Interval(NAN, -INF, INF, 0), Region(0, 1), "inconclusive"),
        (Interval(NAN, -INF, INF, 0), Region(), "inconclusive"),
        (Interval(NAN, NAN, NAN, 0), Region(0, 1), "inconclusive"),
        # A number whose uncertainty is not one must not decide either.
        (Interval(0.5, NAN, NAN, 2), Region(0, 1), "inconclusive"),
        (Interval(9.0, NAN, NAN, 2), Region(0, 1), "inconclusive"),
    ],
)
def test_verdict(estimate: Interval, expected: Region, verdict: Verdict) -> None:
    assert judge(estimate, expected) == verdict


def make_claim(**changes: object) -> Claim:
    return Claim(
        **{
            "id": "thm1-risk",
            "form": "exact",
            "statement": "The risk is small.",
            "source": "Somebody, Theorem 1",
            "quantity": "risk",
            "expected": Region(high=0.1),
            "reason": "ε",
            "estimate": lambda rows: over_seeds(rows, "risk"),
            "control": Control("untrained weights", "untrained"),
            **changes,
        }  # type: ignore[arg-type]
    )


def make_rows(trained: list[float], untrained: list[float], arm: str = "trained") -> pl.DataFrame:
    parts = ((arm, trained), ("untrained", untrained), ("unrelated", [50.0, 60.0]))
    return pl.DataFrame(
        [{"arm": name, "seed": seed, "risk": risk} for name, risks in parts for seed, risk in enumerate(risks)]
    )


def test_a_claim_is_judged_on_its_own_arm_and_its_control_on_the_other() -> None:
    judged = make_claim().judged("somebody", "risk", make_rows([0.02, 0.06], [0.99, 1.01]))
    assert (judged.verdict, judged.control_verdict) == ("inconclusive", "fails")  # two seeds: t = 12.7
    judged = make_claim().judged("somebody", "risk", make_rows([0.01, 0.01, 0.02], [0.99, 1.0, 1.01]))
    assert (judged.verdict, judged.control_verdict) == ("holds", "fails")
    assert judged.estimate.value == pytest.approx(0.04 / 3)
    assert judged.control_estimate.value == pytest.approx(1.0)
    judged = make_claim(arm="half").judged("somebody", "risk", make_rows([0.9, 0.91, 0.92], [0.01, 0.01], arm="half"))
    assert (judged.verdict, judged.control_verdict) == ("fails", "holds")
    assert judged.estimate.seeds == 3


def test_a_judged_claim_writes_what_the_contract_says() -> None:
    record = make_claim().judged("somebody", "risk", make_rows([0.01, 0.01, 0.02], [0.99, 1.0, 1.01])).to_json()
    assert record["paper"] == "somebody"
    assert record["figure"] == "risk"
    assert record["id"] == "thm1-risk"
    assert record["expected"] == [None, 0.1]
    assert record["estimate"] == pytest.approx(0.04 / 3)
    low, high = record["interval"]
    assert low < record["estimate"] < high
    assert record["verdict"] == "holds"
    assert record["seeds"] == 3
    assert record["control"]["description"] == "untrained weights"
    assert record["control"]["verdict"] == "fails"


def test_what_is_not_a_number_is_null() -> None:
    nothing = make_claim().judged("somebody", "risk", make_rows([], [NAN, NAN])).to_json()
    assert json.loads(json.dumps(nothing, allow_nan=False))["estimate"] is None
    assert nothing["interval"] == [None, None]
    assert nothing["control"]["interval"] == [None, None]
    assert (nothing["verdict"], nothing["seeds"]) == ("inconclusive", 0)
    single = make_claim().judged("somebody", "risk", make_rows([0.01], [1.0])).to_json()
    assert (single["estimate"], single["interval"], single["verdict"]) == (0.01, [None, None], "inconclusive")
