"""The measurements as functions; each does what the command of its name does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from iclscope.core.addresses import shown_address
from iclscope.core.errors import require
from iclscope.core.files import user_path
from iclscope.core.settings import Settings
from iclscope.execution.run_folder import read_note
from iclscope.language_models.dilution.measurement import Dose, noted_settings
from iclscope.language_models.dilution.settings import RANDOM, DoseSettings
from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.heads.measurement import Attention
from iclscope.language_models.measurement import Measurement, MeasurementResult, Progress, measure
from iclscope.language_models.models.fingerprint import encoder_hash
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.pruning.measurement import Pruning, save_unmeasured
from iclscope.language_models.pruning.rows import PruneRows
from iclscope.language_models.pruning.save import Save, Saved, check_save
from iclscope.language_models.report import RowsT
from iclscope.language_models.run_folder import MEASUREMENT, RunFolder
from iclscope.language_models.selection.measurement import Selection
from iclscope.language_models.selectors import TextFeatures
from iclscope.language_models.settings import (
    SELECTORS,
    SUM,
    AttentionSettings,
    EvaluateSettings,
    ModelSource,
    PruneSettings,
    SelectorOptions,
    SelectSettings,
    TextMeasurement,
)
from iclscope.language_models.texts.in_memory import kind_of


def planned(
    kind: type[Measurement[Any, RowsT]],
    asked: TextMeasurement,
    settings: Settings,
    out: str | Path | None = None,
    *,
    force: bool = False,
    **more: Any,
) -> Measurement[Any, RowsT]:
    """A measurement with its model, its texts and its folder, ready for `measure`.

    Args:
        kind: which measurement.
        asked: of which model, with which texts.
        settings: of the measurement.
        out: the folder of results; None: ``results/llm/COMMAND-MODEL-DATA``.
        force: recompute everything, even over results of other settings.
        **more: what this measurement alone takes.

    Raises:
        BadRequest: if it cannot be measured, or the folder holds other files or results of other settings.
    """
    where = None if out is None else user_path(out, "--out")
    at = asked.model.api
    require(at is None or kind.by_answers, "--api", shown_address(at or ""), "evaluate and dose, which need no weights")

    def noted(model: str, data: str) -> Mapping[str, Any]:
        place = _default_folder(kind.command, model, data) if where is None else where
        return {} if force else read_note(place, MEASUREMENT) or {}

    prepared = prepare(asked, noted=noted)
    return kind(prepared, settings, results_folder(kind.command, prepared, settings, where, force=force), **more)


def results_folder(
    command: str, prepared: Prepared, settings: Settings, out: str | Path | None = None, *, force: bool = False
) -> RunFolder:
    """The folder of a measurement's results.

    Args:
        command: ``evaluate``, ``select``, ``dose``, ``prune`` or ``attention``.
        prepared: model and texts.
        settings: of the measurement.
        out: where to; None: ``results/llm/COMMAND-MODEL-DATA``.
        force: recompute everything, even over results of other settings.

    Raises:
        BadRequest: if the folder holds other files or results of other settings, or ``--embeddings`` names no model.
    """
    own = (
        noted_settings(prepared, settings)
        if isinstance(settings, DoseSettings)
        else settings.model_dump(mode="json", exclude={"label_score"})
    )
    noted = {"command": command, **prepared.noted(), **own}
    if isinstance(settings, SelectSettings) and settings.options.embeddings is not None:
        seen = TextFeatures(prepared.language_model, prepared.sampled, options=settings.options)
        noted["embeddings"] = encoder_hash(seen.encoder)
    usual = _default_folder(command, prepared.language_model.name, prepared.sampled.name)
    return RunFolder(usual if out is None else Path(out), noted, force=force)


def _default_folder(command: str, model: str, data: str) -> Path:
    return Path("results") / "llm" / f"{command}-{model}-{data}"


def evaluate(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    shots: int | Sequence[int] = (0, 2, 4, 8, 16),
    selectors: str | Sequence[str] = ("balanced",),
    label_score: str = SUM,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> MeasurementResult[pl.DataFrame]:
    """Accuracy and calibrated accuracy against the number of demonstrations: ``iclscope llm evaluate``.

    Args:
        model: a hub name, a folder, a GGUF file, or a `ModelSource`.
        data: ``words``, a file, a folder, a data frame (polars, pandas), a ``Dataset`` or a ``DatasetDict``;
            `load_task` says more.
        shots: numbers of demonstrations, or one.
        selectors: how they are chosen; one or more names.
        label_score: what labels are compared by: ``sum``, ``token`` (mean per token) or ``character``; the rows have
            all three, so that nothing is measured again for another.
        out: where to; what is finished there is not measured again.
        force: recompute everything.
        progress: called with the number of prompts read so far and the total.
        **asked: what else a `TextMeasurement` has: ``format``, ``queries``, ``draws``, ``seed``, ``test``,
            ``words``, ``encoding``, …

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "selectors": selectors, "label_score": label_score}
    settings, wanted = EvaluateSettings(**given), _asked(model, data, asked)
    return measure(planned(Evaluation, wanted, settings, out, force=force), progress=progress)


