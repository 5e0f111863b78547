"""The rows of all trials that were ever measured, found by the trial's hash and by what it was tested on.

    store.json            which layout this is
    rows/NAME.parquet     the rows of trials that were trained together
    trained/HASH.safetensors    their weights, where they are kept
    reserved/NAME.lock    who is at work on what, in a local folder; elsewhere NAME.0, NAME.1, … (`leases`)

A file of rows appears whole or not at all, is named by the hashes of what it holds, and is never changed. So any number
of processes may add to a store, and whatever is in it is finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import time
import uuid
from collections.abc import Iterable, Sequence

import polars as pl
from polars.exceptions import PanicException, PolarsError

from iclscope import __version__
from iclscope.core.errors import BadRequest, StorageFailed, unusable
from iclscope.core.files import check_writable, parquet_table, remove_leftovers
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.execution.units import PlannedTest, PlannedTrial

FORMAT = 1
"""The layout of a store. Raised when files of the old one could be misread."""

NOTE, ROWS, TRAINED, RESERVED = "store.json", "rows", "trained", "reserved"
MARK = "iclscope store"

METRICS = ("hinge_risk", "classification_error", "squared_error")
SCHEMA = pl.Schema(
    {
        "trial": pl.String,
        "asked": pl.String,
        "length": pl.Int64,
        "prompts": pl.Int64,
        **{f"{metric}{end}": pl.Float64 for metric in METRICS for end in ("", "_se")},
        "stopped_at": pl.Int64,
        "diverged_at": pl.Int64,
        "iclscope": pl.String,
        "git": pl.String,
        "device": pl.String,
        "seconds": pl.Float64,
        "settings": pl.String,
    }
)
"""The columns of every file of rows: the trial's hash, that of the test, what was measured, and with what.

