"""A table of cells as it was found, before anything is taken for a text or a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Unreadable(ValueError):
    """A file or object that is not the table it should be; the message says where and why, in one line."""


class Table(NamedTuple):
    """Named columns of equal length.

    Attributes:
        columns: name → cells, of whatever type; None where there is none.
        class_names: of columns that hold numbers of classes, the names of these.
        written_numbers: whether all cells are text, so that a number is not known from a text that looks like one.
        repeated: names that stand in the head more than once.
    """

    columns: Mapping[str, Sequence[Any]]
    class_names: Mapping[str, Sequence[str]] = {}
    written_numbers: bool = False
    repeated: tuple[str, ...] = ()
