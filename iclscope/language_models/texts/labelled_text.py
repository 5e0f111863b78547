"""Texts with labels: the demonstrations that a prompt may show, and the queries that it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from iclscope.core.errors import require
from iclscope.core.files import user_path
from iclscope.language_models.texts.cells import labels_of, texts_of, whole_number
from iclscope.language_models.texts.decoding import ENCODING, check_encoding
from iclscope.language_models.texts.files import ENDINGS, is_written, read_table
from iclscope.language_models.texts.folders import files_of
from iclscope.language_models.texts.in_memory import KINDS, kind_of, tables_of
from iclscope.language_models.texts.table import Table

OWN_TASK = "words"
"""The task that comes with iclscope: everyday words and what kind of thing each names."""

DATA, TEST = "DATA", "--test"

_OWN_FILE = Path(__file__).with_name("words.tsv")
_ALLOWED = f"{OWN_TASK!r}, a file that ends in {', '.join(ENDINGS)}, or a folder with such files named train and test"
_ALLOWED_IN_PYTHON = f"{OWN_TASK!r}, {KINDS}, a file that ends in {', '.join(ENDINGS)}, or a folder of such files"


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
    data: object,
    *,
    test: object = None,
    text: str = "text",
    label: str = "label",
    words: Mapping[str, str] | None = None,
    encoding: str | None = None,
    option: str = DATA,
) -> TextTask:
    """Read a task.

    Args:
        data: ``words`` for the task that comes with iclscope; a JSONL, CSV, TSV, Parquet or Arrow file; or a folder:
            one of Hugging Face ``datasets`` (``save_to_disk``, or Parquet files), or any with train.* and test.* (or
            dev.*, validation.*), where queries come from the latter. Or an object: a data frame of polars or pandas, a
            ``Dataset`` or ``DatasetDict``, or a dict of tables by split.
        test: a file, folder or object with queries; None: those of ``data``, else some are set aside from the pool.
        text: name of the column of texts.
        label: name of the column of labels.
        words: label in the data → word that the model should answer with; labels that are not named stay. A whole
            number stands for the label however it was saved: ``0`` for 0, 0.0 and "0.0".
        encoding: of text files, as Python names it; None: UTF-8.
        option: what refusals call the data.

    Raises:
        BadRequest: if a file or column is missing, a text or label is empty or of another type, a file is of another
            encoding, or there are fewer than two classes.
    """
    if encoding is not None:
        check_encoding(encoding)
    found = _tables(data, option, encoding)
    require(bool(found.pool), option, found.shown, _ALLOWED)
    others = None if test is None else _tables(test, TEST, encoding)
    asked, asked_by = (found.queries, option) if others is None else (others.queries or others.pool, TEST)
    require(others is None or bool(asked), TEST, found.shown if others is None else others.shown, _ALLOWED)
    has_encoding = found.is_written or (others is not None and others.is_written)
    allowed = f"nothing where no JSONL, CSV or TSV file is read: {found.shown} has an encoding of its own"
    require(encoding is None or has_encoding, ENCODING, encoding, allowed)
    pool = _labelled(found.pool, option, text, label)
    queries = _labelled(asked, asked_by, text, label) if asked else None
    named = _Words(words or {}, {*pool.labels, *(queries.labels if queries else ())})
    task = TextTask(found.name, named.given_to(pool), None if queries is None else named.given_to(queries))
    told = sorted({*pool.labels})
    same = f"different words for different labels; {', '.join(told)} would all be asked as one"
    given = ", ".join(f"{key}={word}" for key, word in (words or {}).items())
    require(len(task.pool.classes) > 1 or len(told) < 2, "--label-word", given, same)
    _check(task, option, found.shown, None if others is None else others.shown)
    return task


class _Tables(NamedTuple):
    """What was found under a name or in an object.

    Attributes:
        shown: the data, as they were given.
        name: of the task.
        pool: tables of the pool with the name of each for errors; none if there is no pool.
        queries: the same of queries.
        is_written: whether a file of text is among them, which has an encoding.
    """

    shown: str
    name: str
    pool: list[tuple[str, Table]]
    queries: list[tuple[str, Table]]
    is_written: bool


def _tables(data: object, option: str, encoding: str | None) -> _Tables:
    if not isinstance(data, (str, Path)):
        kind = kind_of(data)
        pool, queries = ([] if one is None else [(kind, one)] for one in tables_of(data, option, _ALLOWED_IN_PYTHON))
        return _Tables(kind, "data", pool, queries, False)
    shown = str(data)
    place = user_path(data, option)
    is_own = option != TEST and shown == OWN_TASK and not place.exists()
    path = _OWN_FILE if is_own else place
    there = path.exists()
    require(
        there,
        option,
        shown,
        "a file or folder of queries that exists" if option == TEST else f"what exists: {_ALLOWED}",
    )
    files = files_of(path, option, _ALLOWED)
    encodings = None if is_own else encoding
    pool, queries = ([(str(one), read_table(one, option, encodings)) for one in part] for part in files)
    written = not is_own and any(is_written(one) for part in files for one in part)
    return _Tables(shown, path.stem or "data", pool, queries, written)


def _labelled(tables: Sequence[tuple[str, Table]], option: str, text: str, label: str) -> LabelledTexts:
    """The texts of all tables one behind the other."""
    texts: list[str] = []
    labels: list[str] = []
    for name, table in tables:
        short = Path(name).name
        for column, flag in ((text, "--text"), (label, "--label")):
            there = f"a column of {short}: {', '.join(table.columns) or 'none'}"
            require(column in table.columns, flag, column, there)
            require(column not in table.repeated, flag, column, f"a column that {short} has once")
        texts += texts_of(table.columns[text], text, option, name)
        labels += labels_of(
            table.columns[label],
            label,
            option,
            name,
            names=table.class_names.get(label),
            written_numbers=table.written_numbers,
        )
    return LabelledTexts(tuple(texts), tuple(labels))


class _Words:
    """What the model should answer for which label."""

    def __init__(self, words: Mapping[str, str], labels: set[str]) -> None:
        """Find the label that each word is meant for.

        Raises:
            BadRequest: if the data have no such label.
        """
        self._words: dict[str, str] = {}
        for key, word in words.items():
            # A number is one label however it was written, unless another word names that way of writing it.
            same = {label for label in labels if whole_number(label) == whole_number(key)}
            meant = same - self._words.keys() - (words.keys() - {key})
            others = ", ".join(sorted(labels - self._words.keys())) or "none but those named"
            allowed = f"LABEL=WORD for a label that the data has; it has {others}"
            require(bool(meant), "--label-word", f"{key}={word}", allowed)
            self._words |= dict.fromkeys(meant, word)

    def given_to(self, texts: LabelledTexts) -> LabelledTexts:
        """The texts with these words as labels."""
        return texts._replace(labels=tuple(self._words.get(label, label) for label in texts.labels))


def _check(task: TextTask, named: str, data: str, test: str | None) -> None:
    classes = task.pool.classes
    require(len(classes) >= 2, named, data, f"a pool of at least two classes; it has {', '.join(classes) or 'none'}")
    if task.queries is not None:
        unknown = sorted(set(task.queries.classes) - set(classes))
        option, given = (named, data) if test is None else (TEST, test)
        other = "; --test names other queries" if test is None else ""
        require(not unknown, option, given, f"queries whose labels the pool has; it lacks {', '.join(unknown)}{other}")


def describe(texts: LabelledTexts) -> str:
    """How many texts there are of each class, in one line."""
    counts = Counter(texts.labels)
    return f"{len(texts.texts)} texts: " + ", ".join(f"{counts[kind]} {kind}" for kind in texts.classes)
