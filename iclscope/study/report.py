"""What a reproduction tells of the finished figures in its folder: claims judged, and the page."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.intervals import LEVEL
from iclscope.execution.failures import FATAL, reason_of
from iclscope.playground.build import page_html
from iclscope.study.experiment import Experiment, Preset, paper_named
from iclscope.study.folder import ResultFolder
from iclscope.study.pages.claims_files import claims_files
from iclscope.study.pages.page import FigureSection, Report, render_page
from iclscope.study.settings_table import conditions_of, settings_of
from iclscope.training.trial import Trial

REPORT, PLAYGROUND = "report.html", "playground.html"


class ReportContents(NamedTuple):
    """What was told.

    Attributes:
        claims: those of all finished figures, judged.
        missing: the figures asked for that are not finished, or that nothing can be told of.
        failed: why nothing can be told of those, by name, each in one line.
    """

    claims: Sequence[JudgedClaim]
    missing: Sequence[str]
    failed: Mapping[str, str]


def write_report(
    paper: str,
    names: Sequence[str],
    experiments: Mapping[str, Experiment],
    preset: Preset,
    folder: ResultFolder,
    trials_of: Mapping[str, Sequence[Trial]],
    finished: Mapping[str, pl.DataFrame],
) -> ReportContents:
    """Judge the claims of every finished figure, and write them and the page.

    Args:
        paper: short name.
        names: of all its figures, in the order of the report.
        experiments: the finished ones among them, by name.
        preset: of the results.
        folder: where they are.
        trials_of: the trials of each finished figure.
        finished: the rows of each.
    """
    failed: dict[str, str] = {}
    sections: list[FigureSection] = []
    claims: list[JudgedClaim] = []
    missing: list[str] = []
    unasked: list[str] = []
    for name in names:
        if name not in finished:
            (missing if name in trials_of else unasked).append(name)
            continue
        try:
            section = _section(paper, experiments[name], trials_of[name], preset, finished[name], folder)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 (a claim or a finding that cannot be told takes no other with it)
            missing.append(name)
            failed[name] = reason_of(error)
            folder.write_traceback(name, "".join(traceback.format_exception(error)))
            continue
        claims += section.claims
        sections.append(section)
    about = paper_named(paper)
    seeds, slow = len(preset.seeds), len(preset.seeds_of_slow_models)
    of_gpt2 = "" if slow == seeds else f" ({slow} of GPT-2)"
    page = Report(
        over=f"iclscope report on {paper}",
        title=about.title,
        citation=about.citation,
        facts=f"Preset {preset.name}, {seeds} seed{'s' * (seeds != 1)} per setting{of_gpt2}",
        about=about.facts,
        story=about.story,
        theorems=about.theorems,
        figures=sections,
        missing=missing,
        unasked=unasked,
        environment=folder.environment,
    )
    files = {**claims_files(claims), REPORT: render_page(page)}
    if any(section.scene for section in sections):
        files[PLAYGROUND] = page_html()
    for file, content in files.items():
        folder.write(file, content)
    return ReportContents(claims, missing, failed)


def _section(
    paper: str,
    experiment: Experiment,
    trials: Sequence[Trial],
    preset: Preset,
    rows: pl.DataFrame,
    folder: ResultFolder,
) -> FigureSection:
    """What the report says of a finished figure."""
    scene = paper_named(paper).scenes.get(experiment.name)
    return FigureSection(
        name=experiment.name,
        title=experiment.title,
        caption=experiment.caption,
        finding=experiment.finding(rows),
        settings=settings_of(trials, preset, rows),
        svg=folder.svg(experiment),
        claims=[claim.judged(paper, experiment.name, rows) for claim in experiment.claims],
        seconds=folder.figures[experiment.name]["seconds"],
        notes=_notes(rows),
        conditions=conditions_of(experiment, trials),
        scene="" if scene is None else f"{PLAYGROUND}#{scene}",
        distances=_distances(experiment, rows),
        opening=experiment.opening,
    )


def _distances(experiment: Experiment, rows: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Each curve's distance from the published one: its name, the mean and the largest difference."""
    if experiment.distances is None:
        return []
    found = experiment.distances(rows.filter(pl.col("arm") == "trained"), LEVEL)
    return [(name, *distance.told) for name, distance in found.items()]


def _notes(rows: pl.DataFrame) -> list[str]:
    """What a reader must know: runs that diverged."""
    if "diverged_at" not in rows.columns:  # rows that no group of trained models made
        return []
    diverged = rows.filter(pl.col("diverged_at").is_not_null()).select("seed", "diverged_at").unique().sort("seed")
    if diverged.is_empty():
        return []
    runs = ", ".join(f"seed {seed} at step {step}" for seed, step in diverged.iter_rows())
    return [f"Diverged (loss no longer finite), and left out of all intervals: {runs}."]
