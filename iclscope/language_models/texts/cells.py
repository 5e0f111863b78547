"""From cells of a table to texts and to the words of labels; what is neither is refused with its row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from iclscope.core.errors import require

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_ZERO = re.compile(r"[+-]0+")


def texts_of(cells: Sequence[Any], column: str, option: str, shown: str) -> tuple[str, ...]:
    """The texts of a column, without spaces around them.

    Numbers between texts are texts as they are written, since many a program saves "1984" so; a column of numbers alone
    is no column of texts.

    Args:
        cells: of the column.
        column: its name.
        option: what the data were given as.
        shown: the data, as they were given.

    Raises:
        BadRequest: naming the first row whose cell is empty or no text.
    """
    plain = [_plain(cell) for cell in cells]
    first = next((cell for cell in plain if cell is not None), None)
    numbers_alone = _is_number(first) and not any(isinstance(cell, str) for cell in plain)
    require(not numbers_alone, "--text", column, f"a column of texts; it holds numbers, as {first!r}")
    found = []
    for row, cell in enumerate(plain, start=1):
        require(cell is not None, option, shown, f"a text in every row; row {row} has none")
        allowed = f"a column of texts; row {row} holds {_described(cell)}"
        require(isinstance(cell, str) or _is_number(cell), "--text", column, allowed)
        found.append(_checked(str(cell).strip(), "text", row, option, shown))
    return tuple(found)


def labels_of(
    cells: Sequence[Any],
    column: str,
    option: str,
    shown: str,
    *,
    names: Sequence[str] | None = None,
    written_numbers: bool = False,
) -> tuple[str, ...]:
    """The words of the labels of a column, without spaces around them.

    A whole number is written without a fraction, whatever type it was saved as: 1, 1.0 and, in a file whose cells are
    all text and whose labels are all numbers, "1.0" are one label, ``1``.

    Args:
        cells: of the column.
        column: its name.
        option: what the data were given as.
        shown: the data, as they were given.
        names: the classes' names, where labels are their places.
        written_numbers: whether cells are texts whatever they were once.

    Raises:
        BadRequest: naming the first row whose label is missing, or neither a word nor a number nor true or false.
    """
    plain = [_plain(cell) for cell in cells]
    if written_numbers:
        plain = _without_fractions(plain)
    found = []
    for row, cell in enumerate(plain, start=1):
        require(cell is not None, option, shown, f"a label in every row; row {row} has none")
        allowed = f"a column of words or numbers; row {row} holds {_described(cell)}"
        require(isinstance(cell, (str, bool)) or _is_number(cell), "--label", column, allowed)
        found.append(_checked(_label(cell, names), "label", row, option, shown))
    return tuple(found)


def whole_number(label: str) -> str:
    """A label that is a whole number with a fraction of zeros, without this; any other as it is. There is one zero."""
    found = _WHOLE.fullmatch(label)
    whole = found[1] if found else label
    return "0" if _ZERO.fullmatch(whole) else whole


def _label(cell: Any, names: Sequence[str] | None) -> str:
    if _is_number(cell) and cell == int(cell):
        place = int(cell)
        return names[place] if names is not None and 0 <= place < len(names) else str(place)
    return str(cell).strip()


def _without_fractions(cells: Sequence[Any]) -> list[Any]:
    stripped = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    if not all(isinstance(cell, str) and _NUMBER.fullmatch(cell) for cell in stripped):
        return stripped
    return [whole_number(cell) for cell in stripped]


def _plain(cell: Any) -> Any:
    """A cell as Python's own types; None where there is nothing."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if isinstance(cell, (float, Decimal)) and math.isnan(cell) else cell


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float, Decimal)) and not isinstance(cell, bool) and math.isfinite(cell)


def _described(cell: Any) -> str:
    kinds: Iterable[tuple[type, str]] = ((list, "a list"), (tuple, "a list"), (dict, "a structure"), (bytes, "bytes"))
    name = next((words for kind, words in kinds if isinstance(cell, kind)), type(cell).__name__)
    shown = repr(cell)
    return f"{name}: {shown if len(shown) <= 40 else shown[:39] + '…'}"


def _checked(text: str, what: str, row: int, option: str, shown: str) -> str:
    require(bool(text), option, shown, f"a {what} in every row; row {row} has none")
    try:
        text.encode()
    except UnicodeEncodeError:
        require(False, option, shown, f"texts in Unicode; the {what} of row {row} holds half of a character")
    return text
