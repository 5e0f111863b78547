"""Claims as CSV and TeX: what stands in claims.json, readable elsewhere."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.summaries import over_seeds
from iclscope.study.experiment import PAPERS, experiments_of
from iclscope.study.pages.claims_files import claims_csv, claims_tex, escaped_for_tex


def judged(name: str, *, ours: bool = False) -> JudgedClaim:
    claim = Claim(
        id=name,
        form="ours" if ours else "exact",
        statement='Does μ̄ grow, "as" said, by 5 % & more?',
        source="Somebody, Theorem 1",
        quantity="risk",
        expected=Region(high=0.1),
        reason="ε",
        estimate=lambda rows: over_seeds(rows, "risk"),
        control=Control("untrained", "untrained"),
        answer=answered(holds="yes", fails="no") if ours else None,
    )
    parts = (("trained", 0.01), ("untrained", 1.0))
    rows = pl.DataFrame([{"arm": arm, "seed": seed, "risk": risk} for arm, risk in parts for seed in range(3)])
    return claim.judged("somebody", "risk", rows)


def test_csv_has_a_line_per_claim_with_what_the_json_says() -> None:
    claims = [judged("thm1-risk"), judged("thm1-question", ours=True)]
    lines = list(csv.DictReader(io.StringIO(claims_csv(claims))))
    assert [line["id"] for line in lines] == ["thm1-risk", "thm1-question"]
    assert lines[0]["statement"] == claims[0].claim.statement
    assert (lines[0]["form"], lines[0]["verdict"], lines[0]["control_verdict"]) == ("exact", "holds", "fails")
    assert (lines[0]["expected_low"], lines[0]["expected_high"]) == ("", "0.1")
    assert float(lines[0]["estimate"]) == pytest.approx(0.01)
    assert (lines[0]["answer"], lines[1]["answer"]) == ("", "yes")
    assert lines[0]["seeds"] == "3"


def test_tex_is_ascii_with_claims_of_the_paper_before_questions_of_ours() -> None:
    text = claims_tex([judged("thm1-question", ours=True), judged("thm1-risk")])
    assert text.isascii()
    assert text.index("thm1-risk") < text.index("thm1-question")
    assert r"Does $\bar{\mu}$ grow, " in text
    assert r"by 5 \% \& more?" in text
    assert text.count(r"\\") == 3  # the head and two claims
    assert text.count("&") == 3 * 4 + 2


@pytest.mark.parametrize("paper", list(PAPERS))
def test_whatever_claims_say_can_be_set(paper: str) -> None:
    for experiment in experiments_of(paper):
        for claim in experiment.claims:
            set_text = escaped_for_tex(claim.statement)
            assert set_text.isascii(), set_text
            assert "[" not in set_text or "[" in claim.statement, f"{claim.id}: {set_text}"
            assert set_text.count("$") % 2 == 0
