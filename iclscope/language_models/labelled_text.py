"""Texts with labels: the demonstrations that a prompt may show, and the queries that it asks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from iclscope.errors import BadRequest, require
from iclscope.files import read_arrow_stream, read_parquet, read_parquet_metadata, user_path

OWN_TASK = "words"
"""The task that comes with iclscope: everyday words and what kind of thing each names."""

_OWN_FILE = Path(__file__).with_name("words.tsv")
_POOL = ("train",)
_QUERIES = ("test", "dev", "validation", "valid", "eval")
_ENDINGS = (".jsonl", ".csv", ".tsv", ".parquet", ".arrow")
_ALLOWED = f"{OWN_TASK!r}, a file that ends in {', '.join(_ENDINGS)}, or a folder with such files named train and test"


class LabelledTexts(NamedTuple):
    """Texts with a label each.

    Attributes:
        texts: what is to be classified.
        labels: the words that a model should answer with, one per text.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted(set(self.labels)))

    def at(self, indices: Sequence[int]) -> LabelledTexts:
        """Those at some places, in their order."""
        return LabelledTexts(tuple(self.texts[i] for i in indices), tuple(self.labels[i] for i in indices))


class TextTask(NamedTuple):
    """A classification task for in-context learning.

    Attributes:
        name: for titles and folders.
        pool: what demonstrations are taken from.
        queries: what is asked. None: queries are set aside from the pool.
    """

    name: str
    pool: LabelledTexts
    queries: LabelledTexts | None


def load_task(
    data: str | Path,
    *,
    test: str | Path | None = None,
    text: str = "text",
    label: str = "label",
    words: Mapping[str, str] | None = None,
) -> TextTask:
    """Read a task.

    Args:
        data: ``words`` for the task that comes with iclscope; a JSONL, CSV, TSV, Parquet or Arrow file; or a folder:
            one of Hugging Face ``datasets`` (``save_to_disk``, or Parquet files), or any with train.* and test.* (or
            dev.*, validation.*), where queries come from the latter.
        test: a file of queries; None: those of the folder, else some are set aside from the pool.
        text: name of the column of texts.
        label: name of the column of labels.
        words: label in the data → word that the model should answer with; labels that are not named stay.

    Raises:
        BadRequest: if a file or column is missing, a text or label is empty, or there are fewer than two classes.
    """
    place = user_path(data, "DATA")
    path = _OWN_FILE if str(data) == OWN_TASK and not place.exists() else place
    require(path.exists(), "DATA", str(data), f"what exists: {_ALLOWED}")
    found = _files_of(path)
    require(bool(found.pool), "DATA", str(path), _ALLOWED)
    queries = None
    if test is not None:
        require(user_path(test, "--test").exists(), "--test", str(test), "a file or folder of queries that exists")
        asked = _files_of(user_path(test, "--test"), "--test")
        require(bool(asked.queries or asked.pool), "--test", str(test), _ALLOWED)
        queries = _read_all(asked.queries or asked.pool, "--test", text, label, words or {})
    elif found.queries:
        queries = _read_all(found.queries, "DATA", text, label, words or {})
    task = TextTask(path.stem or "data", _read_all(found.pool, "DATA", text, label, words or {}), queries)
    _check(task, str(data), None if test is None else str(test), words or {})
    return task


def _check(task: TextTask, data: str, test: str | None, words: Mapping[str, str]) -> None:
    classes = task.pool.classes
    require(len(classes) >= 2, "DATA", data, f"a pool of at least two classes; it has {', '.join(classes) or 'none'}")
    unused = sorted(set(words.values()) - {*classes, *(task.queries.classes if task.queries else ())})
    blamed = ", ".join(f"{label}={word}" for label, word in words.items() if word in unused)
    labels = ", ".join(sorted({*classes} - {*words.values()})) or "none but those named"
    require(not unused, "--label-word", blamed, f"LABEL=WORD for a label that the data has; it has {labels}")
    if task.queries is not None:
        unknown = sorted(set(task.queries.classes) - set(classes))
        option, given = ("DATA", data) if test is None else ("--test", test)
        other = "; --test names other queries" if test is None else ""
        require(not unknown, option, given, f"queries whose labels the pool has; it lacks {', '.join(unknown)}{other}")


