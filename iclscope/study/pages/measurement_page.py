"""The report on a language model: one self-contained HTML page about one measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iclscope.study.pages.page import FigureSection, render_with_claims


@dataclass(frozen=True)
class TextTable:
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


@dataclass(frozen=True)
class MeasurementReport:
    """All that the page tells about one measurement.

    Attributes:
        over: the command, above the heading.
        title: heading: which model on which texts.
        lead: what was found, in a sentence or two.
        figures: figures with their claims.
        tables: tables behind the figures.
        notes: what a reader must know first.
        environment: name → value: settings, versions, device, seconds.
    """

    over: str
    title: str
    lead: str
    figures: Sequence[FigureSection]
    tables: Sequence[TextTable] = ()
    notes: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def render_measurement(report: MeasurementReport) -> str:
    """Make the page; like a paper's report it needs no network and no script.

    Args:
        report: what to show. All texts are escaped; only the figures' SVG is taken as it is.

    Returns:
        The text of an HTML file (UTF-8).
    """
    return render_with_claims("measurement.html.jinja", report, report.figures)
