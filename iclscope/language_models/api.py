"""The measurements as functions; each does what the command of its name does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import polars as pl

from iclscope.core.errors import require
from iclscope.core.files import user_path
from iclscope.language_models.dilution.measurement import Dose
from iclscope.language_models.dilution.settings import RANDOM, DoseSettings
from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.heads.measurement import Attention
from iclscope.language_models.measurement import Progress
from iclscope.language_models.measurement_result import MeasurementResult
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.pruning.measurement import Pruning, save_unmeasured
from iclscope.language_models.pruning.rows import PruneRows
from iclscope.language_models.pruning.save import Save, Saved, check_save
from iclscope.language_models.requests import AnyModel, TextOptions, run_measurement, text_measurement
from iclscope.language_models.selection.measurement import Selection
from iclscope.language_models.settings import (
    SELECTORS,
    SUM,
    AttentionSettings,
    EvaluateSettings,
    LabelScore,
    PruneSettings,
    SelectorName,
    SelectorOptions,
    SelectSettings,
)
from iclscope.language_models.texts.in_memory import kind_of


def evaluate(
    model: AnyModel,
    data: Any = "words",
    *,
    shots: int | Sequence[int] = (0, 2, 4, 8, 16),
    selectors: SelectorName | Sequence[SelectorName] = ("balanced",),
    label_score: LabelScore = SUM,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
    **texts: Unpack[TextOptions],
) -> MeasurementResult[pl.DataFrame]:
    """Accuracy and calibrated accuracy against the number of demonstrations: ``iclscope llm evaluate``.

    Args:
        model: a hub name, a folder, a GGUF file, a `ModelSource`, or a model from `load` or `prune`.
        data: ``words``, a file, a folder, a data frame (polars, pandas), a ``pyarrow.Table``, a ``Dataset`` or a
            ``DatasetDict``, with columns ``text`` and ``label``, or those that the options of these names say.
        shots: numbers of demonstrations, or one.
        selectors: how they are chosen; one or more names.
        label_score: what labels are compared by: ``sum``, ``token`` (mean per token) or ``character``; the rows have
            all three, so that nothing is measured again for another.
        out: a folder for rows, claims, figure and report; what is finished there is not measured again. None: nothing
            is written.
        force: recompute everything in that folder.
        progress: whether to show a bar, or a function that is called with the number of prompts read so far and the
            total; None: a bar in a terminal and in a notebook.
        **texts: the texts and queries, see `TextOptions`.

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "selectors": selectors, "label_score": label_score}
    return run_measurement(Evaluation, model, data, EvaluateSettings(**given), out, force, progress, texts)


def compare_selectors(
    model: AnyModel,
    data: Any = "words",
    *,
    selectors: SelectorName | Sequence[SelectorName] = SELECTORS,
    shots: int | Sequence[int] = (2, 4, 8, 16),
    options: SelectorOptions | None = None,
    explain: int = 0,
    label_score: LabelScore = SUM,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
    **texts: Unpack[TextOptions],
) -> MeasurementResult[pl.DataFrame]:
    """Accuracy with each selector of demonstrations at equal shots: ``iclscope llm select``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`.
        selectors: which to compare; one or more names.
        shots: numbers of demonstrations, or one.
        options: how selectors look at texts; None: the defaults.
        explain: for how many queries to say which demonstrations were taken and why.
        label_score: as for `evaluate`.
        out: as for `evaluate`.
        force: as for `evaluate`.
        progress: as for `evaluate`.
        **texts: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "selectors": selectors, "label_score": label_score}
    settings = SelectSettings(**given, options=SelectorOptions() if options is None else options)
    return run_measurement(Selection, model, data, settings, out, force, progress, texts, explain=explain)


def dose(
    model: AnyModel,
    data: Any = "words",
    *,
    irrelevant: Any = None,
    labels: str = RANDOM,
    shots: int | Sequence[int] = (4, 8, 16, 32),
    alphas: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    label_score: str = SUM,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
    **texts: Unpack[TextOptions],
) -> MeasurementResult[pl.DataFrame]:
    """Measure the error against the share of relevant demonstrations: ``iclscope llm dose``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`.
        irrelevant: texts of another kind, as ``data``; None: ``words``.
        labels: of the irrelevant demonstrations: ``random``, ``flipped`` or ``fixed``.
        shots: numbers of demonstrations, or one.
        alphas: shares of them that are about the task.
        label_score: as for `evaluate`.
        out: as for `evaluate`.
        force: as for `evaluate`.
        progress: as for `evaluate`.
        **texts: as for `evaluate`.

    Returns:
        What was measured; ``sentences`` says how many demonstrations may be irrelevant.

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "alphas": tuple(alphas), "labels": labels, "label_score": label_score}
    return run_measurement(Dose, model, data, DoseSettings(irrelevant=irrelevant, **given), out, force, progress, texts)


def measure_pruning(
    model: AnyModel,
    data: Any = "words",
    *,
    settings: PruneSettings | None = None,
    save: Save | str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
    **texts: Unpack[TextOptions],
) -> MeasurementResult[PruneRows]:
    """What is lost and saved without some MLP neurons: ``iclscope llm prune``. The model given is never changed.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`.
        settings: rates, scores and how they are measured; None: the defaults.
        save: what smaller checkpoint to write where; a folder alone: the recommended one; None: none.
        out: as for `evaluate`.
        force: as for `evaluate`.
        progress: as for `evaluate`.
        **texts: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    settings = _checked(PruneSettings() if settings is None else settings)
    save = Save(user_path(save, "save")) if isinstance(save, (str, os.PathLike)) else save
    require(save is None or isinstance(save, Save), "save", kind_of(save), "a folder, or Save(folder, rate, score)")
    if save is not None:
        save = save._replace(folder=user_path(save.folder, "--save"))
        check_save(save, settings)
    return run_measurement(Pruning, model, data, settings, out, force, progress, texts, save=save)


def save_pruned(
    model: AnyModel,
    data: Any = "words",
    *,
    save: str | Path,
    settings: PruneSettings,
    **texts: Unpack[TextOptions],
) -> Saved:
    """A smaller checkpoint, and nothing measured: ``iclscope llm prune --save DIR --save-rate R --save-score NAME``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`; neurons are scored on its demonstrations.
        save: a new or an empty folder.
        settings: one rate and one score, and how neurons are scored.
        **texts: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    check_save(Save(folder := user_path(save, "--save")), _checked(settings))
    loaded = model if isinstance(model, LanguageModel) else None
    return save_unmeasured(prepare(text_measurement(model, data, texts), loaded), settings, folder)


def attention(
    model: AnyModel,
    data: Any = "words",
    *,
    shots: int = 8,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
    **texts: Unpack[TextOptions],
) -> MeasurementResult[pl.DataFrame]:
    """Where each head looks from the query: ``iclscope llm attention``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`.
        shots: demonstrations per prompt.
        out: as for `evaluate`.
        force: as for `evaluate`.
        progress: as for `evaluate`.
        **texts: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    return run_measurement(Attention, model, data, AttentionSettings(shots=shots), out, force, progress, texts)


def _checked(settings: PruneSettings) -> PruneSettings:
    require(isinstance(settings, PruneSettings), "settings", kind_of(settings), "PruneSettings(rates=…, …)")
    return settings