class _Files(NamedTuple):
    """The files of the pool, and those of the queries; either may be none."""

    pool: list[Path]
    queries: list[Path]


def _files_of(path: Path, option: str = "DATA") -> _Files:
    if path.is_file():
        require(path.suffix in _ENDINGS, option, str(path), _ALLOWED)
        return _Files([path], [])
    pool, queries = (_split(path, names) for names in (_POOL, _QUERIES))
    if not pool:
        pool = _arrow_files(path) or sorted(p for p in path.iterdir() if p.suffix in _ENDINGS and p not in queries)
        one = len(pool) <= 1 or all(p.suffix == ".arrow" for p in pool)
        require(one, option, str(path), f"{_ALLOWED}; it holds {', '.join(p.name for p in pool[:3])}")
    return _Files(pool, queries)


def _split(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of the first split of these names: train.tsv, train/ of `datasets`, train-00000-of-00002.parquet."""
    for name in names:
        inside = folder / name
        if inside.is_dir() and (found := _arrow_files(inside)):
            return found
        for where in (folder, folder / "data"):
            for pattern in (f"{name}{{}}", f"{name}-*-of-*{{}}"):
                for ending in _ENDINGS:
                    if found := sorted(where.glob(pattern.format(ending))):
                        return found
    return []


def _arrow_files(folder: Path) -> list[Path]:
    """The files of a folder that `datasets` wrote with `save_to_disk`."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / Path(one["filename"]).name for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _read_all(paths: Sequence[Path], option: str, text: str, label: str, words: Mapping[str, str]) -> LabelledTexts:
    parts = [_read(path, option, text, label, words) for path in paths]
    return LabelledTexts(tuple(t for p in parts for t in p.texts), tuple(y for p in parts for y in p.labels))


def _read(path: Path, option: str, text: str, label: str, words: Mapping[str, str]) -> LabelledTexts:
    """The labelled texts of one file."""
    try:
        table = _table(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        first = " ".join(str(error).split())[:160]
        raise BadRequest(f"{option} = {str(path)!r} is not allowed; it cannot be read: {first}") from error
    for name, flag in ((text, "--text"), (label, "--label")):
        require(name in table.columns, flag, name, f"a column of {path.name}: {', '.join(table.columns) or 'none'}")
    require(table[text].dtype == pl.String, "--text", text, f"a column of texts; it holds {table[text].dtype}")
    texts = table[text].to_list()
    named = _class_names(path, label)
    labels = [_label_text(value, named) for value in table[label].to_list()]
    for number, (one, kind) in enumerate(zip(texts, labels, strict=True), start=1):
        require(bool(one and one.strip()), option, str(path), f"a text in every row; row {number} has none")
        require(bool(kind and kind.strip()), option, str(path), f"a label in every row; row {number} has none")
    return LabelledTexts(tuple(one.strip() for one in texts), tuple(words.get(kind, kind) for kind in labels))


def _table(path: Path) -> pl.DataFrame:
    """The rows of a file; CSV and TSV with every cell as text."""
    if path.suffix == ".jsonl":
        return pl.read_ndjson(path.read_bytes())
    if path.suffix == ".parquet":
        return read_parquet(path)
    if path.suffix == ".arrow":
        return read_arrow_stream(path)
    if path.suffix == ".tsv":  # nothing is quoted in it: a text may begin with a quotation mark
        return pl.read_csv(path.read_bytes(), separator="\t", quote_char=None, infer_schema=False)
    return pl.read_csv(path.read_bytes(), infer_schema=False)


def _class_names(path: Path, label: str) -> list[str] | None:
    """The names of numbered labels, which `datasets` writes into its Parquet files and beside its Arrow files."""
    try:
        if path.suffix == ".parquet":
            info = json.loads(read_parquet_metadata(path)["huggingface"])["info"]
        else:
            info = json.loads((path.parent / "dataset_info.json").read_text(encoding="utf-8"))
        names: list[str] | None = info["features"][label].get("names")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError):
        return None
    return names


def _label_text(value: Any, names: Sequence[str] | None) -> str:
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return "" if value is None else str(value).strip()


def describe(texts: LabelledTexts) -> str:
    """How many texts there are of each class, in one line."""
    counts = Counter(texts.labels)
    return f"{len(texts.texts)} texts: " + ", ".join(f"{counts[kind]} {kind}" for kind in texts.classes)
