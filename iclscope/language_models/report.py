"""What a measurement on a language model leaves in its folder: claims, a figure, and a page about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Generic, TypeVar

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)

# isort: split
from matplotlib.figure import Figure

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.intervals import Interval
from iclscope.core.environment import environment
from iclscope.language_models.models.remote import RemoteModel
from iclscope.language_models.models.shared_prefix import why_copied
from iclscope.language_models.prompts.format import CONTROL
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
FEW_DRAWS = 3

RowsT = TypeVar("RowsT")


@dataclass(frozen=True)
class DrawnFigure:
    """A figure that is to stand in a report.

    Attributes:
        name: short name, and that of its files.
        title: heading.
        caption: what it shows and how to read it.
        finding: one sentence computed from the rows.
        figure: what was drawn.
    """

    name: str
    title: str
    caption: str
    finding: str
    figure: Figure


@dataclass(frozen=True)
class Interpretation(Generic[RowsT]):
    """What the rows of a measurement say.

    Attributes:
        rows: the rows, as callers get them.
        figure: what is shown of them.
        tables: for the terminal, and below the figure on the page.
        appendix: tables of the page alone.
        notes: what a reader must know.
        settings: what else to name under "Where this ran".
        extra: by name, what this measurement alone has found.
    """

    rows: RowsT
    figure: DrawnFigure
    tables: Sequence[TextTable]
    appendix: Sequence[TextTable] = ()
    notes: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_report(
    folder: RunFolder | None,
    prepared: Prepared,
    interpretation: Interpretation[Any],
    claims: Sequence[JudgedClaim],
    *,
    command: str,
    about: str,
    claims_need: str,
    seconds: float,
) -> list[str]:
    """Write the figure (PNG, PDF), ``claims.json`` (``.csv``, ``.tex``) and ``report.html``.

    Args:
        folder: where to; None: nothing is written.
        prepared: model and texts.
        interpretation: of the rows.
        claims: judged on the rows.
        command: ``evaluate``, ``select``, ``prune`` or ``attention``.
        about: what was measured; it leads to what was found.
        claims_need: what must have been asked for that there are claims, in words; empty where there always are.
        seconds: how long measuring took.

    Returns:
        What a reader must know: beside the notes of the measurement, which rows were left out, which texts spell
        control tokens, and that there are few draws, or no claims.
    """
    drawn = interpretation.figure
    notes = [*interpretation.notes, *prepared.sampled.left_out.notes(), *_read_as_text(prepared)]
    if prepared.agreement is not None:
        notes.append(prepared.agreement.note)
    if claims_need and not claims:
        notes.append(f"No claim was judged: that takes {claims_need}.")
    if prepared.settings.draws < FEW_DRAWS:
        notes.append(
            f"With {prepared.settings.draws} draw(s) the intervals say little of other demonstrations: ask for more "
            "--draws; what is finished is kept."
        )
    if folder is None:
        return notes
    section = FigureSection(
        name=drawn.name,
        title=drawn.title,
        caption=drawn.caption,
        finding=drawn.finding,
        settings={},
        svg=save_figure(drawn.figure, folder.path, drawn.name, label=drawn.title),
        claims=claims,
        seconds=seconds,
        notes=(),
    )
    page = Report(
        over=f"iclscope llm {command}",
        title=prepared.title,
        lead=f"{about}: {drawn.finding}",
        figures=[section],
        tables=[*interpretation.tables, *interpretation.appendix],
        notes=notes,
        environment={**interpretation.settings, **_named(prepared)},
        counted=("draw", "draws"),
        questions=OF_A_LANGUAGE_MODEL,
    )
    for name, content in {**claims_files(claims), "report.html": render_page(page)}.items():
        folder.write(name, content)
    return notes


def _read_as_text(prepared: Prepared) -> list[str]:
    """That texts, labels or the format spell control tokens."""
    if isinstance(prepared.language_model, RemoteModel):
        return [
            f"{prepared.language_model.source.name} was asked at {prepared.language_model.address}: what it is there, "
            "and whether it stays the same, cannot be told."
        ]
    sampled, form = prepared.sampled, prepared.format
    of_format = () if prepared.settings.chat else form.model_dump().values()  # those of a template are meant
    written = (*sampled.pool.texts, *sampled.queries.texts, *sampled.classes, *of_format)
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
    computed: dict[str, str] = {}
    if not isinstance(prepared.language_model, RemoteModel):
        copied = why_copied(prepared.language_model)
        computed = {
            "weights in": str(prepared.language_model.model.dtype).removeprefix("torch."),
            "shared demonstrations": f"copied for each prompt: {copied}" if copied else "one copy for all prompts",
        }
    return {
        "model": f"{prepared.language_model.source.name} ({prepared.language_model.kind})",
        **computed,
        "queries": f"{len(prepared.sampled.queries.texts)} of {prepared.sampled.name}",
        "pool": f"{len(prepared.sampled.pool.texts)} texts",
        "labels": ", ".join(prepared.sampled.classes),
        "format": repr((settings.format.query + settings.format.label).replace(CONTROL, ""))[1:-1],
        "draws of demonstrations": str(settings.draws),
        "seed": str(settings.seed),
        **environment(prepared.language_model.device),
        "transformers": version("transformers"),
    }


def percent(interval: Interval) -> str:
    """A rate with its interval, in per cent: ``82.5 [76.1, 88.9]``."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
