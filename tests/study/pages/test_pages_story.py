"""The report as a story: the paper, its theorems with their verdicts, figures beside their claims, the table last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from iclscope.claims.claim import JudgedClaim
from iclscope.study.pages.page import FigureSection, Report, render_page
from iclscope.study.pages.theorem_cards import theorem_cards

MakeReport = Callable[..., Report]
Section = Callable[..., FigureSection]


@pytest.fixture
def from_source(claims: list[JudgedClaim]) -> Callable[[str, int], JudgedClaim]:
    """A judged claim whose source is another."""

    def make(source: str, which: int) -> JudgedClaim:
        return replace(claims[which], claim=replace(claims[which].claim, source=source, id=f"from-{source[-3:]}"))

    return make


def test_theorems_have_the_claims_that_name_them_first(from_source: Callable[[str, int], JudgedClaim]) -> None:
    judged = [
        from_source("Li 2024, Proposition 4.1", 0),
        from_source("Li 2024, Theorem 3.3 and Section 4", 1),
        from_source("Li 2024, Section 4, figure for GPT-2; Theorem 3.3 for one layer", 2),
        from_source("Li 2024, Theorems 3.3 and 3.4", 3),
    ]
    cards = theorem_cards(judged, {"Theorem 3.7": "pruning", "Theorem 3.3": "unseen tasks"})
    assert [(card.name, card.statement, len(card.claims)) for card in cards] == [
        ("Theorem 3.3", "unseen tasks", 2),
        ("Proposition 4.1", "", 1),
    ], "in the paper's order; a theorem without a claim, and a claim without a theorem, have no card"


def test_the_report_tells_the_paper_before_the_claims(
    report: MakeReport, section: Section, claims: list[JudgedClaim]
) -> None:
    opening = replace(section("prompt"), opening=True, title="One prompt")
    page = replace(
        report(opening, section("fig3", *claims)),
        story="A model is shown examples.",
        theorems={"Theorem 3": "It works."},
    )
    html = render_page(page)
    order = ["A model is shown examples.", "One prompt", "It works.", 'id="figures"', 'id="figure-fig3"', 'id="claims"']
    places = [html.index(text) for text in order]
    assert places == sorted(places)
    assert html.count('id="figure-prompt"') == 1, "it stands above, and not among the others again"


def test_distances_from_published_curves_are_told(report: MakeReport, section: Section) -> None:
    told = replace(section("fig3"), distances=[("S1 = 0.5", "×0.5 [0.4, 0.6]", "×0.2 [0.1, 0.4] at 20")])
    html = render_page(report(told))
    assert "Distance from the published curves" in html
    for text in ("S1 = 0.5", "×0.5 [0.4, 0.6]", "×0.2 [0.1, 0.4] at 20"):
        assert text in html
    assert "Distance from the published curves" not in render_page(report(section("fig3")))
