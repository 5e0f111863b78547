"""What a measurement on a language model leaves in its folder: rows, claims, figures, and a page about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple

from matplotlib.figure import Figure

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.intervals import Interval
from iclscope.core.environment import environment
from iclscope.language_models.prompts.plain_text import spelled_out
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.run_folder import RunFolder
from iclscope.plotting.style import save_figure
from iclscope.study.pages.claims_files import claims_files
from iclscope.study.pages.page import FigureSection, Report, TextTable, render_page

PAPER = "li2024"
OF_A_LANGUAGE_MODEL = (
    "What the theory suggests for a model that it does not speak of, what was measured (with its 95 % interval over "
    "draws of demonstrations and queries), and what would have agreed."
)


@dataclass(frozen=True)
class DrawnFigure:
    """A figure that is to stand in a report.

    Attributes:
        name: short name, and that of its files.
        title: heading.
        caption: what it shows and how to read it.
        finding: one sentence computed from the rows.
        figure: what was drawn.
        claims: the claims judged on its rows.
        notes: what a reader must know.
    """

    name: str
    title: str
    caption: str
    finding: str
    figure: Figure
    claims: Sequence[JudgedClaim] = ()
    notes: Sequence[str] = ()


FEW_DRAWS = 3


class Written(NamedTuple):
    """What a report says beside its figures and tables.

    Attributes:
        claims: of all figures.
        notes: what a reader must know.
    """

    claims: Sequence[JudgedClaim]
    notes: Sequence[str]


def write_report(
    folder: RunFolder,
    prepared: Prepared,
    *,
    command: str,
    lead: str,
    figures: Sequence[DrawnFigure],
    seconds: float,
    claims_need: str = "",
    tables: Sequence[TextTable] = (),
    notes: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Written:
    """Write figures (PNG, PDF), ``claims.json`` (``.csv``, ``.tex``) and ``report.html``.

    Args:
        folder: where to.
        prepared: model and texts.
        command: ``evaluate``, ``select``, ``prune`` or ``attention``.
        lead: what was found, in a sentence or two.
        figures: in the order of the page.
        seconds: how long measuring took.
        claims_need: what must have been asked for that there are claims, in words; empty where there always are.
        tables: below the figures.
        notes: above all; which rows were left out, which texts spell control tokens, and that there are few draws, or
            no claims, is added.
        settings: what else to name under "Where this ran", in front of what all measurements name.
    """
    sections = [
        FigureSection(
            name=one.name,
            title=one.title,
            caption=one.caption,
            finding=one.finding,
            settings={},
            svg=save_figure(one.figure, folder.path, one.name, label=one.title),
            claims=one.claims,
            seconds=seconds,
            notes=one.notes,
        )
        for one in figures
    ]
    claims = [claim for one in figures for claim in one.claims]
    found = [*notes, *prepared.asked.left_out.notes(), *_read_as_text(prepared)]
    if claims_need and not claims:
        found.append(f"No claim was judged: that takes {claims_need}.")
    if prepared.settings.draws < FEW_DRAWS:
        found.append(
            f"With {prepared.settings.draws} draw(s) the intervals say little of other demonstrations: ask for more "
            "--draws; what is finished is kept."
        )
    page = Report(
        over=f"iclscope llm {command}",
        title=prepared.title,
        lead=lead,
        figures=sections,
        tables=tables,
        notes=found,
        environment={**(settings or {}), **_named(prepared)},
        counted=("draw", "draws"),
        questions=OF_A_LANGUAGE_MODEL,
    )
    for name, content in {**claims_files(claims), "report.html": render_page(page)}.items():
        folder.write(name, content)
    return Written(claims, found)


def _read_as_text(prepared: Prepared) -> list[str]:
    """That texts, labels or the format spell control tokens."""
    asked, form = prepared.asked, prepared.format
    written = (*asked.pool.texts, *asked.queries.texts, *asked.classes, *form.model_dump().values())
    count, names = spelled_out(prepared.language_model.reader, written)
    if count == 0:
        return []
    return [
        f"{count} of the texts, labels and parts of the format spell {', '.join(names)}: read as text, not as "
        "the control token."
    ]


def _named(prepared: Prepared) -> dict[str, str]:
    """Settings that all measurements share, versions and device."""
    settings = prepared.settings
    return {
        "model": f"{prepared.language_model.source.name} ({prepared.language_model.kind})",
        "weights in": str(prepared.language_model.model.dtype).removeprefix("torch."),
        "queries": f"{len(prepared.asked.queries.texts)} of {prepared.asked.name}",
        "pool": f"{len(prepared.asked.pool.texts)} texts",
        "labels": ", ".join(prepared.asked.classes),
        "format": repr(settings.format.query + settings.format.label)[1:-1],
        "draws of demonstrations": str(settings.draws),
        "seed": str(settings.seed),
        **environment(prepared.language_model.device),
        "transformers": version("transformers"),
    }


def percent(interval: Interval) -> str:
    """A rate with its interval, in per cent: ``82.5 [76.1, 88.9]``."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
