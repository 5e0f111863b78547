"""The whole measurement of `iclscope llm attention`: rows, claims, maps of heads, and a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.language_models.evaluation.measurement import Counter, Progress
from iclscope.language_models.heads.claims import attention_claims
from iclscope.language_models.heads.concentration import LEAST_MASS, heads_table
from iclscope.language_models.heads.figure import attention_figure, heads_text
from iclscope.language_models.heads.prompts import AttentionSettings, Queries, fit_attention, measured_queries, units
from iclscope.language_models.heads.rows import attention_rows
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.report import write_report
from iclscope.language_models.run_folder import RunFolder


class AttentionDone(NamedTuple):
    """A finished measurement.

    Attributes:
        heads: of `heads_table`.
        claims: what was judged.
        notes: what a reader must know.
    """

    heads: pl.DataFrame
    claims: Sequence[JudgedClaim]
    notes: Sequence[str]


def attention_measurement(
    prepared: Prepared, settings: AttentionSettings, folder: RunFolder, *, progress: Progress | None = None
) -> AttentionDone:
    """Measure where queries look, and write ``rows.parquet``, ``claims.json``, ``report.html`` and the maps.

    ``rows.parquet`` has a row per head, arm and kind of token; what each query gave stays in the finished parts.

    Args:
        prepared: model and texts; the model stays as it is.
        settings: what to measure.
        folder: where to; what is finished there is not measured again.
        progress: is told how far it is.

    Raises:
        BadRequest: if there are too few demonstrations or queries, a prompt is too long, or the model does not show its
            attention.
    """
    began = time.monotonic()
    fitted = fit_attention(prepared, settings, folder)
    prepared = fitted.prepared
    queries = measured_queries(prepared.asked, prepared.settings.seed)
    folder.begin()
    parts = folder.marked(fitted.mark)
    todo = [unit for unit in units(prepared.settings.draws) if parts.finished(unit.name) is None]
    counter = Counter(len(todo) * len(queries.places), progress)
    rows = attention_rows(prepared, settings, folder, fitted=fitted, told=counter.add)
    table = heads_table(rows)
    folder.write_rows(table)
    figure = attention_figure(table, attention_claims(rows))
    written = write_report(
        folder,
        prepared,
        command="attention",
        lead=f"Attention from a query to the demonstrations of its label: {figure.finding}",
        figures=[figure],
        tables=[heads_text(table)],
        notes=[*fitted.notes, *_notes(queries)],
        seconds=time.monotonic() - began,
        settings={
            "demonstrations": f"{settings.shots}, balanced",
            "queries measured": str(len(queries.places)),
            "heads ranked first": f"those that give demonstrations at least {LEAST_MASS:g} of their attention",
        },
    )
    return AttentionDone(table, *written)


def _notes(queries: Queries) -> list[str]:
    if not queries.left_out:
        return []
    return [f"Too few queries to measure, and left out: those labelled {', '.join(queries.left_out)}."]
