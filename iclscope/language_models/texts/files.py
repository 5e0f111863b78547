"""One file of labelled texts, of any kind, as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from iclscope.core.errors import BadRequest, unusable
from iclscope.core.files import read_arrow_stream, read_parquet, read_parquet_metadata
from iclscope.language_models.texts.decoding import decoded
from iclscope.language_models.texts.delimited import read_csv, read_tsv
from iclscope.language_models.texts.json_lines import read_json_lines
from iclscope.language_models.texts.table import Table, Unreadable

_WRITTEN: dict[str, Callable[[str], Table]] = {".jsonl": read_json_lines, ".csv": read_csv, ".tsv": read_tsv}

ENDINGS = (*_WRITTEN, ".parquet", ".arrow")
"""How the names of files end that can be read, in lower case; in names any case is one."""


def ending(path: Path) -> str:
    """How a file's name ends, in lower case."""
    return path.suffix.lower()


def is_written(path: Path) -> bool:
    """Whether a file is text, in some encoding."""
    return ending(path) in _WRITTEN


def read_table(path: Path, option: str, encoding: str | None = None) -> Table:
    """The table in a file.

    Args:
        path: of just this file; its name is no pattern.
        option: what it was given as.
        encoding: of a text file; None: UTF-8.

    Raises:
        BadRequest: if it cannot be read, naming the row where that is known.
    """
    try:
        if is_written(path):
            text = decoded(path.read_bytes(), encoding, option, str(path), has_head=ending(path) != ".jsonl")
            table = _WRITTEN[ending(path)](text)
        else:
            rows = read_parquet(path) if ending(path) == ".parquet" else read_arrow_stream(path)
            table = Table({name: rows[name].to_list() for name in rows.columns})
        return table._replace(class_names=_class_names(path))
    except BadRequest:
        raise
    except (OSError, Unreadable, ValueError, pl.exceptions.PolarsError) as error:
        first = " ".join(str(error).split())[:160]
        raise unusable(option, path, f"it cannot be read: {first}") from error


def _class_names(path: Path) -> Mapping[str, Sequence[str]]:
    """The names of numbered labels, which `datasets` writes into its Parquet files and beside its Arrow files."""
    try:
        if ending(path) == ".parquet":
            info = json.loads(read_parquet_metadata(path)["huggingface"])["info"]
        else:
            info = json.loads((path.parent / "dataset_info.json").read_text(encoding="utf-8"))
        features = info["features"]
        return {column: kind["names"] for column, kind in features.items() if kind.get("names")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError):
        return {}
