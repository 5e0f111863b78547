"""Claims: what a paper says, as a region that an estimate must lie in, with a control that must fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import polars as pl

from iclscope.evaluation.intervals import Interval, UpperBound

Verdict = Literal["holds", "fails", "inconclusive"]

UNTRAINED, UNTRAINED_TEXT = "untrained", "the same models at their initial values"
"""Arm and description of the most common control."""


class Region(NamedTuple):
    """The closed interval that a claim expects an estimate in; an end may be infinite."""

    low: float = -math.inf
    high: float = math.inf


def judge(estimate: Interval, expected: Region) -> Verdict:
    """Hold, fail or stay open.

    ``holds`` if the whole interval lies in the region, ``fails`` if it lies wholly outside, else ``inconclusive``.
    An estimate that is no number (nothing could be measured) is ``inconclusive``.
    """
    if math.isnan(estimate.value):
        return "inconclusive"
    if expected.low <= estimate.low and estimate.high <= expected.high:
        return "holds"
    if estimate.high < expected.low or expected.high < estimate.low:
        return "fails"
    return "inconclusive"


@dataclass(frozen=True)
class Control:
    """The same measure where the claim cannot be true.

    Attributes:
        description: what was done to the model or the data.
        arm: the rows it is measured on (column ``arm``).
    """

    description: str
    arm: str


@dataclass(frozen=True)
class Claim:
    """One statement of a paper and how to judge it.

    Attributes:
        id: short name, unique within the paper.
        statement: what the paper says.
        source: where it says so.
        quantity: what the estimate is, in words, with its unit.
        expected: the region the estimate must lie in; a change after a first run goes into the experiment log.
        reason: where the region comes from.
        estimate: rows of one arm → estimate with its interval.
        control: where the same estimate must fail.
        arm: the rows the claim is about.
    """

    id: str
    statement: str
    source: str
    quantity: str
    expected: Region
    reason: str
    estimate: Callable[[pl.DataFrame], Interval]
    control: Control
    arm: str = "trained"

    def judged(self, paper: str, figure: str, rows: pl.DataFrame) -> JudgedClaim:
        """Judge the claim and its control on the rows of its figure."""
        estimate = self.estimate(rows.filter(pl.col("arm") == self.arm))
        control = self.estimate(rows.filter(pl.col("arm") == self.control.arm))
        return JudgedClaim(
            paper=paper,
            figure=figure,
            claim=self,
            estimate=estimate,
            verdict=judge(estimate, self.expected),
            control_estimate=control,
            control_verdict=judge(control, self.expected),
        )


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with what was measured.

    Attributes:
        paper: short name of the paper.
        figure: the figure whose rows it was judged on.
        claim: the claim.
        estimate: the measured quantity with its 95 % interval.
        verdict: holds, fails or inconclusive.
        control_estimate: the same quantity on the control.
        control_verdict: must be ``fails``; anything else means that the claim could not have failed.
    """

    paper: str
    figure: str
    claim: Claim
    estimate: Interval
    verdict: Verdict
    control_estimate: Interval
    control_verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The record that ``claims.json`` holds; infinite and undefined numbers are null."""
        return {
            "paper": self.paper,
            "id": self.claim.id,
            "figure": self.figure,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "quantity": self.claim.quantity,
            "expected": [finite(self.claim.expected.low), finite(self.claim.expected.high)],
            "estimate": finite(self.estimate.value),
            "interval": [finite(self.estimate.low), finite(self.estimate.high)],
            "is_bound": isinstance(self.estimate, UpperBound),
            "verdict": self.verdict,
            "seeds": self.estimate.seeds,
            "control": {
                "description": self.claim.control.description,
                "estimate": finite(self.control_estimate.value),
                "interval": [finite(self.control_estimate.low), finite(self.control_estimate.high)],
                "verdict": self.control_verdict,
            },
        }


def finite(value: float) -> float | None:
    """JSON has no infinities and no NaN."""
    return value if math.isfinite(value) else None
