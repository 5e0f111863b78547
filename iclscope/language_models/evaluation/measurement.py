"""Whole measurements: rows, claims, figures and a page, in a folder that an interrupted run goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.language_models.evaluation.report import accuracy_text, evaluate_figure
from iclscope.language_models.evaluation.rows import EvaluateSettings, Unit, evaluate_rows, fit_evaluation, units
from iclscope.language_models.prompts.format import CONTENT_FREE
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.too_long import Fitted
from iclscope.language_models.prompts.undecided import undecided_notes
from iclscope.language_models.report import write_report
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import check_shots
from iclscope.language_models.selectors.at_random import AT_RANDOM

Progress = Callable[[int, int], None]
"""Is told how many prompts have been read, of how many."""


class Done(NamedTuple):
    """A finished measurement.

    Attributes:
        rows: a row per query and setting.
        claims: what was judged.
        notes: what a reader must know.
    """

    rows: pl.DataFrame
    claims: Sequence[JudgedClaim]
    notes: Sequence[str]


class Counter:
    """Counts prompts for whoever watches."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        """Nothing is read yet; ``total`` prompts are to be."""
        self._read, self._total, self._progress = 0, total, progress

    def add(self, count: int) -> None:
        """So many more were read."""
        self._read += count
        if self._progress is not None:
            self._progress(min(self._read, self._total), self._total)


def evaluation(
    prepared: Prepared, settings: EvaluateSettings, folder: RunFolder, *, progress: Progress | None = None
) -> Done:
    """Evaluate a model, and write ``rows.parquet``, ``claims.json``, ``report.html`` and the figure.

    Args:
        prepared: model and texts.
        settings: what to evaluate.
        folder: where to; what is finished there is not measured again.
        progress: is told how far it is.

    Raises:
        BadRequest: if the pool is too small or a prompt too long; nothing has been asked or written then.
    """
    began = time.monotonic()
    check_shots(prepared.asked, settings.shots)
    fitted = fit_evaluation(prepared, settings, folder)
    folder.begin({"label score": settings.label_score, "labels": prepared.asked.classes})
    every = units(settings, prepared.settings.draws)
    counter = Counter(prompts_to_ask(every, fitted, folder), progress)
    rows = evaluate_rows(prepared, settings, folder, fitted=fitted, told=counter.add)
    prepared = fitted.prepared
    folder.write_rows(rows)
    judged = judged_by(rows, settings.label_score)
    figure = evaluate_figure(prepared, judged)
    written = write_report(
        folder,
        prepared,
        command="evaluate",
        lead=f"Accuracy of in-context learning against the number of demonstrations: {figure.finding}",
        figures=[figure],
        tables=[accuracy_text(judged)],
        claims_need="0 and a larger number among --shots",
        notes=[*fitted.notes, *label_notes(prepared.asked.classes, settings.label_score), *undecided_notes(rows)],
        settings={"labels compared by": compared_by(settings.label_score)},
        seconds=time.monotonic() - began,
    )
    return Done(rows, *written)


def prompts_to_ask(every: Sequence[Unit], fitted: Fitted[Unit], folder: RunFolder) -> int:
    """How many prompts are read until all units are finished."""
    parts = folder.marked(fitted.mark)
    return sum(prompts_of(fitted.prepared, unit) for unit in every if parts.finished(unit.name) is None)


def prompts_of(prepared: Prepared, unit: Unit) -> int:
    """How many prompts a unit reads, those without content among them."""
    count = len(prepared.asked.queries.texts)
    return count + len(CONTENT_FREE) if unit.selector in AT_RANDOM else count * (1 + len(CONTENT_FREE))
