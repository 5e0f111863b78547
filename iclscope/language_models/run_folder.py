"""The folder of a measurement on a language model: what is finished stays, and is not measured again."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from iclscope import __version__
from iclscope.core.errors import BadRequest, require
from iclscope.core.files import (
    check_writable,
    parquet_bytes,
    read_parquet,
    read_parquet_metadata,
    storage_failures,
    write_bytes,
    write_text,
)

MARK = "iclscope llm"
FORMAT = 2
"""Layout 1 noted a sample of the weights and no tokenizer, and its rows have fewer columns."""
NOTE, PARTS = "run.json", "parts"
_EARLIER = (
    ", of an earlier version that noted neither all weights nor the tokenizer, so that its rows may be of another model"
)
SOMETIMES = "too_long"
"""A setting that is noted only where it is not the default."""
GROWS = "draws"
"""The setting that a folder may be asked for more of: each part is of one draw, whatever their number."""


class RunFolder:
    """Where a measurement keeps its rows and its report.

    It holds ``run.json`` (what was asked for), ``parts/`` (the rows of each finished part, a Parquet file each), and,
    at the end, ``rows.parquet``, ``claims.json``, ``report.html`` and the figures.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, force: bool = False) -> None:
        """Check the folder; nothing is written yet.

        Args:
            path: made when first written to.
            settings: all that changes the rows, ready for JSON; the folder goes on only with the same, or with more
                draws.
            force: make all parts anew, also where they are of other settings.

        Raises:
            BadRequest: if the folder holds other files or other settings, or cannot be written to.
        """
        self.path = path
        self._mark = ""
        self._settings = json.loads(json.dumps(settings))
        check_writable(path, "--out")
        self._is_new = self._is_new_or_refuse(force)

    def _is_new_or_refuse(self, force: bool) -> bool:
        if not self.path.exists() or not any(self.path.iterdir()):
            return True
        allowed = "a new or empty folder, or one with results of the same command"
        note = self.path / NOTE
        require(note.is_file(), "--out", str(self.path), f"{allowed}; it holds other files and is left as it is")
        try:
            noted = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            noted = None
        ours = isinstance(noted, dict) and noted.get("made by") == MARK
        require(ours, "--out", str(self.path), f"{allowed}; its {NOTE} is not of iclscope llm")
        assert isinstance(noted, dict)
        layout = noted.get("format")
        if layout != FORMAT and not force:
            raise BadRequest(
                f"--out = {str(self.path)!r} is not allowed; allowed: {allowed} and layout {FORMAT}; this one is "
                f"of layout {_short(layout)}{_EARLIER if layout == 1 else ''}; choose another folder, or --force "
                "makes it anew"
            )
        if force:
            return True
        changed = _first_difference(noted.get("settings"), self._settings)
        if changed:
            raise BadRequest(
                f"--out = {str(self.path)!r} is not allowed; allowed: {allowed}; it has another {changed}; "
                "choose another folder, or --force to make it anew"
            )
        return False

    def marked(self, mark: str) -> RunFolder:
        """The same folder with finished parts of its own, known by a mark; call it once the folder has begun.

        Args:
            mark: comes behind the names of parts; empty: the folder as it is.
        """
        found = copy.copy(self)
        found._mark = self._mark + mark
        return found

    def begin(self, more: Mapping[str, Any] | None = None) -> None:
        """Note what is measured here; parts that are to be made anew go.

        Args:
            more: what else to note: versions, device, seconds.
        """
        with storage_failures(f"writing to {self.path}"):
            (self.path / PARTS).mkdir(parents=True, exist_ok=True)
            if self._is_new:
                for part in (self.path / PARTS).glob("*.parquet"):
                    part.unlink()
                self._is_new = False
            note = {"made by": MARK, "format": FORMAT, "iclscope": __version__, "settings": self._settings}
            write_text(self.path / NOTE, json.dumps({**note, **(more or {})}, indent=2, ensure_ascii=False) + "\n")

    def finished(self, name: str) -> pl.DataFrame | None:
        """The rows of a part, or None if it is not finished, or its file is damaged or is not what its name says."""
        try:
            if self._is_new or not self._label(name).items() <= read_parquet_metadata(self._file(name)).items():
                return None
            return read_parquet(self._file(name))
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
            return None

    def part(self, name: str, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """The rows of a part, measured unless they are there."""
        found = self.finished(name)
        if found is None:
            found = make()
            self.write(f"{PARTS}/{self._file(name).name}", parquet_bytes(found, self._label(name)))
        return found

    def write_rows(self, rows: pl.DataFrame, name: str = "rows") -> None:
        """Write a table of results."""
        self.write(f"{name}.parquet", parquet_bytes(rows))

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file of the folder, whole or not at all."""
        with storage_failures(f"writing to {self.path}"):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.path / name, content.encode() if isinstance(content, str) else content)

    def _label(self, name: str) -> dict[str, str]:
        """What the file of a part says of itself: any other Parquet file under its name is not the part."""
        settings = {setting: value for setting, value in _deciding(self._settings).items() if setting != GROWS}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return {"made by": MARK, "part": name + self._mark, "settings": digest}

    def _file(self, name: str) -> Path:
        name += self._mark
        short = re.sub(r"[^\w.+-]", "_", name)
        if short != name:  # two names must not become one
            short = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return self.path / PARTS / f"{short}.parquet"


def _first_difference(old: Any, new: Mapping[str, Any]) -> str:
    """The first setting that differs and may not, in words; nothing if there is none."""
    noted, new = _deciding(old if isinstance(old, dict) else {}), _deciding(new)
    for name, value in new.items():
        before = noted.get(name)
        more = name == GROWS and isinstance(before, int) and before < value
        if before != value and not more:
            return f"{name}{_told_apart(before, value)}"
    if SOMETIMES in noted and SOMETIMES not in new:
        return f"{SOMETIMES}{_told_apart(noted[SOMETIMES], None)}"
    return "" if noted.keys() == new.keys() else "version of its settings"


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what is measured: what a model or a table of texts is called does not."""
    return {
        setting: {name: part for name, part in value.items() if name != "name"} if isinstance(value, dict) else value
        for setting, value in settings.items()
    }


def _told_apart(before: Any, value: Any) -> str:
    """How two settings differ; of settings with parts, the parts that do."""
    if not (isinstance(before, dict) and isinstance(value, dict)):
        return f" (there: {_short(before)}; asked for: {_short(value)})"
    names = [name for name in before | value if before.get(name) != value.get(name)]
    return ": " + ", ".join(f"other {name}{_told_apart(before.get(name), value.get(name))}" for name in names)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
