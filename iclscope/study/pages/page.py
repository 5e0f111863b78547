"""The report: one self-contained HTML page about a paper, or about a measurement on a language model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from iclscope.claims.formats import ANSWERS, format_duration, format_interval, format_number, format_region
from iclscope.claims.intervals import LEVEL, unseen_share
from iclscope.plotting.strip import strip_svg
from iclscope.study.pages.theorem_cards import theorem_cards

if TYPE_CHECKING:
    # Types only: experiments draw with this room, so it must not import them when it is loaded.
    from iclscope.claims.claim import JudgedClaim


class ConditionValue(NamedTuple):
    """A value that trainings have where a theorem has a condition.

    Attributes:
        text: the value.
        trainings: how many have it.
        met: whether it meets the condition; None where the theorem leaves a constant open.
    """

    text: str
    trainings: int
    met: bool | None


@dataclass(frozen=True)
class FigureSection:
    """One figure of the report with all that belongs to it.

    Attributes:
        name: the figure's short name, unique in the report.
        title: heading.
        caption: what the figure shows and how to read it.
        finding: one sentence computed from the rows; may be empty.
        settings: name → value of what the figure was made with, in the order to be shown.
        svg: what ``save_figure`` returned; put into the page as it is.
        claims: the claims judged on this figure's rows.
        seconds: how long training and measuring took.
        notes: what a reader must know, such as "1 run of 40 diverged at step 12".
        conditions: what a theorem asks of the trainings and what they have, one table row per condition: its name, then
            each different value with how many trainings have it and whether that meets the condition.
        scene: address of a page on which such a model can be seen to train; empty: none.
        distances: of our curves from the published ones: the curve, its mean and its largest difference, in words.
        opening: whether it tells what the paper is about, and stands above all others.
    """

    name: str
    title: str
    caption: str
    finding: str
    settings: Mapping[str, str]
    svg: str
    claims: Sequence[JudgedClaim]
    seconds: float
    notes: Sequence[str]
    conditions: Sequence[tuple[str, Sequence[ConditionValue]]] = ()
    scene: str = ""
    distances: Sequence[tuple[str, str, str]] = ()
    opening: bool = False


_MOST_PRINTED = 20
"""Rows of a table that is printed; pages have all."""


class TextTable(NamedTuple):
    """A table of texts.

    Attributes:
        title: heading.
        caption: what it shows and how to read it.
        head: names of the columns.
        rows: a text per column.
    """

    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Title and aligned columns; of many rows the first."""
        lines = [list(self.head), *map(list, self.rows[:_MOST_PRINTED])]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [" " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        more = len(self.rows) - _MOST_PRINTED
        return "\n".join([self.title, *text, *([f" … and {more} more rows"] if more > 0 else [])])


OF_A_PAPER = (
    "What the paper leaves open: whether a bound is tight, a condition necessary, a constant of 1 enough. The answer "
    "is ours, and no verdict on the paper."
)


@dataclass(frozen=True)
class Report:
    """All that a page tells: of a paper, or of a measurement on a language model.

    Attributes:
        over: what the page is about, above the heading.
        title: heading.
        figures: the finished figures with their claims, in order.
        environment: name → value: settings, versions, device, seconds.
        citation: full reference; addresses in it become links.
        facts: how it was made, in front of the numbers of figures and claims; empty: these are not told either.
        about: name → words: what a paper trains, on which data, what it asks and states.
        story: the paper in a few sentences.
        theorems: what its theorems say in a few words, by name.
        lead: what was found, in a sentence or two.
        missing: names of figures that were asked for and are not finished.
        unasked: names of the paper's figures that nobody has asked for yet.
        notes: what a reader must know first.
        tables: behind the figures.
        counted: what intervals are over, one and many.
        questions: what questions of ours are, in a sentence or two.
    """

    over: str
    title: str
    figures: Sequence[FigureSection]
    environment: Mapping[str, str]
    citation: str = ""
    facts: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    story: str = ""
    theorems: Mapping[str, str] = field(default_factory=dict)
    lead: str = ""
    missing: Sequence[str] = ()
    unasked: Sequence[str] = ()
    notes: Sequence[str] = ()
    tables: Sequence[TextTable] = ()
    counted: tuple[str, str] = ("seed", "seeds")
    questions: str = OF_A_PAPER


def render_page(report: Report) -> str:
    """Make the report's page.

    It needs no network and no script, follows the reader's light or dark scheme, fits a phone and prints. It begins
    with what the paper is about, its theorems and the verdicts on them; then come the figures, each beside its claims,
    and last the table of all claims, in which questions of ours stand apart.

    Args:
        report: what to show. All texts are escaped; only the figures' SVG is taken as it is.

    Returns:
        The text of an HTML file (UTF-8).
    """
    rows = [(f"#{anchor(claim.claim.id, 'claim')}", claim) for one in report.figures for claim in one.claims]
    judged = [claim for _, claim in rows]
    return (
        page_environment()
        .get_template("page.html.jinja")
        .render(
            report=report,
            opening=[one for one in report.figures if one.opening],
            figures=[one for one in report.figures if not one.opening],
            theorems=theorem_cards(judged, report.theorems),
            claims=[(address, claim) for address, claim in rows if not claim.is_ours],
            questions=[(address, claim) for address, claim in rows if claim.is_ours],
            counts=counted_verdicts([claim for claim in judged if not claim.is_ours]),
            question_counts=counted_verdicts([claim for claim in judged if claim.is_ours]),
            unproven=[claim.claim.id for claim in judged if claim.control_verdict != "fails"],
            decided=sum(claim.verdict != "inconclusive" for claim in judged),
            false_share=(1 - LEVEL) / 2,
        )
    )


def counted_verdicts(claims: Sequence[JudgedClaim]) -> list[tuple[str, int]]:
    """How many claims hold, fail and stay open."""
    counts = Counter(claim.verdict for claim in claims)
    return [(verdict, counts[verdict]) for verdict in ("holds", "fails", "inconclusive")]


def page_environment() -> Environment:
    """What all pages are rendered with."""
    environment = Environment(
        loader=PackageLoader("iclscope", "study/pages"),
        autoescape=True,  # always: the template's ending is not one that select_autoescape would know
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        anchor=anchor, duration=format_duration, interval=format_interval, number=format_number, region=format_region
    )
    environment.filters["share"] = lambda share: f"{100 * share:.0f} %"
    environment.globals["unseen_share"] = unseen_share
    environment.globals["answers"] = ANSWERS
    environment.globals["strip"] = strip_svg
    return environment


def anchor(name: str, kind: str) -> str:
    """The id of a figure or a claim on the page."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}"