def select(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    selectors: str | Sequence[str] = SELECTORS,
    shots: int | Sequence[int] = (2, 4, 8, 16),
    options: SelectorOptions | None = None,
    explain: int = 0,
    label_score: str = SUM,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> MeasurementResult[pl.DataFrame]:
    """Selectors of demonstrations at equal shots: ``iclscope llm select``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`.
        selectors: which to compare; one or more names.
        shots: numbers of demonstrations, or one.
        options: how selectors look at texts; None: the defaults.
        explain: for how many queries to tell which demonstrations were taken and why.
        label_score: as for `evaluate`.
        out: as for `evaluate`.
        force: as for `evaluate`.
        progress: as for `evaluate`.
        **asked: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "selectors": selectors, "label_score": label_score}
    settings = SelectSettings(**given, options=SelectorOptions() if options is None else options)
    measurement = planned(Selection, _asked(model, data, asked), settings, out, force=force, explain=explain)
    return measure(measurement, progress=progress)


def dose(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    irrelevant: Any = None,
    labels: str = RANDOM,
    shots: int | Sequence[int] = (4, 8, 16, 32),
    alphas: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    label_score: str = SUM,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> MeasurementResult[pl.DataFrame]:
    """Error against the share of relevant demonstrations: ``iclscope llm dose``.

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
        **asked: as for `evaluate`.

    Returns:
        What was measured; ``sentences`` says how many demonstrations may be irrelevant.

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "alphas": tuple(alphas), "labels": labels, "label_score": label_score}
    settings = DoseSettings(irrelevant=irrelevant, **given)
    return measure(planned(Dose, _asked(model, data, asked), settings, out, force=force), progress=progress)


def prune(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    settings: PruneSettings | None = None,
    save: Save | str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
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
        **asked: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    settings = _checked(PruneSettings() if settings is None else settings)
    save = Save(user_path(save, "save")) if isinstance(save, (str, os.PathLike)) else save
    require(save is None or isinstance(save, Save), "save", kind_of(save), "a folder, or Save(folder, rate, score)")
    if save is not None:
        save = save._replace(folder=user_path(save.folder, "--save"))
        check_save(save, settings)
    measurement = planned(Pruning, _asked(model, data, asked), settings, out, force=force, save=save)
    return measure(measurement, progress=progress)


def save_pruned(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    save: str | Path,
    settings: PruneSettings,
    **asked: Any,
) -> Saved:
    """A smaller checkpoint, and nothing measured: ``iclscope llm prune --save DIR --save-rate R --save-score NAME``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`; neurons are scored on its demonstrations.
        save: a new or an empty folder.
        settings: one rate and one score, and how neurons are scored.
        **asked: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    check_save(Save(folder := user_path(save, "--save")), _checked(settings))
    return save_unmeasured(prepare(_asked(model, data, asked)), settings, folder)


def attention(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    shots: int = 8,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> MeasurementResult[pl.DataFrame]:
    """Where each head looks from the query: ``iclscope llm attention``.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`.
        shots: demonstrations per prompt.
        out: as for `evaluate`.
        force: as for `evaluate`.
        progress: as for `evaluate`.
        **asked: as for `evaluate`.

    Raises:
        BadRequest: if it cannot be done.
    """
    settings, wanted = AttentionSettings(shots=shots), _asked(model, data, asked)
    return measure(planned(Attention, wanted, settings, out, force=force), progress=progress)


def _checked(settings: PruneSettings) -> PruneSettings:
    require(isinstance(settings, PruneSettings), "settings", kind_of(settings), "PruneSettings(rates=…, …)")
    return settings


def _asked(model: object, data: object, asked: dict[str, Any]) -> TextMeasurement:
    named = isinstance(model, (str, os.PathLike, ModelSource))
    require(named, "MODEL", kind_of(model), "a hub name, a folder, a GGUF file, or a ModelSource")
    return TextMeasurement(model=model, data=data, **asked)
