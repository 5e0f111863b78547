"""A claim: what a paper says, in its logical form, as a region for an estimate, with a control that must fail."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import polars as pl

from iclscope.claims.control import UNTRAINED, UNTRAINED_TEXT, Control
from iclscope.claims.families import (
    Estimate,
    ForAll,
    Region,
    Setting,
    Verdict,
    deciding,
    deciding_seeds,
    decisive,
    judge,
    too_few_seeds,
)
from iclscope.claims.intervals import ENOUGH_SEEDS, Interval, UpperBound, unseen_share
from iclscope.claims.reference import REFERENCE
from iclscope.core.arguments import expect
from iclscope.core.errors import one_of_these, require
from iclscope.training.trained import MEETS

__all__ = ["UNTRAINED", "UNTRAINED_TEXT", "Claim", "Control", "Form", "JudgedClaim", "Region", "Verdict", "judge"]

Form = Literal["exact", "sufficient", "upper bound", "lower bound", "published", "ours"]
"""What kind of statement a claim is.

- exact: a formula, a value or a property, within the stated tolerance.
- sufficient: under these conditions the risk is small. True of all settings that meet them; nothing is said of others.
- upper bound, lower bound: a quantity grows at most, or at least, at a rate.
- published: a curve or a number of the paper, within a stated distance.
- ours: a question that the paper leaves open, such as whether a bound is tight or a condition necessary. It gets an
  answer in words, and is counted apart from what papers claim.
