"""The page of all papers: self-contained, escaped, every claim with a link to where its report speaks of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from iclscope.claims.claim import JudgedClaim
from iclscope.study.pages.index_page import ABILITIES, CommonFigure, PaperCard, render_index
from iclscope.study.pages.page import anchor


def card(
    name: str, claims: Sequence[JudgedClaim], abilities: tuple[bool, ...] = (True, False, True, False)
) -> PaperCard:
    return PaperCard(
        name=name,
        title=f"On <{name}> & more",
        citation="Nobody, 2024. https://arxiv.org/abs/2401.00001",
        model="one layer & a half",
        task="sums < 3",
        abilities=abilities,
        preset="quick",
        seeds=5,
        claims=claims,
        missing=["late"],
        address=f"{name}/report.html",
        question="How long & how wide?",
        statement="bounds < 1",
    )


FIGURE = CommonFigure(title="All of them", caption="Error against length.", finding="It is 0.5.", svg="<svg></svg>")


def test_claims_are_shown_with_links_into_the_reports(claims: list[JudgedClaim], unproven: JudgedClaim) -> None:
    html = render_index([card("li2024", claims), card("garg2022", [unproven])], [FIGURE])
    for judged in claims:
        assert f'href="li2024/report.html#{anchor(judged.claim.id, "claim")}"' in html
    assert f'href="garg2022/report.html#{anchor(unproven.claim.id, "claim")}"' in html
    assert "1 hold, " not in html
    assert "1 holds, 1 fails, 2 open" in html
    assert "control of 1&nbsp;claim" in html
    assert "(loose)" in html
    assert "Not made yet: late" in html


def test_claims_of_papers_and_questions_of_ours_are_counted_apart(
    claims: list[JudgedClaim], questions: list[JudgedClaim]
) -> None:
    html = render_index([card("li2024", [*claims, *questions]), card("garg2022", claims[:1])], [])
    assert "5&nbsp;claims and 2&nbsp;questions of ours" in html
    assert "1 holds, 1 fails, 2 open" in html, "the verdicts of the paper's claims only"
    section = html[html.index('id="paper-li2024"') :]
    ours = section.index("Questions of ours</h3>")
    for one in claims:
        assert section.index(f">{one.claim.id}</a>") < ours
    for one in questions:
        assert ours < section.index(f'href="li2024/report.html#{anchor(one.claim.id, "claim")}"')
        assert f'<span class="answer">{one.answer}</span>' in section
    alone = render_index([card("li2024", claims)], [])
    assert "Questions of ours" not in alone


def test_the_page_is_self_contained_and_escaped(claims: list[JudgedClaim]) -> None:
    html = render_index([card("li2024", claims)], [FIGURE])
    assert "On &lt;li2024&gt; &amp; more" in html
    assert "one layer &amp; a half" in html
    assert "How long &amp; how wide?" in html
    assert "<svg></svg>" in html, "figures are put in as they are"
    assert not re.findall(r'(?:src|href)="(?!li2024/|#|https://arxiv)[^"]*"', html)
    assert "<script" not in html


def test_each_ability_is_a_column_and_what_is_no_paper_has_no_row(claims: list[JudgedClaim]) -> None:
    html = render_index([card("li2024", claims), card("comparison", [], abilities=())], [])
    table = html[html.index('id="abilities"') :]
    table = table[: table.index("</table>")]
    assert all(f">{ability}</th>" in table for ability in ABILITIES)
    assert table.count("<span>yes</span>") == 2
    assert table.count('data-label="States"><span>bounds &lt; 1</span>') == 1
    assert table.count("How long &amp; how wide?") == 1
    cells = re.findall(r"<t[hd] ", table[table.index("<tbody") :])
    assert len(cells) == len(re.findall(r"<th ", table[: table.index("<tbody")]))
    assert "comparison/report.html" not in table
    assert "comparison/report.html" in html
    assert "1&nbsp;paper," in html


def test_a_paper_tells_its_story_and_its_theorems_before_all_claims(claims: list[JudgedClaim]) -> None:
    told = replace(card("first", claims), story="A model & its prompts.", theorems={"Theorem 3": "It works < always."})
    html = render_index([told], [])
    order = ["A model &amp; its prompts.", "It works &lt; always.", 'href="first/report.html#claim-', "All 4"]
    places = [html.index(text) for text in order]
    assert places == sorted(places)