``settings`` is the trial as JSON, so that a store explains itself.
"""

_NAME = re.compile(r"rows/[0-9a-f]{24}\.parquet")
_READ = [name for name in SCHEMA if name != "settings"]


class RowStore:
    """A store of rows at one address.

    Attributes:
        files: where it is.
        id: tells it from other stores, whose addresses may differ only in what is not shown; made with the store, and
            known once it has been opened. None: a folder of an earlier version, which its path tells from others.
        damaged: names of files of rows that cannot be read; their trials count as missing.
        foreign: names of files among the rows that are not of iclscope; they are left alone.
    """

    def __init__(self, files: StoreFiles) -> None:
        self.files = files
        self.id: str | None = None
        self.damaged: list[str] = []
        self.foreign: list[str] = []
        self._known: set[str] = set()
        self._held: set[bytes] = set()
        self._looked_at = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Refuse a store that this version would misread; nothing is written.

        Raises:
            BadRequest: saying what to do.
            StorageFailed: if the address cannot be read.
        """
        try:
            content = self.files.read(NOTE)
        except FileNotFoundError:
            if any(_NAME.fullmatch(name) for name in self.files.names(ROWS)):
                raise self._refusal(f"it holds rows but no {NOTE}, so their layout is unknown") from None
            return
        try:
            note = json.loads(content)
        except (ValueError, RecursionError):
            note = None
        if not isinstance(note, dict) or note.get("made by") != MARK:
            raise self._refusal(f"its {NOTE} is not of iclscope")
        found, maker = note.get("format"), note.get("iclscope")
        if found == FORMAT:
            self.id = note["id"] if isinstance(note.get("id"), str) else None
            return
        newer = isinstance(found, int) and found > FORMAT
        advice = "a newer iclscope" if newer else f"iclscope {maker} to read it"
        raise self._refusal(
            f"it has layout {found!r} of iclscope {maker}, and iclscope {__version__} reads layout {FORMAT}; "
            f"use {advice}, or another store"
        )

    def open(self) -> None:
        """Make the store, if it is new, and find out what it holds.

        Raises:
            BadRequest: as `check`, or if it cannot be written to.
        """
        self.check()
        if self.files.local is not None:
            check_writable(self.files.local, "store")
            if (self.files.local / ROWS).exists():
                check_writable(self.files.local / ROWS, "store")
        try:
            # Elsewhere only writing tells whether one may; what is written is the same again.
            if self.files.local is None or not self.files.has(NOTE):
                self.id = self.id or uuid.uuid4().hex
                note = {"made by": MARK, "format": FORMAT, "iclscope": __version__, "id": self.id}
                self.files.write(NOTE, (json.dumps(note) + "\n").encode())
        except StorageFailed as error:
            raise self._refusal(f"it cannot be written to ({error})") from error
        if self.files.local is not None:
            remove_leftovers(self.files.local / name for name in ("", ROWS, TRAINED, RESERVED))
        self.refresh()

    def _refusal(self, reason: str) -> BadRequest:
        return unusable("store", self.files.address, reason)

    def refresh(self, *, after: float = 0.0) -> None:
        """Look for rows that other processes have added.

        Args:
            after: only if this many seconds have passed since the last time.
        """
        if after and time.monotonic() - self._looked_at < after:
            return
        self._looked_at = time.monotonic()
        for name in self.files.names(ROWS):
            if name in self._known:
                continue
            if not _NAME.fullmatch(name):
                self.foreign.append(name)
                self._known.add(name)
                continue
            rows = self._read(name)
            if rows is None:
                self.damaged.append(name)
                self._known.add(name)
            else:
                self._note(name, rows)

    def holds(self, trial_hash: str, test_hash: str) -> bool:
        """Whether the rows of a trial on a test are there."""
        return _key(trial_hash, test_hash) in self._held

    def missing(self, planned: Sequence[PlannedTrial]) -> tuple[list[PlannedTrial], list[int]]:
        """The trials of a group that lack rows, and the numbers of the tests that any of them lacks."""
        numbers = range(len(planned[0].tests)) if planned else range(0)
        lacking = {
            number: [place for place, one in enumerate(planned) if not self._holds(one, one.tests[number])]
            for number in numbers
        }
        places = sorted({place for found in lacking.values() for place in found})
        return [planned[place] for place in places], [number for number, found in lacking.items() if found]

    def _holds(self, one: PlannedTrial, test: PlannedTest) -> bool:
        return self.holds(one.trial.hash, test.hash)

    def look_for(self, trials: Iterable[tuple[str, str]]) -> None:
        """See whether another process has added exactly these rows, without listing all there are.

        Args:
            trials: pairs of the hashes of a trial and a test.
        """
        name = _name(trials)
        if name not in self._known and self.files.has(name):
            rows = self._read(name)
            if rows is not None:
                self._note(name, rows)

    def add(self, rows: pl.DataFrame) -> None:
        """Add the rows of trials that were trained together, all or none.

        Args:
            rows: with the columns of `SCHEMA`.

        Raises:
            StorageFailed: if they cannot be written.
        """
        name = _name(zip(rows["trial"], rows["asked"], strict=True))
        content = io.BytesIO()
        rows.select(*SCHEMA, *other_metrics(rows)).write_parquet(content, compression="zstd")
        self.files.write(name, content.getvalue())
        with self._lock:
            if name in self.damaged:
                self.damaged.remove(name)
        self._note(name, rows)

    def rows(self, hashes: Iterable[str] | None = None) -> pl.DataFrame:
        """All rows, but for their ``settings``; of a trial and test that two processes measured at once, the first.

        Args:
            hashes: of the trials that are wanted; None: all.
        """
        wanted = None if hashes is None else set(hashes)
        tables = []
        for name in sorted(self._known):
            if name in self.damaged or name in self.foreign:
                continue
            rows = self._read(name)
            if rows is None:
                raise StorageFailed(f"{self.files.address}/{name} can no longer be read; run the same command again")
            tables.append(rows if wanted is None else rows.filter([trial in wanted for trial in rows["trial"]]))
        if not tables:
            return pl.DataFrame(schema={name: SCHEMA[name] for name in _READ})
        return pl.concat(tables, how="diagonal").unique(["trial", "asked", "length"], keep="first", maintain_order=True)

    def _note(self, name: str, rows: pl.DataFrame) -> None:
        keys = {_key(trial, asked) for trial, asked in zip(rows["trial"], rows["asked"], strict=True)}
        with self._lock:
            self._known.add(name)
            self._held |= keys

    def _read(self, name: str) -> pl.DataFrame | None:
        """A file of rows; None if it is damaged or is not what its name says."""
        try:
            rows = parquet_table(self.files.read(name)).drop("settings", strict=False)
        except (PolarsError, PanicException, FileNotFoundError):
            return None
        found = {column: kind for column, kind in rows.schema.items() if column in SCHEMA}
        if found != {column: SCHEMA[column] for column in _READ} or set(rows.columns) - {*_READ, *other_metrics(rows)}:
            return None
        return rows if _name(zip(rows["trial"], rows["asked"], strict=True)) == name else None


def other_metrics(rows: pl.DataFrame) -> list[str]:
    """The columns of what is measured on tasks of other packages: each metric with its standard error."""
    others = [name for name in rows.columns if name not in SCHEMA and rows.schema[name] == pl.Float64]
    return [name for name in others if f"{name}_se" in others or name.removesuffix("_se") in others]


def _key(trial_hash: str, test_hash: str) -> bytes:
    return hashlib.blake2b(f"{trial_hash} {test_hash}".encode(), digest_size=16).digest()


def _name(pairs: Iterable[tuple[str, str]]) -> str:
    """The file of the rows of these trials on these tests."""
    text = "\n".join(sorted({f"{trial} {test}" for trial, test in pairs}))
    return f"{ROWS}/{hashlib.sha256(text.encode()).hexdigest()[:24]}.parquet"
