"""Each verdict can be opened on the page: form, reference, all settings, what is missing; our questions stand apart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from html import unescape

import pytest

from iclscope.claims.claim import JudgedClaim, Region
from iclscope.claims.families import ForAll, Setting
from iclscope.claims.intervals import Interval, unseen_share
from iclscope.study.pages.page import FigureSection, Report, render_page

Judged = Callable[..., JudgedClaim]
Section = Callable[..., FigureSection]
MakeReport = Callable[..., Report]


def text_of(html: str) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def opened(html: str, name: str) -> str:
    """The part of the page about one claim."""
    start = html.index(f'id="claim-{name}"')
    following = [html.find(mark, start + 1) for mark in ('id="claim-', 'aria-labelledby="verdicts"')]
    return text_of("<" + html[start : min(at for at in following if at > 0)])


def test_claims_of_the_paper_and_questions_of_ours_are_listed_and_counted_apart(
    report: MakeReport, section: Section, claims: list[JudgedClaim], questions: list[JudgedClaim]
) -> None:
    html = render_page(report(section("fig3", questions[0], *claims, questions[1])))
    text = text_of(html)
    assert "4 claims of the paper and 2 questions of ours" in text
    assert "1 holds 1 fails 2 inconclusive" in text
    tables = html[html.index('id="claims"') :]
    ours = tables.index('id="questions"')
    assert all(tables.index(f"#claim-{one.claim.id}") < ours for one in claims)
    assert all(tables.index(f"#claim-{one.claim.id}") > ours for one in questions)
    assert "Answer not tight Form ours: a question that the paper leaves open" in opened(html, "loose-law")


def test_where_all_are_questions_of_ours_nothing_is_claimed_of_the_paper(
    report: MakeReport, section: Section, questions: list[JudgedClaim]
) -> None:
    html = render_page(report(section("fig3", *questions)))
    assert 'id="questions"' in html
    assert "0 claims of the paper and 2 questions of ours" in text_of(html).replace("\u00a0", " ")
    assert "0 holds 0 fails 0 inconclusive" in text_of(html)


@pytest.mark.parametrize("more", [0, 30])
def test_the_expected_number_of_wrong_verdicts_is_stated(
    more: int, judged: Judged, report: MakeReport, section: Section, claims: list[JudgedClaim]
) -> None:
    decided = [judged(f"more-{index}", Interval(1.0, 0.9, 1.1, 20), Region(0, 2)) for index in range(more)]
    text = text_of(render_page(report(section("fig3", *claims, *decided))))
    assert "wrong by chance in at most 2.5 % of cases" in text
    assert f"of the {2 + more} that hold or fail here at most {0.025 * (2 + more):.3g} are expected to be" in text


def test_the_share_of_bad_seeds_that_can_go_unseen_is_stated(report: MakeReport) -> None:
    text = text_of(render_page(report()))
    shares = [f"with {seeds} up to {100 * unseen_share(seeds):.0f} %" for seeds in (5, 10, 20)]
    assert shares == ["with 5 up to 52 %", "with 10 up to 31 %", "with 20 up to 17 %"]
    assert ", ".join(shares).replace("5 up", "5 seeds up") in text


def test_every_setting_is_shown_with_its_interval(judged: Judged, report: MakeReport, section: Section) -> None:
    inside, worst = Interval(0.05, 0.04, 0.06, 20), Interval(0.08, 0.025, 0.131, 20, 2)
    every = ForAll((Setting("S1 = 1.1", inside, inside), Setting("S1 = 1.4", worst, worst)), note="c = 2")
    one = judged("suffices", worst, Region(high=0.1), settings=every, form="sufficient", reference="the largest α")
    html = render_page(report(section("fig3", one)))
    text = opened(html, "suffices")
    for part in (
        "Form sufficient",
        "0.08 [0.025, 0.131] , 20 seeds , of which 2 (10 %) without a value ; at S1 = 1.4, the setting that decides",
        "Reference the largest α",
        "Remark c = 2",
        "To decide it about 131 seeds, if they scatter as these do",
        "All 2 settings",
        "S1 = 1.1 0.05 [0.04, 0.06] holds",
        "S1 = 1.4 0.08 [0.025, 0.131] (2 of 20 without a value) is open",
    ):
        assert part.replace(" ,", ",").replace(" ;", ";") in text.replace(" ,", ",").replace(" ;", ";"), part
    assert text_of(html).count("S1 = 1.4") == 2


def test_what_there_is_nothing_to_say_of_is_left_out(judged: Judged, report: MakeReport, section: Section) -> None:
    one = judged("plain", Interval(1.0, 0.9, 1.1, 20), Region(0, 2))
    text = opened(render_page(report(section("fig3", one))), "plain")
    for word in ("Answer", "Reference", "Remark", "To decide it", "without a value", "settings"):
        assert word not in text


def test_a_setting_that_needs_more_is_named(judged: Judged, report: MakeReport, section: Section) -> None:
    beyond = Interval(1.5, 1.4, 1.6, 20)
    every = ForAll((Setting("β = <3>", beyond, beyond, 1.25), Setting("β = 2", beyond, beyond, math.inf)), "c = 2")
    one = judged("open", beyond, Region(high=1.0), settings=every, form="sufficient", reference="β = 1")
    html = render_page(report(section("fig3", one)))
    assert "needs 1.2 · c at β = <3>; needs more than was tried at β = 2" in opened(html, "open")
    assert "<3>" not in html
