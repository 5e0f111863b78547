"""What a sweep left in its folder, read back: its rows, which columns were varied, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from iclscope.core.errors import BadRequest, one_of_these
from iclscope.core.files import read_parquet, user_path
from iclscope.core.refusals import advice, closest_of, refusal
from iclscope.execution.run_folder import read_note
from iclscope.sweeps.file.known_settings import PARTS
from iclscope.sweeps.sweep_folder import ROWS, SWEEP

TEST = "test"
"""The column of the test's name, and the first part of the names of settings that a test varies."""

LENGTH = "length"
STOPPED_AT = "stopped_at"
STANDARD_ERROR = "_se"
"""Behind the name of what was measured: its standard error."""

_KEYS = {
    "seed": pl.Int64,
    "trial": pl.String,
    TEST: pl.String,
    "prompts": pl.Int64,
    LENGTH: pl.Int64,
    STOPPED_AT: pl.Int64,
    "diverged_at": pl.Int64,
}
_SWEEP_FOLDER = "the folder of a sweep's results, e.g. results/sweeps/NAME"
_MOST_NAMED = 5


def sweep_rows(folder: str | Path) -> pl.DataFrame:
    """The rows of a sweep as a data frame.

    They are the plain Parquet file ``rows.parquet`` of the folder, which any other reader of Parquet takes too.

    Args:
        folder: the folder of the sweep's results, for instance "results/sweeps/zhang2024".

    Returns:
        One row per trial, test and context length; docs/sweeps.md says what the columns hold.

    Raises:
        BadRequest: if the folder holds no sweep, no rows yet, or rows that cannot be read.
    """
    return load_results(folder).rows


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep.

    Attributes:
        folder: where its results are.
        name: what it is called.
        question: what it asks, for a reader; may be empty.
        drawn: whether its points were drawn (a random or a Sobol design) and are no grid.
        rows: its table.
        failed: how many of its trials failed and have no rows.
    """

    folder: Path
    name: str
    question: str
    drawn: bool
    rows: pl.DataFrame
    failed: int = 0

    @property
    def settings(self) -> tuple[str, ...]:
        """The columns of varied settings, by dotted name; those of tests last."""
        return tuple(name for name in self.rows.columns if is_setting(name))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The columns of what was measured on tests."""
        columns = self.rows.columns
        return tuple(name for name in columns if f"{name}{STANDARD_ERROR}" in columns)

    @property
    def tests(self) -> tuple[str, ...]:
        """The names of the tests."""
        return tuple(self.rows[TEST].unique(maintain_order=True).to_list())

    @property
    def has_stopped_runs(self) -> bool:
        """Whether any training met its target risk."""
        return not self.rows[STOPPED_AT].is_null().all()

    def setting_named(self, name: str, option: str) -> str:
        """A varied setting by its name, or by the end of it (``alpha`` for ``task.alpha``) where only one has it.

        Args:
            name: what was asked for; ``length`` is the context length of the rows, where it is several.
            option: what it was given as.

        Raises:
            BadRequest: if no varied setting has this name, or several have.
        """
        known = [*self.settings, *([LENGTH] if has_lengths(self.rows, self.settings) else [])]
        if name in known:
            return name
        found = [full for full in known if full.endswith(f".{name}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise BadRequest(f"{option} = {name!r} could be {' or '.join(found)}; write one of them")
        by_end = {full.rpartition(".")[2]: full for full in reversed(known)}
        closest = closest_of(name, known) or by_end.get(closest_of(name, by_end) or "")
        hint = f"; did you mean {closest}?" if closest else ""
        raise refusal(option, name, f"{one_of_these(known) or 'none, as this sweep varies nothing'}{hint}")

    def metric_named(self, name: str, option: str) -> str:
        """What was measured under a name; ``stopped_at`` where a training met its target.

        Raises:
            BadRequest: if nothing was.
        """
        known = [*self.metrics, *([STOPPED_AT] if self.has_stopped_runs else [])]
        if name not in known:
            raise refusal(option, name, one_of_these(known) + advice(name, known))
        return name

    def test_named(self, name: str, option: str) -> str:
        """A test by its name.

        Raises:
            BadRequest: if there is no such test.
        """
        if name not in self.tests:
            named = ", ".join(self.tests[:_MOST_NAMED]) + (", …" if len(self.tests) > _MOST_NAMED else "")
            raise refusal(option, name, f"{named}{advice(name, self.tests)}")
        return name


def is_setting(column: str) -> bool:
    """Whether a column of the table is a varied setting: ``task.alpha``, ``model``, ``test.alpha``."""
    first, dot, _ = column.partition(".")
    return first in PARTS or (first == TEST and dot != "")


def has_lengths(rows: pl.DataFrame, settings: Sequence[str]) -> bool:
    """Whether one model was tested with several context lengths in one test."""
    together = rows.group_by("trial", TEST, *settings).agg(pl.col(LENGTH).n_unique())
    return bool((together[LENGTH] > 1).any())


def load_results(folder: str | Path) -> SweepResults:
    """Read the results of a sweep.

    Args:
        folder: the folder of its results.

    Raises:
        BadRequest: if the folder holds no sweep, no rows yet, or rows that cannot be read.
    """
    path = user_path(folder, "DIR")
    try:
        note = _note(path)
        rows = _rows(path)
    except OSError as error:
        raise refusal("DIR", str(path), f"{_SWEEP_FOLDER}; it cannot be read: {error.strerror or error}") from error
    sweep = note.get("sweep")
    asked: dict[str, Any] = sweep if isinstance(sweep, dict) else {}
    design = asked.get("design")
    kind = design.get("kind") if isinstance(design, dict) else design
    return SweepResults(
        folder=path,
        name=str(note.get("name") or path.name),
        question=" ".join(str(asked.get("question") or "").split()),
        drawn=kind in ("random", "sobol"),
        rows=rows,
        failed=_failed(note),
    )


def _failed(note: Mapping[str, Any]) -> int:
    """How many trials failed, of what ``sweep.json`` says; notes of earlier versions do not speak of it."""
    noted = note.get("failed")
    jobs = [job for job in noted if isinstance(job, dict)] if isinstance(noted, list) else []
    return sum(len(job["trials"]) for job in jobs if isinstance(job.get("trials"), list))


def _note(path: Path) -> dict[str, Any]:
    """What ``sweep.json`` says."""
    if not path.exists():
        beside = [entry.name for entry in path.parent.iterdir() if entry.is_dir()] if path.parent.is_dir() else []
        closest = closest_of(path.name, beside)
        hint = f"; did you mean {path.parent / closest}?" if closest else ""
        raise refusal("DIR", str(path), f"{_SWEEP_FOLDER}; this does not exist{hint}")
    if not path.is_dir():
        hint = f"; did you mean {path.parent}?" if (path.parent / SWEEP.note).is_file() else ""
        raise refusal("DIR", str(path), f"{_SWEEP_FOLDER}; this is a file{hint}")
    if not (path / SWEEP.note).is_file():
        raise refusal("DIR", str(path), f"{_SWEEP_FOLDER}; {_what_it_is(path)}")
    note = read_note(path, SWEEP)
    if note is None:
        raise refusal("DIR", str(path), f"{_SWEEP_FOLDER}; its {SWEEP.note} is not of iclscope")
    return note


def _what_it_is(path: Path) -> str:
    """What a folder is that is none of a sweep."""
    if (path / "run.json").is_file() and (path / "claims.json").is_file():
        return f"this is one of iclscope reproduce: see {path / 'report.html'}"
    below = sorted(entry.name for entry in path.iterdir() if (entry / SWEEP.note).is_file())
    if below:
        named = ", ".join(str(path / name) for name in below[:_MOST_NAMED])
        return f"this holds {named}{', …' if len(below) > _MOST_NAMED else ''}"
    return f"this has no {SWEEP.note}"


def _rows(path: Path) -> pl.DataFrame:
    """The table, with every column that reading it relies on."""
    file = path / ROWS
    if not file.is_file():
        raise BadRequest(_no_rows(path))
    try:
        rows = read_parquet(file)
    except pl.exceptions.PolarsError as error:
        raise refusal("DIR", str(path), f"{_again(path)}; its {ROWS} is damaged or no Parquet") from error
    for name, kind in _KEYS.items():
        held = rows.schema.get(name)
        if held != kind:
            what = f"has no column {name}" if held is None else f"has a column {name} of {held}"
            raise refusal("DIR", str(path), f"{_again(path)}; its {ROWS} is not of this version: it {what}")
    if rows.is_empty():
        raise BadRequest(_no_rows(path))
    for name in rows.columns:
        metric = name.removesuffix(STANDARD_ERROR)
        if metric != name and not all(rows.schema.get(one, pl.String).is_float() for one in (metric, name)):
            what = f"it has {name} but no numbers in {metric} and {name}"
            raise refusal("DIR", str(path), f"{_again(path)}; its {ROWS} is not of this version: {what}")
    if not any(name.endswith(STANDARD_ERROR) for name in rows.columns):
        raise refusal("DIR", str(path), f"{_again(path)}; its {ROWS} is not of this version: nothing was measured")
    return rows


def _no_rows(path: Path) -> str:
    return f"DIR = {str(path)!r} has no rows yet: run its sweep to the end (the same iclscope sweep command goes on)"


def _again(path: Path) -> str:
    return f"a sweep whose table can be read; remove {path / ROWS} and run iclscope sweep again"
