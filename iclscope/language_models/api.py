"""The four measurements as functions; each does what the command of its name does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iclscope.core.errors import require
from iclscope.core.files import user_path
from iclscope.core.settings import Settings
from iclscope.language_models.evaluation.measurement import Done, Progress, evaluation
from iclscope.language_models.evaluation.rows import EvaluateSettings
from iclscope.language_models.heads.measurement import AttentionDone, attention_measurement
from iclscope.language_models.heads.prompts import AttentionSettings
from iclscope.language_models.models.fingerprint import encoder_hash
from iclscope.language_models.models.loading import ModelSource
from iclscope.language_models.prompts.label_lengths import DEFAULT
from iclscope.language_models.prompts.prepared import Prepared, TextMeasurement, prepare
from iclscope.language_models.pruning.measurement import PruneDone, Save, check_save, pruning
from iclscope.language_models.pruning.rows import PruneSettings
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selection.measurement import SelectDone, selection
from iclscope.language_models.selection.rows import SelectSettings
from iclscope.language_models.selectors import SELECTORS, SeenTexts, SelectorOptions
from iclscope.language_models.texts.in_memory import kind_of


def results_folder(
    command: str, prepared: Prepared, settings: Settings, out: str | Path | None = None, *, force: bool = False
) -> RunFolder:
    """The folder of a measurement's results.

    Args:
        command: ``evaluate``, ``select``, ``prune`` or ``attention``.
        prepared: model and texts.
        settings: of the measurement.
        out: where to; None: ``results/llm/COMMAND-MODEL-DATA``.
        force: make everything anew, also over other settings.

    Raises:
        BadRequest: if the folder holds other files or results of other settings, or ``--embeddings`` names no model.
    """
    name = f"{command}-{prepared.language_model.name}-{prepared.asked.name}"
    noted = {"command": command, **prepared.noted(), **settings.model_dump(mode="json", exclude={"label_score"})}
    if isinstance(settings, SelectSettings) and settings.options.embeddings is not None:
        noted["embeddings"] = encoder_hash(
            SeenTexts(prepared.language_model, prepared.asked, options=settings.options).encoder
        )
    return RunFolder(Path("results") / "llm" / name if out is None else user_path(out, "--out"), noted, force=force)


def evaluate(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    shots: int | Sequence[int] = (0, 2, 4, 8, 16),
    selectors: str | Sequence[str] = ("balanced",),
    label_score: str = DEFAULT,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> Done:
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
        force: make everything anew.
        progress: is told how many prompts have been read, of how many.
        **asked: what else a `TextMeasurement` has: ``format``, ``queries``, ``draws``, ``seed``, ``test``,
            ``words``, ``encoding``, …

    Raises:
        BadRequest: if it cannot be done.
    """
    given: dict[str, Any] = {"shots": shots, "selectors": selectors, "label_score": label_score}
    settings = EvaluateSettings(**given)
    prepared = _prepared(model, data, asked)
    return evaluation(
        prepared, settings, results_folder("evaluate", prepared, settings, out, force=force), progress=progress
    )


def select(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    selectors: str | Sequence[str] = SELECTORS,
    shots: int | Sequence[int] = (2, 4, 8, 16),
    options: SelectorOptions | None = None,
    explain: int = 0,
    label_score: str = DEFAULT,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> SelectDone:
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
    prepared = _prepared(model, data, asked)
    folder = results_folder("select", prepared, settings, out, force=force)
    return selection(prepared, settings, folder, explain=explain, progress=progress)


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
) -> PruneDone:
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
    settings = PruneSettings() if settings is None else settings
    require(isinstance(settings, PruneSettings), "settings", kind_of(settings), "PruneSettings(rates=…, …)")
    save = Save(user_path(save, "save")) if isinstance(save, (str, os.PathLike)) else save
    require(save is None or isinstance(save, Save), "save", kind_of(save), "a folder, or Save(folder, rate, score)")
    if save is not None:
        save = save._replace(folder=user_path(save.folder, "--save"))
        check_save(save, settings)
    prepared = _prepared(model, data, asked)
    folder = results_folder("prune", prepared, settings, out, force=force)
    return pruning(prepared, settings, folder, save=save, progress=progress)


def attention(
    model: str | Path | ModelSource,
    data: Any = "words",
    *,
    shots: int = 8,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> AttentionDone:
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
    settings = AttentionSettings(shots=shots)
    prepared = _prepared(model, data, asked)
    folder = results_folder("attention", prepared, settings, out, force=force)
    return attention_measurement(prepared, settings, folder, progress=progress)


def _prepared(model: object, data: object, asked: dict[str, Any]) -> Prepared:
    """Check and load what is asked for.

    Raises:
        BadRequest: if it cannot be done.
    """
    named = isinstance(model, (str, os.PathLike, ModelSource))
    require(named, "MODEL", kind_of(model), "a hub name, a folder, a GGUF file, or a ModelSource")
    return prepare(TextMeasurement(model=model, data=data, **asked))
