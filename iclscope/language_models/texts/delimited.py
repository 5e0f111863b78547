"""Tables of texts with a comma or a tab between cells."""

from __future__ import annotations

import csv
import io
import re

from iclscope.language_models.texts.lines import lines_of
from iclscope.language_models.texts.table import Table, Unreadable

_LONGEST = 2**31 - 1
"""Characters of a cell: a text may be longer than the library's usual 131,072."""

_QUOTED_IN_TSV = re.compile(r'(?:^|(?<=\t))"([^"]*+(?:""[^"]*+)*+)"(?=\t|\r?$)', re.MULTILINE)


def read_csv(text: str) -> Table:
    """Cells with commas between; a cell in quotation marks may hold commas, new lines and doubled quotation marks.

    Raises:
        Unreadable: naming the first row that is at fault.
    """
    return _quoted(text, ",")


def read_tsv(text: str) -> Table:
    """Cells with tabs between.

    In most files of this kind a quotation mark is a character as any other, so that a text may begin with one. Where
    the whole file is quoted by the rules of CSV, as pandas writes it, it is read by them (`is_quoted`).

    Raises:
        Unreadable: naming the first row that is at fault.
    """
    if is_quoted(text):
        return _quoted(text, "\t")
    return _table([line.split("\t") for line in lines_of(text)])


def is_quoted(text: str) -> bool:
    """Whether a table with tabs is quoted by the rules of CSV.

    Two things must come together. No quotation mark breaks the rules: each stands around a whole cell, or is doubled
    within such a cell. And something cannot be explained otherwise: a doubled mark, a head whose names are all quoted,
    or lines that have another number of cells than the head until quoted tabs and new lines are taken out.
    """
    quoted = _QUOTED_IN_TSV.findall(text)
    bare = _QUOTED_IN_TSV.sub("", text)
    if not quoted or '"' in bare:
        return False
    names = next(line for line in lines_of(text) if line.strip()).split("\t")
    if any('""' in cell for cell in quoted) or all(name.startswith('"') and len(name) > 1 for name in names):
        return True
    return not _is_even(text, len(names)) and _is_even(bare, len(names))


def _is_even(text: str, cells: int) -> bool:
    """Whether every line that is not blank has so many cells."""
    return all(line.count("\t") == cells - 1 for line in lines_of(text) if line.strip())


def _quoted(text: str, delimiter: str) -> Table:
    usual = csv.field_size_limit(_LONGEST)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[list[str]] = []
        try:
            rows.extend(reader)
        except csv.Error as error:
            raise Unreadable(f"row {len(rows)}, line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(usual)
    return _table(rows)


def _table(rows: list[list[str]]) -> Table:
    """A table of rows whose first holds the names.

    Blank rows are left out; what a row that ends early lacks is None.
    """
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise Unreadable("it is empty")
    head, *cells = rows
    for number, row in enumerate(cells, start=1):
        if len(row) > len(head):
            raise Unreadable(f"row {number} has {len(row)} cells where the head has {len(head)}")
    repeated = tuple(sorted({name for name in head if head.count(name) > 1}))
    columns = {name: [row[place] if place < len(row) else None for row in cells] for place, name in enumerate(head)}
    return Table(columns, written_numbers=True, repeated=repeated)
