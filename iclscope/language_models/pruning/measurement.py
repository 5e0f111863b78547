"""The whole measurement of `iclscope llm prune`: rows, costs, a recommendation, a page, and a smaller checkpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from iclscope import __version__
from iclscope.claims.claim import JudgedClaim
from iclscope.core.errors import require
from iclscope.language_models.evaluation.measurement import Counter, Progress
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.prompts.format import CONTENT_FREE
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.pruning.claims import RATE, prune_claims
from iclscope.language_models.pruning.cost import cost_rows
from iclscope.language_models.pruning.figure import costs_text, points_text, prune_figure
from iclscope.language_models.pruning.losses import Point, Recommendation, prune_points, recommend
from iclscope.language_models.pruning.neuron_scores import resolved_norm
from iclscope.language_models.pruning.pruned import check_empty, check_saveable, pruned_model, save_checkpoint
from iclscope.language_models.pruning.rows import (
    ASKED,
    READ,
    Neurons,
    PruneRows,
    PruneSettings,
    Unit,
    fit_pruning,
    part_name,
    prune_rows,
    reads_texts,
    units,
)
from iclscope.language_models.pruning.rows import removed_neurons as count_removed
from iclscope.language_models.report import write_report
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import check_shots
from iclscope.study.pages.page import TextTable

RECOMMENDED = "recommended"


class Save(NamedTuple):
    """What smaller model is written where.

    Attributes:
        folder: a new or an empty one.
        rate: one of those measured; None: the recommended one.
        score: one of those measured; None: the recommended one, else the first.
    """

    folder: Path
    rate: float | None = None
    score: str | None = None


class Saved(NamedTuple):
    """A checkpoint that was written.

    Attributes:
        folder: where to.
        score: by what neurons were chosen.
        rate: the share that was removed.
        bytes_on_disk: of its weights.
    """

    folder: Path
    score: str
    rate: float
    bytes_on_disk: int


class PruneDone(NamedTuple):
    """A finished measurement.

    Attributes:
        rows: of answers and texts.
        costs: of `cost_rows`, with ``rate``; None if nothing was timed.
        points: means with intervals.
        claims: what was judged.
        recommendation: what to remove.
        saved: the checkpoint; None if none was asked for, or none recommended.
        notes: what a reader must know.
    """

    rows: PruneRows
    costs: pl.DataFrame | None
    points: Sequence[Point]
    claims: Sequence[JudgedClaim]
    recommendation: Recommendation
    saved: Saved | None
    notes: Sequence[str]


def check_save(save: Save, settings: PruneSettings, out: Path | None = None) -> None:
    """Refuse what cannot be saved, before anything is computed.

    Args:
        save: what is asked for.
        settings: what is measured.
        out: the folder of results; None: not known yet.

    Raises:
        BadRequest: if the folder is not empty or holds the results, or the score or rate is not measured.
    """
    check_empty(save.folder)
    if save.rate is not None:
        allowed = f"{RECOMMENDED}, or one of --rates: {', '.join(f'{rate:g}' for rate in settings.rates)}"
        require(save.rate in settings.rates, "--save-rate", save.rate, allowed)
    if save.score is not None:
        require(
            save.score in settings.scores, "--save-score", save.score, f"one of --score: {', '.join(settings.scores)}"
        )
    if out is not None:
        apart = not out.resolve().is_relative_to(save.folder.resolve())
        require(apart, "--save", str(save.folder), f"a folder that does not hold the results in {out}")


def pruning(
    prepared: Prepared,
    settings: PruneSettings,
    folder: RunFolder,
    *,
    save: Save | None = None,
    progress: Progress | None = None,
) -> PruneDone:
    """Prune a model by each score and rate, and write rows, ``claims.json``, ``report.html`` and the figure.

    Args:
        prepared: model and texts; the model stays as it is.
        settings: what to remove.
        folder: where to; what is finished there is not measured again.
        save: what smaller model to write; None: none.
        progress: is told how far it is.

    Raises:
        BadRequest: if the model's MLPs are of no known layout, a rate leaves nothing, or the checkpoint cannot be saved
            as asked, or a prompt is too long; nothing has been computed or written then.
    """
    began = time.monotonic()
    if save is not None:
        check_save(save, settings, folder.path)
        check_saveable(prepared.language_model)
    neurons = Neurons(prepared, settings, folder)
    check_shots(prepared.asked, [settings.shots])
    fitted = fit_pruning(prepared, settings, folder)
    prepared = fitted.prepared
    folder.begin({"label score": settings.label_score, "labels": prepared.asked.classes})
    parts = folder.marked(fitted.mark)
    counter = Counter(_prompts_to_read(prepared, settings, parts, len(neurons.texts.held_out)), progress)
    rows = prune_rows(prepared, settings, folder, neurons=neurons, fitted=fitted, told=counter.add)
    folder.write_rows(rows.answers)
    folder.write_rows(rows.texts, "texts")
    costs = _costs(prepared, settings, folder, neurons) if settings.timings > 0 else None
    labels = prepared.asked.queries.labels
    chance = max(labels.count(label) for label in set(labels)) / len(labels)
    judged = rows._replace(answers=judged_by(rows.answers, settings.label_score))
    points = prune_points(judged)
    recommendation = recommend(points, chance, queries=len(labels))
    saved = None if save is None else _saved(prepared, settings, neurons, save, points, recommendation)
    figure = prune_figure(points, chance, prune_claims(judged), recommendation.reason)
    written = write_report(
        folder,
        prepared,
        command="prune",
        lead=f"What is lost when neurons of the MLPs are removed: {recommendation.reason}",
        figures=[figure],
        tables=_tables(points, costs),
        claims_need=f"{RATE:g} among --rates, and magnitude beside largest or activation beside random",
        notes=[
            *fitted.notes,
            *neurons.texts.notes,
            *recommendation.warnings,
            *label_notes(prepared.asked.classes, settings.label_score),
        ],
        seconds=time.monotonic() - began,
        settings=_named(prepared, settings, neurons) | _named_saved(saved),
    )
    return PruneDone(rows, costs, points, written.claims, recommendation, saved, written.notes)


def _prompts_to_read(prepared: Prepared, settings: PruneSettings, folder: RunFolder, texts: int) -> int:
    todo = 0
    for unit in units(settings, prepared.settings.draws):
        if folder.finished(part_name(ASKED, unit)) is None:
            todo += len(prepared.asked.queries.texts) + len(CONTENT_FREE)
        if reads_texts(unit) and folder.finished(part_name(READ, unit)) is None:
            todo += texts
    return todo


def _costs(prepared: Prepared, settings: PruneSettings, folder: RunFolder, neurons: Neurons) -> pl.DataFrame:
    width = mlp_layout(prepared.language_model).width

    def measured() -> pl.DataFrame:
        counts = [count_removed(rate, width) for rate in settings.rates]
        rows = cost_rows(prepared.language_model, counts, neurons.texts.held_out[0], repeats=settings.timings)
        return rows.with_columns(rate=pl.Series(settings.rates))

    rows = folder.part("costs", measured)
    folder.write_rows(rows, "costs")
    return rows


def _saved(
    prepared: Prepared,
    settings: PruneSettings,
    neurons: Neurons,
    save: Save,
    points: Sequence[Point],
    recommendation: Recommendation,
) -> Saved | None:
    score = save.score or recommendation.score or settings.scores[0]
    rate = save.rate
    if rate is None:
        rate = (
            recommendation.rate if save.score in (None, recommendation.score) else recommendation.rates.get(score, 0.0)
        )
    if rate == 0:
        return None
    kept = neurons.kept(Unit(score, rate, 0))
    point = next(point for point in points if (point.score, point.rate) == (score, rate))
    note: dict[str, Any] = {
        "made by": "iclscope llm prune",
        "iclscope": __version__,
        "model": prepared.language_model.name,
        "data": prepared.asked.name,
        "score": score,
        "rate": rate,
        "neurons per layer": {"before": kept.shape[1], "after": int(kept[0].sum())},
        "calibrated accuracy": point.calibrated[:3],
        "loss of calibrated accuracy": point.loss[:3],
    }
    size = save_checkpoint(pruned_model(prepared.language_model, kept), save.folder, note)
    return Saved(save.folder, score, rate, size)


def _tables(points: Sequence[Point], costs: pl.DataFrame | None) -> list[TextTable]:
    return [points_text(points), *([] if costs is None else [costs_text(costs)])]


def _named_saved(saved: Saved | None) -> dict[str, str]:
    if saved is None:
        return {}
    removed = f"{100 * saved.rate:g} % of the neurons removed by {saved.score}"
    return {"saved": f"{removed}, {saved.bytes_on_disk / 1e6:.1f} MB of weights"}


def _named(prepared: Prepared, settings: PruneSettings, neurons: Neurons) -> dict[str, str]:
    norm = resolved_norm(mlp_layout(prepared.language_model), settings.norm)
    tokens = [sum(len(row) for row in part) for part in (neurons.texts.scored, neurons.texts.held_out)]
    return {
        "labels compared by": compared_by(settings.label_score),
        "demonstrations": f"{settings.shots}, balanced",
        "magnitude": f"{norm} weights",
        "activation": f"on {len(neurons.texts.scored)} prompts of demonstrations, {tokens[0]} tokens",
        "perplexity": f"on {len(neurons.texts.held_out)} others, {tokens[1]} tokens",
    }
