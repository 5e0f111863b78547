"""Claims judged on rows of one's own, without a paper or a folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from iclscope.claims.claim import Claim, JudgedClaim
from iclscope.claims.formats import ANSWERS, format_region
from iclscope.core.arguments import expect
from iclscope.core.frames import FrameKind, as_polars, frame_of
from iclscope.core.html import html_table
from iclscope.plotting.strip import styled_strip


class Verdicts(tuple[JudgedClaim, ...]):
    """Judged claims, which print as a table."""

    __slots__ = ()

    def to_frame(self, kind: FrameKind = "polars") -> Any:
        """A row per claim: id, form, verdict, value, low, high, seeds, expected_low, expected_high, control, answer.

        Args:
            kind: "polars", "pandas" or "arrow".
        """
        rows = [
            {
                "id": one.claim.id,
                "form": one.claim.form,
                "verdict": one.verdict,
                "value": one.estimate.value,
                "low": one.estimate.low,
                "high": one.estimate.high,
                "seeds": one.estimate.seeds,
                "expected_low": one.claim.expected.low,
                "expected_high": one.claim.expected.high,
                "control": one.control_verdict,
                "answer": one.answer,
            }
            for one in self
        ]
        return frame_of(pl.DataFrame(rows, schema_overrides={"answer": pl.String}), kind)

    def __repr__(self) -> str:
        return "\n".join(map(verdict_text, self)) if self else "no claims"

    def _repr_html_(self) -> str:
        head = ("verdict", "claim", "", "estimate", "expected", "control")
        return html_table((_cells(one) for one in self), head=head)


def judge(rows: Any, claims: Claim | Iterable[Claim], *, paper: str = "", figure: str = "") -> Verdicts:
    """Judge claims, and their controls, on a table of rows.

    Args:
        rows: a data frame of polars or pandas, or a pyarrow.Table, with a column ``arm`` ("trained", unless a claim
            says otherwise, and the names of the controls), and the columns that the claims' estimates read: ``seed``,
            if they are means over seeds.
        claims: one or more.
        paper: short name of the paper, if the claims are of one.
        figure: whose rows they are, likewise.

    Raises:
        BadRequest: if these are no rows or no claims, or the rows lack a column or an arm.

    >>> import iclscope as icl, polars as pl
    >>> from iclscope.claims.summaries import over_seeds
    >>> rows = pl.DataFrame({
    ...     "arm": ["trained"] * 3 + ["untrained"] * 3,
    ...     "seed": [0, 1, 2, 0, 1, 2],
    ...     "hinge_risk": [0.01, 0.02, 0.01, 1.0, 0.9, 1.1],
    ... })
    >>> claim = icl.Claim(
    ...     id="small-risk", form="exact", statement="The risk is small.", source="Theorem 1", quantity="hinge risk",
    ...     expected=icl.Region(high=0.1), reason="a tenth of that of a coin",
    ...     estimate=lambda rows: over_seeds(rows, "hinge_risk"),
    ...     control=icl.Control("initial weights", "untrained"),
    ... )
    >>> print(icl.judge(rows, claim))
    holds  small-risk  0.0133 [0, 0.0277]  expected ≤ 0.1  control fails
    """
    table = as_polars(rows)
    expect("arm" in table.columns, "rows", rows, "a column 'arm' that tells the control's rows from the others")
    wanted = [claims] if isinstance(claims, Claim) else list(claims)
    wrong = next((one for one in wanted if not isinstance(one, Claim)), None)
    expect(wrong is None, "claims", wrong, "a Claim, or several")
    for one in wanted:
        one.check_arms(table)
    return Verdicts(one.judged(paper, figure, table) for one in wanted)


def verdict_text(one: JudgedClaim) -> str:
    """A judged claim in one line."""
    expected, answer = format_region(one.claim.expected), f"  {one.answer}" if one.answer else ""
    control = f"control {'fails' if one.control_verdict == 'fails' else f'does NOT fail ({one.control_verdict})'}"
    return f"{_word(one)}  {one.claim.id}  {one.estimate}  expected {expected}  {control}{answer}"


def verdict_html(one: JudgedClaim) -> str:
    """A judged claim with its strip, as a small table."""
    claim = one.claim
    rows = [
        ("verdict", _word(one) + (f": {one.answer}" if one.answer else "")),
        (claim.quantity, one.estimate),
        ("", styled_strip(one.estimate, claim.expected)),
        ("expected", f"{format_region(claim.expected)} ({claim.reason})"),
        ("control", f"{claim.control.description}: {one.control_verdict}"),
    ]
    return html_table(rows, title=f"{claim.statement} ({claim.source})")


def claim_html(claim: Claim) -> str:
    """A claim that is not judged yet, as a small table."""
    rows = {
        "form": claim.form,
        "quantity": claim.quantity,
        "expected": f"{format_region(claim.expected)} ({claim.reason})",
        "control": claim.control.description,
    }
    return html_table(rows.items(), title=f"{claim.statement} ({claim.source})")


def _word(one: JudgedClaim) -> str:
    return ANSWERS[one.verdict] if one.is_ours else one.verdict


def _cells(one: JudgedClaim) -> tuple[object, ...]:
    strip = styled_strip(one.estimate, one.claim.expected)
    return _word(one), one.claim.id, strip, one.estimate, format_region(one.claim.expected), one.control_verdict
