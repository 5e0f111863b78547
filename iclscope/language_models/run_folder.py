"""The folder of a measurement on a language model: what is finished stays, and is not measured again."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from iclscope import __version__
from iclscope.execution.run_folder import FolderKind
from iclscope.execution.run_folder import RunFolder as Folder

MEASUREMENT = FolderKind("iclscope llm", "run.json", "results of the same command", "--out")
FORMAT = 2
"""Layout 1 noted a sample of the weights and no tokenizer, and its rows have fewer columns."""
PARTS = "parts"
_EARLIER = (
    ", of an earlier version that noted neither all weights nor the tokenizer, so that its rows may be of another model"
)
SOMETIMES = "too_long"
"""A setting that is noted only where it is not the default."""
GROWS = "draws"
"""The setting that a folder may be asked for more of: each part is of one draw, whatever their number."""


class RunFolder(Folder):
    """Where a measurement on a language model keeps its rows and its report.

    It holds ``run.json`` (what was asked for), ``parts/`` (the rows of each finished part, a Parquet file each), and,
    at the end, ``rows.parquet``, ``claims.json``, ``report.html`` and the figures.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, force: bool = False) -> None:
        """Check the folder; nothing is written yet.

        Args:
            path: made when first written to.
            settings: all that changes the rows, ready for JSON; the folder goes on only with the same, or with more
                draws.
            force: recompute all parts, even over those of other settings.

        Raises:
            BadRequest: if the folder holds other files or other settings, or cannot be written to.
        """
        super().__init__(path, MEASUREMENT, PARTS)
        self._mark = ""
        self._settings = json.loads(json.dumps(settings))
        self._force = force
        self._check()

    def _check(self) -> None:
        self._is_new = self.noted is None or self._force
        if self.noted is None or self._force:
            return
        layout = self.noted.get("format")
        if layout != FORMAT:
            raise self.refused(
                f"it is of layout {_short(layout)}{_EARLIER if layout == 1 else ''}, and this version goes on in "
                f"layout {FORMAT}; choose another folder, or recompute with --force"
            )
        changed = _first_difference(self.noted.get("settings"), self._settings)
        if changed:
            raise self.refused(f"it has another {changed}; choose another folder, or recompute with --force")

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """As of every folder; what another command has begun in it since is looked at again."""
        with super().reserved():
            self._check()
            yield

    def marked(self, mark: str) -> RunFolder:
        """The same folder with finished parts of its own, known by a mark; call it once the folder has begun.

        Args:
            mark: comes behind the names of parts; empty: the folder as it is.
        """
        found = copy.copy(self)
        found._mark = self._mark + mark
        return found

    def begin(self, more: Mapping[str, Any] | None = None) -> None:
        """Note what is measured here; parts that will be recomputed are removed.

        Args:
            more: what else to note: versions, device, seconds.
        """
        super().begin({"format": FORMAT, "iclscope": __version__, "settings": self._settings, **(more or {})})
        if self._is_new:
            with self.writing():
                for part in (self.path / PARTS).glob("*.parquet"):
                    part.unlink()
            self._is_new = False

    def finished(self, name: str) -> pl.DataFrame | None:
        """The rows of a part, or None if it is not finished, or its file is damaged or is not what its name says."""
        return None if self._is_new else self.table(self._file(name), self._label(name))

    def part(self, name: str, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """The rows of a part, measured unless they are there."""
        found = self.finished(name)
        if found is None:
            found = make()
            self.write_table(self._file(name), found, self._label(name))
        return found

    def write_rows(self, rows: pl.DataFrame, name: str = "rows") -> None:
        """Write a table of results."""
        self.write_table(name, rows)

    def _label(self, name: str) -> dict[str, str]:
        """What the file of a part says of itself: any other Parquet file under its name is not the part."""
        settings = {setting: value for setting, value in _deciding(self._settings).items() if setting != GROWS}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return {"made by": MEASUREMENT.made_by, "part": name + self._mark, "settings": digest}

    def _file(self, name: str) -> str:
        name += self._mark
        short = re.sub(r"[^\w.+-]", "_", name)
        if short != name:  # two names must not become one
            short = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return f"{PARTS}/{short}"


def _first_difference(old: Any, new: Mapping[str, Any]) -> str:
    """The first setting that differs and may not, in words; nothing if there is none."""
    noted, new = _deciding(old if isinstance(old, dict) else {}), _deciding(new)
    for name, value in new.items():
        before = noted.get(name)
        more = name == GROWS and isinstance(before, int) and before < value
        if before != value and not more:
            return f"{name}{_difference(before, value)}"
    if SOMETIMES in noted and SOMETIMES not in new:
        return f"{SOMETIMES}{_difference(noted[SOMETIMES], None)}"
    return "" if noted.keys() == new.keys() else "version of its settings"


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what is measured: what a model or a table of texts is called does not."""
    return {
        setting: {name: part for name, part in value.items() if name != "name"} if isinstance(value, dict) else value
        for setting, value in settings.items()
    }


def _difference(before: Any, value: Any) -> str:
    """How two settings differ; of settings with parts, the parts that do."""
    if not (isinstance(before, dict) and isinstance(value, dict)):
        return f" (there: {_short(before)}; asked for: {_short(value)})"
    names = [name for name in before | value if before.get(name) != value.get(name)]
    return ": " + ", ".join(f"other {name}{_difference(before.get(name), value.get(name))}" for name in names)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
