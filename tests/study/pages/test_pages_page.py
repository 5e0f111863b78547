"""The page: self-contained, escaped, complete, and navigable."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from iclscope.claims.claim import JudgedClaim, Region
from iclscope.claims.intervals import Interval
from iclscope.plotting.style import curve, new_figure, save_figure
from iclscope.study.pages.page import FigureSection, Report, render_page

Section = Callable[..., FigureSection]
MakeReport = Callable[..., Report]


class Page(HTMLParser):
    """What the tests ask about a page."""

    VOID = frozenset({"meta", "link", "img", "br", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name and value]


def plotted(folder: Path, name: str) -> str:
    figure = new_figure()
    curve(figure.add_subplot(), [1, 2], [2, 1], [1, 0], [3, 2], label=None, index=0)
    return save_figure(figure, folder, name)


def test_nothing_is_loaded_from_outside(
    tmp_path: Path, report: MakeReport, section: Section, claims: list[JudgedClaim]
) -> None:
    html = render_page(report(section("fig3", *claims, svg=plotted(tmp_path, "fig3"))))
    page = Page(html)
    assert page.open == []
    assert not page.values("src")
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert [link for link in page.values("href") if not link.startswith("#")] == ["https://arxiv.org/abs/2402.15607"]
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_texts_are_escaped(judged: Callable[..., JudgedClaim], report: MakeReport, section: Section) -> None:
    claim = judged("a<b", Interval(1, 0.9, 1.1, 5), Region(0, 2), statement="<script>alert(1)</script>")
    html = render_page(report(section("fig<3>", claim)))
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 3, "beside the figure, with its reasons, in the table"
    assert "a<b" not in html


def test_every_claim_is_shown_with_its_verdict(report: MakeReport, section: Section, claims: list[JudgedClaim]) -> None:
    page = Page(render_page(report(section("fig3", *claims[:2]), section("fig4", *claims[2:]))))
    text = " ".join(page.text.split())
    for claim, verdict in zip(claims, ("holds", "fails", "inconclusive", "inconclusive"), strict=True):
        assert f"{verdict} {claim.claim.id} Attention concentrates." in text
        assert f"{verdict} {claim.claim.id} Attention concentrates. (Theorem 3)" in text
    assert "1 holds 1 fails 2 inconclusive" in text
    assert "−0.67 [−0.72, −0.62]" in text
    assert "single seed has no interval" in text


def test_ids_are_unique_and_every_link_has_an_end(
    tmp_path: Path, report: MakeReport, section: Section, claims: list[JudgedClaim]
) -> None:
    figures = [
        section("fig 3(a)", *claims[:2], svg=plotted(tmp_path, "fig 3(a)")),
        section("fig4", *claims[2:], svg=plotted(tmp_path, "fig4")),
    ]
    page = Page(render_page(report(*figures)))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [link[1:] for link in page.values("href") if link.startswith("#")] + page.values("aria-labelledby")
    assert set(targets) <= set(ids)


def test_a_control_that_does_not_fail_is_warned_of(
    report: MakeReport, section: Section, claims: list[JudgedClaim], unproven: JudgedClaim
) -> None:
    assert "Warning" not in Page(render_page(report(section("fig3", *claims)))).text
    text = " ".join(Page(render_page(report(section("fig3", *claims, unproven)))).text.split())
    assert "Warning: the control of 1 claim (loose) was not judged “fails”." in text
    assert "holds, but must fail" in text


def test_missing_figures_are_named(report: MakeReport, section: Section) -> None:
    assert "Not finished: fig6, fig7." in Page(render_page(report(section("fig3"), missing=("fig6", "fig7")))).text
    assert "Not finished" not in Page(render_page(report(section("fig3")))).text


def test_figures_that_nobody_asked_for_are_no_warning(report: MakeReport, section: Section) -> None:
    text = Page(render_page(report(section("fig3"), unasked=("fig6", "fig7")))).text
    assert "Not finished" not in text
    assert "2\N{NO-BREAK SPACE}more figures of the paper can be made." in text
    assert "fig6, fig7. The same command without --figure makes them all" in text


@pytest.mark.parametrize("figures", [(), ("fig3",)])
def test_a_report_without_claims(figures: tuple[str, ...], report: MakeReport, section: Section) -> None:
    page = Page(render_page(report(*map(section, figures))))
    assert "No claim has been judged." in page.text
    assert "table" not in {tag for tag, _ in page.tags}


def test_headings_never_skip_a_level(report: MakeReport, section: Section, claims: list[JudgedClaim]) -> None:
    page = Page(render_page(report(section("fig3", *claims))))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_page_says_its_language_and_fits_a_phone(report: MakeReport, section: Section) -> None:
    html = render_page(report(section("fig3")))
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_equal_reports_give_equal_pages(report: MakeReport, section: Section, claims: list[JudgedClaim]) -> None:
    assert render_page(report(section("fig3", *claims))) == render_page(report(section("fig3", *claims)))


def test_what_the_paper_is_about_stands_under_its_name(report: MakeReport, section: Section) -> None:
    html = render_page(report(section("fig3")))
    head = html[html.index("<h1>") : html.index("</header>")]
    assert "<dt>Model</dt><dd>one layer &amp; a half</dd>" in head
    assert "<dt>Data</dt><dd>patterns &lt; 3</dd>" in head
    without = render_page(replace(report(section("fig3")), about={}))
    assert "<dl" not in without[: without.index("</header>")]
