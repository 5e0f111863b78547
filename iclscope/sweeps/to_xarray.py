"""The rows of a sweep as a labelled array: settings are dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iclscope.core.errors import BadRequest, require
from iclscope.core.frames import as_polars

if TYPE_CHECKING:
    import xarray

_NOT_MEASURED = frozenset(
    ("seed", "trial", "test", "prompts", "length", "iclscope", "git", "device", "seconds", "stopped_at", "diverged_at")
)


def to_xarray(rows: Any, dims: Sequence[str] | None = None) -> xarray.Dataset:
    """The table of a sweep as a dataset of xarray, if that is installed.

    Args:
        rows: what `sweep` or `sweep_rows` returned, or another table.
        dims: the columns that become dimensions; None: every varied setting (columns with a dot), ``test``, ``length``
            and ``seed``, of those with more than one value.

    Returns:
        A dataset with a variable per measured column; NaN where there is no row.

    Raises:
        BadRequest: if xarray is not installed, there is no such column, or several rows have the same settings.

    >>> import iclscope as icl, polars as pl
    >>> rows = pl.DataFrame({"task.alpha": [0.2, 0.2, 0.8, 0.8], "seed": [0, 1, 0, 1], "error": [0.2, 0.3, 0.0, 0.1]})
    >>> dict(icl.to_xarray(rows).sizes)
    {'task.alpha': 2, 'seed': 2}
    """
    try:
        import xarray  # noqa: F401 (what pandas asks for)
    except ModuleNotFoundError as error:
        raise BadRequest("to_xarray needs xarray: run pip install xarray pandas") from error
    table = as_polars(rows)
    names = [*(name for name in table.columns if "." in name), "test", "length", "seed"]
    several = [name for name in names if name in table.columns and table[name].n_unique() > 1]
    keys = (several or ["seed"]) if dims is None else list(dims)
    missing = [name for name in keys if name not in table.columns]
    require(not missing, "dims", missing, f"columns of the table: {', '.join(table.columns)}")
    twice = table.height - table.select(keys).n_unique()
    require(twice == 0, "dims", keys, f"columns that tell all rows apart; {twice} rows have the settings of another")
    values = [
        name
        for name, kind in table.schema.items()
        if kind.is_numeric() and name not in keys and name not in _NOT_MEASURED and "." not in name
    ]
    found: xarray.Dataset = table.select(*keys, *values).to_pandas().set_index(keys).to_xarray()
    return found
