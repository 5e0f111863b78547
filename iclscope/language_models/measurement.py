"""A measurement on a language model: what it asks, in which units, and what the rows mean; and what runs any of them.

The folder of a measurement keeps the rows of each unit as soon as it is finished; an interrupted run goes on from them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.crossed import at_level
from iclscope.core.progress import progress_bar
from iclscope.core.settings import Settings
from iclscope.language_models.looks import LOOK_LEVEL, Look, looks_note
from iclscope.language_models.measurement_result import MeasurementResult
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.too_long import Fitted
from iclscope.language_models.report import Interpretation, RowsT, write_report
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.settings import LOOKS, REFUSE, ByLabels

Progress = Callable[[int, int], None]
"""Called with the number of prompts read so far, and the total."""

SettingsT = TypeVar("SettingsT", bound=Settings)


@dataclass(frozen=True)
class Unit:
    """What is measured at a time, and kept when it is finished.

    Attributes:
        name: of its part in the folder.
        tags: the columns that tell its rows from those of other units.
        prompts: how many prompts it reads; what reads none is the same whichever queries are left out.
        turn: units of a smaller number are measured first.
        table: which table its rows belong to.
    """

    name: str
    tags: Mapping[str, Any] = field(compare=False)
    prompts: int = field(compare=False)
    turn: int = field(default=0, compare=False)
    table: str = "rows"


class Measurement(ABC, Generic[SettingsT, RowsT]):
    """What is asked of a model, and what comes of it.

    Attributes:
        command: its name.
        about: what is measured, in words.
        claims_need: what must be asked for that there are claims, in words; empty where there always are.
        by_answers: whether answers are all it needs of a model, so that one behind an address can be measured.
        prepared: model and texts.
        settings: what to measure.
        folder: where finished parts are kept; None: nowhere.
    """

    command: ClassVar[str]
    about: ClassVar[str]
    claims_need: ClassVar[str] = ""
    by_answers: ClassVar[bool] = False

    def __init__(self, prepared: Prepared, settings: SettingsT, folder: RunFolder | None = None) -> None:
        """Nothing is read yet.

        Raises:
            BadRequest: if it cannot be measured.
        """
        self.prepared, self.settings, self.folder = prepared, settings, folder

    @classmethod
    def noted(cls, prepared: Prepared, settings: SettingsT) -> Mapping[str, Any]:
        """All of the settings that decides the rows, ready for JSON.

        Args:
            prepared: model and texts.
            settings: what to measure.

        Raises:
            BadRequest: if what they name cannot be read.
        """
        del prepared  # of some measurements it says what a name stands for
        return settings.model_dump(mode="json", exclude={"label_score"})

    @abstractmethod
    def units(self, prepared: Prepared) -> list[Unit]:
        """All that is measured, in the order of the rows.

        Args:
            prepared: with the queries that are asked.
        """

    @abstractmethod
    def fit(self) -> Fitted[Any]:
        """Choose all demonstrations, and see that all prompts fit.

        Raises:
            BadRequest: as `fit_prompts`.
        """

    @abstractmethod
    def run(self, fitted: Fitted[Any], unit: Unit, on_progress: OnProgress | None) -> pl.DataFrame:
        """The rows of a unit, without its tags.

        Args:
            fitted: the prompts, of `fit`.
            unit: one of `units`.
            on_progress: called with the number of prompts read.
        """

    def results(self, tables: Mapping[str, pl.DataFrame]) -> Mapping[str, pl.DataFrame]:
        """The tables that are written, by the names of their files: those of the units, or what comes of them."""
        return tables

    @abstractmethod
    def interpretation(self, fitted: Fitted[Any], tables: Mapping[str, pl.DataFrame]) -> Interpretation[RowsT]:
        """What the rows say.

        Args:
            fitted: the prompts.
            tables: of the units, and those of `results`.
        """

    @abstractmethod
    def claims(self, tables: Mapping[str, pl.DataFrame]) -> Sequence[JudgedClaim]:
        """Judge the rows.

        Args:
            tables: of the units, and those of `results`.
        """

    def units_to_check(self, units: Iterable[Unit]) -> list[Unit]:
        """The units whose prompts must fit: where nothing is left out or dropped, those that are not finished."""
        if self.folder is None or self.prepared.settings.too_long != REFUSE:
            return list(units)
        return [unit for unit in units if self.folder.finished(unit.name) is None]


class _Counter:
    """Counts prompts for whoever watches."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        """Nothing is read yet; ``total`` prompts are to be."""
        self._read, self._total, self._progress = 0, total, progress

    def add(self, count: int) -> None:
        """So many more were read."""
        self._read += count
        if self._progress is not None:
            self._progress(min(self._read, self._total), self._total)


def unit_tables(
    measurement: Measurement[Any, Any], *, fitted: Fitted[Any] | None = None, on_progress: OnProgress | None = None
) -> dict[str, pl.DataFrame]:
    """Measure all units that are not finished.

    Args:
        measurement: what to measure; its folder, if it has one, has begun.
        fitted: of its `fit`; None: found now.
        on_progress: called with the number of prompts read.

    Returns:
        All rows by table, in the order of the units, behind their tags.

    Raises:
        BadRequest: if a prompt is too long; nothing has been read then.
    """
    fits = measurement.fit() if fitted is None else fitted
    every = measurement.units(fits.prepared)
    found: dict[Unit, pl.DataFrame] = {}
    for unit in sorted(every, key=lambda unit: unit.turn):
        make = partial(measurement.run, fits, unit, on_progress)
        part = make() if measurement.folder is None else _place(measurement.folder, fits, unit).part(unit.name, make)
        found[unit] = part.select(*(pl.lit(value).alias(name) for name, value in unit.tags.items()), pl.all())
    parts: dict[str, list[pl.DataFrame]] = {}
    for unit in every:
        parts.setdefault(unit.table, []).append(found[unit])
    # Parts that an older version left may lack a column.
    return {table: pl.concat(rows, how="diagonal") for table, rows in parts.items()}


def measure(
    measurement: Measurement[Any, RowsT], *, progress: Progress | bool | None = None
) -> MeasurementResult[RowsT]:
    """Measure, and write the rows, ``claims.json``, ``report.html`` and the figure into the folder of the measurement.

    Args:
        measurement: what to measure; what is finished in its folder, if it has one, is not measured again.
        progress: whether to show a bar, or a function that is called with the number of prompts read so far and the
            total; None: a bar in a terminal and in a notebook.

    Raises:
        BadRequest: if a prompt is too long, or another command is at work in the folder; nothing has been read or
            written then.
    """
    began, fitted = time.monotonic(), measurement.fit()  # what is refused leaves no folder
    folder = measurement.folder
    with nullcontext() if folder is None else folder.reserved():
        return _measured(measurement, fitted, folder, began, progress)


def _measured(
    measurement: Measurement[Any, RowsT],
    fitted: Fitted[Any],
    folder: RunFolder | None,
    began: float,
    progress: Progress | bool | None,
) -> MeasurementResult[RowsT]:
    """Do it, in a folder that nobody else writes to."""
    sampled, looks = fitted.prepared.settings, list[Look]()
    note = _noted(measurement, fitted.prepared)
    if folder is not None:
        folder.begin(note)
    for draws in LOOKS if sampled.until_decided else (sampled.draws,):
        fitted = _with_draws(fitted, draws)
        tables = _tables(measurement, fitted, folder, progress)
        if not sampled.until_decided:
            break
        with at_level(LOOK_LEVEL):
            looks.append(Look(draws, measurement.claims(tables)))
        if folder is not None:
            folder.begin({**note, "looks": [one.noted() for one in looks]})
        if looks[-1].is_decided:
            break
    claims = looks[-1].claims if looks else measurement.claims(tables)
    interpretation = measurement.interpretation(fitted, tables)
    if looks:
        interpretation = replace(interpretation, notes=[*interpretation.notes, looks_note(looks)])
    notes = write_report(
        folder,
        fitted.prepared,
        interpretation,
        claims,
        command=measurement.command,
        about=measurement.about,
        claims_need=measurement.claims_need,
        seconds=time.monotonic() - began,
    )
    return MeasurementResult(interpretation.rows, claims, interpretation.tables, notes, interpretation.extra)


def _noted(measurement: Measurement[Any, Any], prepared: Prepared) -> dict[str, Any]:
    """What the folder notes beside the settings."""
    settings, found = measurement.settings, dict[str, Any]()
    if isinstance(settings, ByLabels):
        found = {"label score": settings.label_score, "labels": prepared.sampled.classes}
    if prepared.agreement is not None:
        found["precision"] = prepared.agreement._asdict()
    return found


def _with_draws(fitted: Fitted[Any], draws: int) -> Fitted[Any]:
    """The same prompts, of the first draws only."""
    prepared = fitted.prepared
    return replace(fitted, prepared=prepared._replace(settings=prepared.settings.model_copy(update={"draws": draws})))


def _tables(
    measurement: Measurement[Any, Any], fitted: Fitted[Any], folder: RunFolder | None, progress: Progress | bool | None
) -> dict[str, pl.DataFrame]:
    """Measure what is not finished, and write the tables."""
    units = measurement.units(fitted.prepared)
    total = sum(
        unit.prompts for unit in units if folder is None or _place(folder, fitted, unit).finished(unit.name) is None
    )
    shown = None if callable(progress) else progress
    with progress_bar("prompts", total, show=False if callable(progress) else shown) as advance:
        add = _Counter(total, progress).add if callable(progress) else advance
        tables = unit_tables(measurement, fitted=fitted, on_progress=add)
    results = measurement.results(tables)
    for name, rows in results.items():
        if folder is not None:
            folder.write_rows(rows, name)
    return {**tables, **results}


def _place(folder: RunFolder, fitted: Fitted[Any], unit: Unit) -> RunFolder:
    """Where the part of a unit is kept."""
    return folder.marked(fitted.mark) if unit.prompts else folder
