"""Tables of pandas, Polars and Arrow, in and out."""

from __future__ import annotations

from typing import Any, Literal, get_args

import polars as pl

from iclscope.core.arguments import expect, one_of
from iclscope.core.errors import BadRequest

FrameKind = Literal["polars", "pandas", "arrow"]
"""Which library a table is of."""


def as_polars(table: Any, option: str = "rows") -> pl.DataFrame:
    """A table of any of these libraries as a Polars data frame.

    Args:
        table: a ``polars.DataFrame`` or ``LazyFrame``, a ``pandas.DataFrame`` or a ``pyarrow.Table``.
        option: the argument's name.

    Raises:
        BadRequest: if it is none.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    library = type(table).__module__.partition(".")[0]
    expect(library in ("pandas", "pyarrow"), option, table, "a data frame of polars or pandas, or a pyarrow.Table")
    found = pl.from_pandas(table) if library == "pandas" else pl.from_arrow(table)
    expect(isinstance(found, pl.DataFrame), option, table, "a table, not a single column")
    assert isinstance(found, pl.DataFrame)
    return found


def frame_of(rows: pl.DataFrame, kind: FrameKind = "polars") -> Any:
    """A Polars data frame as a table of another library.

    Args:
        rows: the table.
        kind: "polars", "pandas" or "arrow".

    Raises:
        BadRequest: if there is no such library, or it is not installed.
    """
    one_of("kind", kind, get_args(FrameKind))
    try:
        return {"polars": lambda: rows, "pandas": rows.to_pandas, "arrow": rows.to_arrow}[kind]()
    except ModuleNotFoundError as error:
        raise BadRequest(f"kind = {kind!r}: {error.name} is not installed; run pip install pandas pyarrow") from error
