"""What papers, figures and claims there are, remembered per installed package: a list of them imports none.

An entry is rebuilt when any file of the package that declares the paper has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from iclscope.core.registry import PAPERS, Entry, source_files

FORMAT = 2
FOLDER = "ICLSCOPE_CACHE"
"""The environment variable that names another folder to remember things in."""

Card = dict[str, Any]
"""A paper as plain values: name, summary, citation, position, figures with names, titles and claims."""


def cards(make: Callable[[str], Card], names: Sequence[str] | None = None) -> list[Card]:
    """Papers in their order.

    Args:
        make: the short name of a paper → its card, where none is remembered; it may import what it likes. One
            that is ``broken`` is not remembered: what it lacks may be installed later.
        names: which papers; None: all.

    Returns:
        The cards; what ``make`` gives for a paper that cannot be imported stands among them.
    """
    remembered = _read()
    found: dict[str, Card] = {}
    for name in PAPERS.names() if names is None else names:
        entry = PAPERS.entry(name)
        stamp = _stamp(entry)
        kept = remembered.get(name)
        if stamp is None or not isinstance(kept, dict) or kept.get("stamp") != stamp:
            kept = {"stamp": stamp, "card": make(name)}
        found[name] = kept
    lasting = {name: kept for name, kept in found.items() if kept["stamp"] is not None and "broken" not in kept["card"]}
    if any(remembered.get(name) != kept for name, kept in lasting.items()):
        _write({name: kept for name, kept in (remembered | lasting).items() if name in PAPERS})
    return sorted((kept["card"] for kept in found.values()), key=lambda card: (card["position"], card["name"]))


def _stamp(entry: Entry) -> str | None:
    """What changes when any source file of the package changes; None for what is in no file."""
    files = source_files(entry.value.partition(":")[0]) if entry.version else []
    if not files:
        return None
    statuses = [(file, file.stat()) for file in files]
    told = [entry.version, *(f"{file} {status.st_mtime_ns} {status.st_size}" for file, status in statuses)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]


def cache_folder() -> Path:
    """Where the user's things are remembered: ``ICLSCOPE_CACHE``, or below ``XDG_CACHE_HOME`` or ``~/.cache``.

    Raises:
        RuntimeError: if there is no home folder.
    """
    own = os.environ.get(FOLDER)
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "iclscope"


def _file() -> Path:
    return cache_folder() / "catalogue.json"


def _read() -> dict[str, Any]:
    try:
        noted = json.loads(_file().read_text(encoding="utf-8"))
        return dict(noted["papers"]) if noted["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return {}


def _write(papers: dict[str, Any]) -> None:
    """Remember; where that is not possible, the next list takes as long as this one."""
    with contextlib.suppress(OSError, RuntimeError):
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump({"format": FORMAT, "papers": papers}, file, ensure_ascii=False)
        os.replace(file.name, path)  # noqa: PTH105 (whole, or as it was)
