"""The report: one self-contained HTML page about one paper."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from iclscope.claims.formats import ANSWERS, format_duration, format_interval, format_number, format_region
from iclscope.claims.intervals import LEVEL, unseen_share
from iclscope.plotting.strip import strip_svg

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


@dataclass(frozen=True)
class Report:
    """All that the page tells about one paper.

    Attributes:
        paper: short name, as on the command line.
        title: the paper's title.
        citation: full reference; addresses in it become links.
        preset: the preset that was run.
        seeds: how many seeds per setting.
        figures: the finished figures, in the paper's order.
        missing: names of the figures that are not finished.
        environment: name → value: versions, device, seconds.
        slow_seeds: how many seeds of models that train much longer than the paper's own; None: as many.
    """

    paper: str
    title: str
    citation: str
    preset: str
    seeds: int
    figures: Sequence[FigureSection]
    missing: Sequence[str]
    environment: Mapping[str, str]
    slow_seeds: int | None = None


def render_page(report: Report) -> str:
    """Make the report's page.

    It needs no network and no script, follows the reader's light or dark scheme, fits a phone and prints.

    Args:
        report: what to show. All texts are escaped; only the figures' SVG is taken as it is.

    Returns:
        The text of an HTML file (UTF-8).
    """
    return render_with_claims("page.html.jinja", report, report.figures)


def render_with_claims(template: str, report: object, figures: Sequence[FigureSection]) -> str:
    """Render a page about figures and their claims.

    Args:
        template: its file name.
        report: what the template reads.
        figures: of the report; their claims are listed above them, counted, and linked; questions of ours stand apart.
    """
    rows = [(f"#{anchor(claim.claim.id, 'claim')}", claim) for one in figures for claim in one.claims]
    judged = [claim for _, claim in rows]
    return (
        page_environment()
        .get_template(template)
        .render(
            report=report,
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
