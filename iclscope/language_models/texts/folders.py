"""Which files of a folder hold the pool, and which the queries."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from iclscope.core.errors import require
from iclscope.language_models.texts.files import ENDINGS, ending

POOL = ("train",)
QUERIES = ("test", "dev", "validation", "valid", "eval")
"""Names of splits, the first of them that is there."""


class Files(NamedTuple):
    """The files of the pool, and those of the queries; either may be none."""

    pool: list[Path]
    queries: list[Path]


def files_of(path: Path, option: str, allowed: str) -> Files:
    """The files that a path stands for: itself, or those of a folder's splits.

    A folder is one of `datasets`, or holds train.* and test.* (or another of `QUERIES`), in itself or in ``data/``,
    whole or in shards as on the hub. Names are compared as they are, whatever characters stand in them; in endings and
    in the names of splits case does not matter.

    Args:
        path: a file or folder that exists.
        option: what it was given as.
        allowed: what would have been accepted, in words.

    Raises:
        BadRequest: if a file is of no known kind, or it is unclear which file holds the pool.
    """
    if path.is_file():
        require(ending(path) in ENDINGS, option, str(path), allowed)
        return Files([path], [])
    pool, queries = (_split(path, names) for names in (POOL, QUERIES))
    if not pool:
        pool = _arrow_files(path) or [one for one in _inside(path) if ending(one) in ENDINGS and one not in queries]
        one = len(pool) <= 1 or all(ending(p) == ".arrow" for p in pool)
        require(one, option, str(path), f"{allowed}; it holds {', '.join(p.name for p in pool[:3])}")
    return Files(pool, queries)


def _split(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of the first split of these names: train.tsv, train/ of `datasets`, train-00000-of-00002.parquet."""
    for name in names:
        inside = folder / name
        if inside.is_dir() and (found := _arrow_files(inside)):
            return found
        for where in (folder, folder / "data"):
            there = [path for path in _inside(where) if ending(path) in ENDINGS]
            for kind in (re.escape(name), f"{re.escape(name)}-.*-of-.*"):
                for wanted in ENDINGS:
                    named = re.compile(kind, re.IGNORECASE)
                    if found := [path for path in there if ending(path) == wanted and named.fullmatch(path.stem)]:
                        exact = [path for path in found if path.name == name + wanted]  # beside TRAIN.TSV, say
                        return exact or found
    return []


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _arrow_files(folder: Path) -> list[Path]:
    """The files of a folder that `datasets` wrote with `save_to_disk`."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / Path(one["filename"]).name for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
