"""What the functions and the commands share: which model, which texts, and where results go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from iclscope.core.addresses import shown_address
from iclscope.core.errors import Verbatim, require
from iclscope.core.files import user_path
from iclscope.core.settings import Settings
from iclscope.execution.run_folder import read_note
from iclscope.language_models.measurement import Measurement, Progress, measure
from iclscope.language_models.measurement_result import MeasurementResult
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.report import RowsT
from iclscope.language_models.run_folder import MEASUREMENT, RunFolder
from iclscope.language_models.settings import ModelSource, TextMeasurement, TooLong
from iclscope.language_models.texts.in_memory import kind_of

AnyModel = str | Path | ModelSource | LanguageModel
"""What a measurement is made on: a hub name, a folder, a GGUF file, a `ModelSource`, or what `load` or `prune` gave."""


class TextOptions(TypedDict, total=False):
    """What all measurements take about their texts.

    Attributes:
        test: where queries come from; left out: the data's own, or some are set aside.
        text: the column of texts.
        label: the column of labels.
        words: label in the data → word that the model should answer with.
        encoding: of text files; left out: UTF-8.
        format: how an example is written; a text alone is how it is written before its label.
        chat: whether demonstrations are turns of a chat, by the model's own template.
        queries: how many queries, at most; 200.
        draws: how many draws of demonstrations; 3.
        until_decided: look at the claims after 4, 8, 16 and 32 draws, and stop when all are decided.
        seed: of queries and draws; 0.
        too_long: "refuse", "skip" or "drop-shots".
    """

    test: Any
    text: str
    label: str
    words: Mapping[str, str]
    encoding: str | None
    format: str | PromptFormat
    chat: bool
    queries: int
    draws: int
    until_decided: bool
    seed: int
    too_long: TooLong


def planned(
    kind: type[Measurement[Any, RowsT]],
    wanted: TextMeasurement,
    settings: Settings,
    out: str | Path | None = None,
    *,
    model: LanguageModel | None = None,
    keep: bool = True,
    force: bool = False,
    **more: Any,
) -> Measurement[Any, RowsT]:
    """A measurement with its model, its texts and its folder, ready for `measure`.

    Args:
        kind: which measurement.
        wanted: of which model, with which texts.
        settings: of the measurement.
        out: the folder of results; None: ``results/llm/COMMAND-MODEL-DATA``.
        model: the model itself, where it is loaded already; None: that of ``wanted`` is loaded.
        keep: whether to write a folder at all.
        force: recompute everything, even over results of other settings.
        **more: what this measurement alone takes.

    Raises:
        BadRequest: if it cannot be measured, or the folder holds other files or results of other settings.
    """
    where = None if out is None else user_path(out, "--out")
    at = wanted.model.api
    require(at is None or kind.by_answers, "--api", shown_address(at or ""), "evaluate and dose, which need no weights")

    def noted(name: str, data: str) -> Mapping[str, Any]:
        place = _default_folder(kind.command, name, data) if where is None else where
        return {} if force or not keep else read_note(place, MEASUREMENT) or {}

    prepared = prepare(wanted, model, noted=noted)
    folder = results_folder(kind, prepared, settings, where, force=force) if keep else None
    return kind(prepared, settings, folder, **more)


def results_folder(
    kind: type[Measurement[Any, Any]],
    prepared: Prepared,
    settings: Settings,
    out: str | Path | None = None,
    *,
    force: bool = False,
) -> RunFolder:
    """The folder of a measurement's results.

    Args:
        kind: which measurement.
        prepared: model and texts.
        settings: of the measurement.
        out: where to; None: ``results/llm/COMMAND-MODEL-DATA``.
        force: recompute everything, even over results of other settings.

    Raises:
        BadRequest: if the folder holds other files or results of other settings, or settings name what cannot be
            read.
    """
    noted = {"command": kind.command, **prepared.noted(), **kind.noted(prepared, settings)}
    usual = _default_folder(kind.command, prepared.language_model.name, prepared.sampled.name)
    return RunFolder(usual if out is None else Path(out), noted, force=force)


def _default_folder(command: str, model: str, data: str) -> Path:
    return Path("results") / "llm" / f"{command}-{model}-{data}"


def run_measurement(
    kind: type[Measurement[Any, RowsT]],
    model: AnyModel,
    data: Any,
    settings: Settings,
    out: str | Path | None,
    force: bool,
    progress: Progress | bool | None,
    texts: Mapping[str, Any],
    **more: Any,
) -> MeasurementResult[RowsT]:
    """Run a measurement that was asked for from Python; a folder is written only if one is named."""
    require(out is not None or not force, "force", force, "False without out: there is nothing to recompute")
    loaded = model if isinstance(model, LanguageModel) else None
    wanted = text_measurement(model, data, texts)
    measurement = planned(kind, wanted, settings, out, model=loaded, keep=out is not None, force=force, **more)
    return measure(measurement, progress=progress)


def loaded_model(model: AnyModel) -> LanguageModel:
    """The model itself, loaded if it is only named.

    Raises:
        BadRequest: if it is none.
    """
    if isinstance(model, LanguageModel):
        return model
    _check_named(model)
    return load_language_model(model if isinstance(model, ModelSource) else os.fspath(model))


def text_measurement(model: object, data: object, texts: Mapping[str, Any]) -> TextMeasurement:
    """Which model, which texts: checked, nothing is read yet.

    Raises:
        BadRequest: if the model is none, or an option of the texts is not one.
    """
    _check_named(model)
    source = model.source if isinstance(model, LanguageModel) else model
    return TextMeasurement(model=source, data=data, **texts)


def _check_named(model: object) -> None:
    """Refuse what is no model, and say what to do with one of transformers: a file says what it is asked as."""
    named = isinstance(model, (str, os.PathLike, ModelSource, LanguageModel))
    parts = model if isinstance(model, tuple) else (model,)
    to_save = any(hasattr(part, "save_pretrained") for part in parts)
    hint = "; write it and its tokenizer into a folder with save_pretrained, and name that" if to_save else ""
    allowed = f"a hub name, a folder, a GGUF file, a ModelSource, or a model from load(){hint}"
    require(named, "MODEL", Verbatim(kind_of(model)), allowed)
