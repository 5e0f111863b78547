"""The whole measurement of `iclscope llm select`: rows, claims, figure, tables, and a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.language_models.evaluation.measurement import Counter, Progress, prompts_to_ask
from iclscope.language_models.models.hidden_states import middle_layer
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.undecided import undecided_notes
from iclscope.language_models.report import write_report
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selection.explanation import explanations
from iclscope.language_models.selection.figure import select_figure, select_text, shots_text
from iclscope.language_models.selection.rows import SelectSettings, fit_selection, narrowed, see, select_rows, units
from iclscope.language_models.selectors import check_shots
from iclscope.study.pages.page import TextTable

_EXPLAINED = 2


class SelectDone(NamedTuple):
    """A finished measurement.

    Attributes:
        rows: of `select_rows`.
        claims: what was judged.
        tables: accuracies, and shots needed.
        explained: which demonstrations the first queries were given, a table each.
        notes: what a reader must know.
    """

    rows: pl.DataFrame
    claims: Sequence[JudgedClaim]
    tables: Sequence[TextTable]
    explained: Sequence[TextTable]
    notes: Sequence[str]


def selection(
    prepared: Prepared,
    settings: SelectSettings,
    folder: RunFolder,
    *,
    explain: int = 0,
    progress: Progress | None = None,
) -> SelectDone:
    """Compare selectors, and write ``rows.parquet``, ``claims.json``, ``report.html`` and the figure.

    Args:
        prepared: model and texts.
        settings: what to compare.
        folder: where to; what is finished there is not measured again.
        explain: of how many queries the demonstrations are told; the page shows two at least.
        progress: is told how far it is.

    Raises:
        BadRequest: if there are too few candidates, or a prompt is too long; nothing has been asked or written then.
    """
    began = time.monotonic()
    prepared = narrowed(prepared, settings)
    seen = see(prepared, settings)
    check_shots(prepared.asked, settings.shots)
    fitted = fit_selection(prepared, settings, seen, folder)
    if fitted.left_out:
        prepared = fitted.prepared
        seen = see(prepared, settings)
    folder.begin({"label score": settings.label_score, "labels": prepared.asked.classes})
    every = units(settings, prepared.settings.draws)
    counter = Counter(prompts_to_ask(every, fitted, folder), progress)
    rows = select_rows(prepared, settings, seen, folder, fitted=fitted, told=counter.add)
    folder.write_rows(rows)
    explained = explanations(seen, settings, prepared.settings.seed, max(explain, _EXPLAINED), fitted.choices)
    judged = judged_by(rows, settings.label_score)
    figure, tables = select_figure(judged), [select_text(judged), shots_text(judged)]
    options = settings.options
    layer = middle_layer(prepared.language_model)
    written = write_report(
        folder,
        prepared,
        command="select",
        lead=f"Which demonstrations help: {figure.finding}",
        figures=[figure],
        tables=[*tables, *explained],
        seconds=time.monotonic() - began,
        claims_need="balanced and pattern among the selectors",
        notes=[
            *fitted.notes,
            "Selectors that look at the query choose among a random half of the pool, another in each draw; intervals "
            "tell how much the pool matters.",
            *undecided_notes(rows),
            *label_notes(prepared.asked.classes, settings.label_score),
        ],
        settings={
            "labels compared by": compared_by(settings.label_score),
            "patterns": f"{options.patterns}, by k-means of the last token's hidden state behind layer {layer}",
            "likeness by": options.embeddings
            or f"the model's own hidden states: mean over tokens behind layer {layer}",
        },
    )
    return SelectDone(rows, written.claims, tables, explained[:explain], written.notes)