"""

BOUNDS = ("sufficient", "upper bound", "lower bound")
"""Forms that say nothing of the other side: more than suffices, or less than a bound, is never against them."""

_PLACES = re.compile(
    r"\b(theorems?|propositions?|corollary|lemma|conditions?|definition|sections?|appendix|figures?|tables?|abstract|"
    r"set-up|equation)\b",
    re.IGNORECASE,
)
_SLOPE = re.compile(r"\b(slopes?|exponents?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """One statement of a paper, or one question of ours about it, and how to judge it.

    Attributes:
        id: short name, unique within the paper.
        form: its logical form: "exact", "sufficient", "upper bound", "lower bound", "published", or "ours" for a
            question of one's own; see `Form`.
        statement: what the paper says; the question, if it is ours.
        source: where it says so; it must name a theorem, proposition, section, figure or the like, as "Nobody 2026,
            Section 2".
        quantity: what the estimate is, in words, with its unit.
        expected: the region the estimate must lie in; a change after a first run goes into the experiment log.
        reason: where the region comes from.
        estimate: rows of one arm → an `Interval`, or the estimates of all settings (`for_all`). ``over_seeds``,
            ``rate_over_seeds``, ``mean_at_every`` and ``slope_of`` of ``iclscope.claims.summaries`` make them.
        control: where the same estimate must fail.
        arm: what the column ``arm`` says in the rows that the claim is about.
        reference: where the paper leaves a constant open, how one was chosen before any other setting was looked at.
            Such a claim cannot be refuted on a finite grid: instead of failing it is inconclusive.
        answer: of a question of ours, estimate and verdict → the answer in words; for instance
            ``iclscope.claims.answers.answered(holds="yes", fails="no")``.

    Raises:
        BadRequest: if the claim cannot be judged by its form.
    """

    id: str
    form: Form
    statement: str
    source: str
    quantity: str
    expected: Region
    reason: str
    estimate: Callable[[pl.DataFrame], Estimate]
    control: Control
    arm: str = "trained"
    reference: str | None = None
    answer: Callable[[Interval, Verdict], str] | None = None

    def __post_init__(self) -> None:
        where = f"claim {self.id!r}: "
        require(self.form in get_args(Form), f"{where}form", self.form, one_of_these(get_args(Form)))
        expect(
            isinstance(self.control, Control), f"{where}control", self.control, "an iclscope.Control, which must fail"
        )
        expect(isinstance(self.expected, Region), f"{where}expected", self.expected, "an iclscope.Region(low, high)")
        expect(callable(self.estimate), f"{where}estimate", self.estimate, "a function of rows")
        require(self.control.arm != self.arm, f"{where}control", self.control.arm, "rows other than the claim's own")
        named = _PLACES.search(self.source) is not None
        require(
            named,
            f"{where}source",
            self.source,
            "a theorem, proposition, section, figure or the like, such as 'Section 2'",
        )
        ends = [end for end in self.expected if math.isfinite(end)]
        require(bool(ends), f"{where}expected", tuple(self.expected), "a region with an end, or nothing could miss it")
        require(self.expected.low <= self.expected.high, f"{where}expected", tuple(self.expected), "low ≤ high")
        if self.form in BOUNDS:
            require(len(ends) == 1, f"{where}expected", tuple(self.expected), f"open at one end, as {self.form!r} is")
            by_slope = _SLOPE.search(self.quantity) is not None
            require(not by_slope, f"{where}quantity", self.quantity, "no slope: less than a bound is not against it")
        if self.form in ("upper bound", "lower bound"):
            known = bool(self.reference)
            require(known, f"{where}reference", self.reference, "how the constant was chosen: a bound needs one")
        asked = (self.form == "ours") == (self.answer is not None)
        require(asked, f"{where}answer", self.answer, "given with form 'ours', and only then")

    def _repr_html_(self) -> str:
        from iclscope.claims.verdicts import claim_html

        return claim_html(self)

    def check_arms(self, rows: pl.DataFrame) -> None:
        """Refuse rows that have nothing of what is claimed, or nothing of its control.

        Raises:
            BadRequest: naming the arm, and those that are there.
        """
        arms = sorted({str(arm) for arm in rows["arm"].unique()}) if "arm" in rows.columns else []
        for what, arm in (("arm", self.arm), ("control", self.control.arm)):
            there = f"one of the arms of the rows ({', '.join(arms) or 'there are none'})"
            require(arm in arms, f"claim {self.id!r}: {what}", arm, there)

    def judged(self, paper: str, figure: str, rows: pl.DataFrame) -> JudgedClaim:
        """Judge the claim and its control on the rows of its figure.

        What is "sufficient" is judged on trials that meet the theorem's conditions, as far as they can be decided.

        Raises:
            BadRequest: if the claim's ``estimate`` gives no estimate.
        """
        if self.form == "sufficient" and MEETS in rows.columns:
            rows = rows.filter(pl.col(MEETS).fill_null(value=True))
        also = [REFERENCE] if self.reference is not None else []
        estimate, control = (
            self.estimate(rows.filter(pl.col("arm").is_in([arm, *also]))) for arm in (self.arm, self.control.arm)
        )
        hint = "over_seeds and mean_at_every of iclscope.claims.summaries make them"
        for found in (estimate, control):
            expect(isinstance(found, Estimate), f"claim {self.id!r}: estimate", found, "an Interval or a ForAll", hint)
        verdict = judge(estimate, self.expected)
        if self.reference is not None and verdict == "fails":
            verdict = "inconclusive"
        shown = decisive(estimate, self.expected)
        return JudgedClaim(
            paper=paper,
            figure=figure,
            claim=self,
            estimate=shown,
            verdict=verdict,
            control_estimate=decisive(control, self.expected),
            control_verdict=judge(control, self.expected),
            measured=estimate,
            answer=None if self.answer is None else self.answer(shown, verdict),
        )


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its estimate and verdict.

    Attributes:
        paper: short name of the paper.
        figure: the figure whose rows it was judged on.
        claim: the claim.
        estimate: the measured quantity with its 95 % interval; of several settings that of the one that decides.
        verdict: holds, fails or inconclusive.
        control_estimate: the same quantity on the control.
        control_verdict: must be ``fails``; anything else means that the claim could not have failed.
        measured: the estimates of all settings, where the claim speaks of several; otherwise the estimate.
        answer: to a question of ours, in words.
    """

    paper: str
    figure: str
    claim: Claim
    estimate: Interval
    verdict: Verdict
    control_estimate: Interval
    control_verdict: Verdict
    measured: Estimate | None = None
    answer: str | None = None

    def _repr_html_(self) -> str:
        from iclscope.claims.verdicts import verdict_html

        return verdict_html(self)

    @property
    def is_ours(self) -> bool:
        """Whether it is a question of ours, not a claim of the paper."""
        return self.claim.form == "ours"

    @property
    def decided_at(self) -> str:
        """Which setting the estimate belongs to, if there are several."""
        found = self.every_setting
        one = None if found is None or len(found.settings) < 2 else deciding(found, self.claim.expected)
        return "" if one is None else one.name

    @property
    def judged_settings(self) -> list[tuple[Setting, Verdict]]:
        """Each setting with its own verdict, if there are several."""
        found = self.every_setting
        return [] if found is None else [(one, judge(one.interval, self.claim.expected)) for one in found.settings]

    @property
    def lies_outside(self) -> bool:
        """Whether the estimate lies outside the region, regardless of the verdict."""
        measured = self.estimate if self.measured is None else self.measured
        return judge(measured, self.claim.expected) == "fails"

    @property
    def every_setting(self) -> ForAll | None:
        """The settings that were judged one by one, if there are several."""
        return self.measured if isinstance(self.measured, ForAll) else None

    @property
    def seeds_to_decide(self) -> int | None:
        """About how many seeds would decide an open claim, assuming they scatter like these; None if that is unknown.

        An interval shrinks with the root of the number of seeds. It has to lie on one side of the region's end that it
        crosses now, and it crosses it by the part of itself that is beyond.
        """
        found = self.every_setting
        outside = self.lies_outside or any(verdict == "fails" for _, verdict in self.judged_settings)
        short = self.claim.reference is not None and outside
        if self.verdict != "inconclusive" or short:  # what is known to need more of a law is not decided by seeds
            return None
        intervals = [self.estimate] if found is None else [one.interval for one in found.settings]
        needed = [seeds for one in intervals if (seeds := deciding_seeds(one, self.claim.expected)) is not None]
        return max(needed) if needed else None

    @property
    def remark(self) -> str:
        """Caveats of the verdict: the constant it assumes, and where more would be needed."""
        found = self.every_setting
        settings = found.settings if found is not None and self.verdict != "holds" else ()
        needing = [
            f"needs {f'{one.needs:.2g} · c' if math.isfinite(one.needs) else 'more than was tried'} at {one.name}"
            for one in settings
            if not math.isnan(one.needs)
        ]
        parts = [found.note] if found is not None and found.note else []
        if self.verdict == "inconclusive" and too_few_seeds(self.estimate):
            share = f"{unseen_share(self.estimate.seeds):.0%}"
            parts.append(f"of so few seeds up to {share} may be bad unseen: a rate needs {ENOUGH_SEEDS} to hold")
        if self.claim.reference is not None and self.lies_outside and not needing:
            parts.append("it lies outside, which refutes nothing while the paper leaves a constant open")
        parts += needing
        if found is not None and not found.enough:
            parts.append("the constant does not serve the reference in this run")
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """The record that ``claims.json`` holds; infinite and undefined numbers are null."""
        return {
            "paper": self.paper,
            "id": self.claim.id,
            "figure": self.figure,
            "form": self.claim.form,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "quantity": self.claim.quantity,
            "expected": [finite(self.claim.expected.low), finite(self.claim.expected.high)],
            "reason": self.claim.reason,
            "reference": self.claim.reference,
            "estimate": finite(self.estimate.value),
            "interval": [finite(self.estimate.low), finite(self.estimate.high)],
            "is_bound": isinstance(self.estimate, UpperBound),
            "verdict": self.verdict,
            "answer": self.answer,
            "remark": self.remark,
            "seeds": self.estimate.seeds,
            "missing_seeds": self.estimate.missing,
            "unseen_share": unseen_share(self.estimate.seeds),
            "seeds_to_decide": self.seeds_to_decide,
            "settings": [
                {
                    "name": one.name,
                    "estimate": finite(one.interval.value),
                    "interval": [finite(one.interval.low), finite(one.interval.high)],
                    "missing_seeds": one.interval.missing,
                    "verdict": verdict,
                }
                for one, verdict in self.judged_settings
            ],
            "control": {
                "description": self.claim.control.description,
                "estimate": finite(self.control_estimate.value),
                "interval": [finite(self.control_estimate.low), finite(self.control_estimate.high)],
                "verdict": self.control_verdict,
            },
        }


def finite(value: float) -> float | None:
    """The number, or None for infinities and NaN, which JSON does not have."""
    return value if math.isfinite(value) else None
