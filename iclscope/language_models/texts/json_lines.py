"""Tables with a JSON object per line."""

from __future__ import annotations

import json
from typing import Any

from iclscope.language_models.texts.lines import lines_of
from iclscope.language_models.texts.table import Table, Unreadable


def read_json_lines(text: str) -> Table:
    """An object per line; blank lines are left out. A key that a row lacks is None there, whichever row has it first.

    Each value keeps the type that it has in its own row: no column has a type.

    Raises:
        Unreadable: naming the first row that is at fault.
    """
    rows: list[dict[str, Any]] = []
    for line, content in enumerate(lines_of(text), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"row {len(rows) + 1}, line {line}, is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise Unreadable(f"row {len(rows) + 1}, line {line}, is not a JSON object: {content[:40]}")
        rows.append(row)
    if not rows:
        raise Unreadable("it is empty")
    names = dict.fromkeys(name for row in rows for name in row)
    return Table({name: [row.get(name) for row in rows] for name in names})
