"""Tables that Python already holds: data frames of polars and pandas, Arrow tables, and datasets of `datasets`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iclscope.core.errors import require
from iclscope.language_models.texts.folders import POOL, QUERIES
from iclscope.language_models.texts.table import Table

KINDS = "a DataFrame (polars, pandas), a pyarrow.Table, a Dataset, a DatasetDict, a dict of such tables by split"


def kind_of(data: object) -> str:
    """The name of an object's type with that of its package, as ``pandas.DataFrame``."""
    return _name(type(data))


def _name(kind: type) -> str:
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"


def tables_of(data: object, option: str, allowed: str) -> tuple[Table | None, Table | None]:
    """The pool and the queries that an object holds; either may be none.

    pandas and datasets are not imported: whoever has such an object has done so.

    Args:
        data: a table, or tables by the name of their split.
        option: what it was given as.
        allowed: what would have been accepted, in words.

    Raises:
        BadRequest: if it is neither, or it is unclear which table is the pool.
    """
    if not isinstance(data, Mapping):
        return _table(data, option, allowed), None
    splits = {str(name): value for name, value in data.items()}
    for name, value in splits.items():
        require(_is_table(value), option, f"{kind_of(data)} with {name}: {kind_of(value)}", allowed)
    queries = next((name for name in QUERIES if name in splits), None)
    pool = next((name for name in POOL if name in splits), None)
    if pool is None:
        others = [name for name in splits if name not in QUERIES]
        require(len(others) <= 1, option, kind_of(data), f"{allowed}; it has the splits {', '.join(splits)}")
        pool = others[0] if others else None
    found = [None if name is None else _table(splits[name], option, allowed) for name in (pool, queries)]
    return found[0], found[1]


def _is_table(data: object) -> bool:
    return _reader(data) is not None


def _table(data: object, option: str, allowed: str) -> Table:
    reader = _reader(data)
    require(reader is not None, option, kind_of(data), allowed)
    assert reader is not None
    return reader(data)


def _reader(data: object) -> Callable[[Any], Table] | None:
    """How an object is read; a subclass as its base."""
    return next((_READERS[_name(kind)] for kind in type(data).__mro__ if _name(kind) in _READERS), None)


def _of_polars(data: Any) -> Table:
    rows = data.lazy().collect()
    return Table({name: rows[name].to_list() for name in rows.columns})


def _of_pandas(data: Any) -> Table:
    names = [str(name) for name in data.columns]
    columns = {}
    for place, name in enumerate(names):  # by place: names may repeat
        cells = data.iloc[:, place]
        gone = cells.isna().tolist()
        columns[name] = [None if none else cell for cell, none in zip(cells.tolist(), gone, strict=True)]
    return Table(columns, repeated=tuple(sorted({name for name in names if names.count(name) > 1})))


def _of_arrow(data: Any) -> Table:
    names = list(data.column_names)
    columns = {name: data.column(place).to_pylist() for place, name in enumerate(names)}  # by place: names may repeat
    return Table(columns, repeated=tuple(sorted({name for name in names if names.count(name) > 1})))


def _of_datasets(data: Any) -> Table:
    plain = data.with_format(None)  # not arrays or tensors, whatever its user reads it as
    columns = {name: list(plain[name]) for name in plain.column_names}
    kinds = {name: getattr(kind, "names", None) for name, kind in plain.features.items()}
    return Table(columns, class_names={name: names for name, names in kinds.items() if names})


_READERS: dict[str, Callable[[Any], Table]] = {
    "polars.DataFrame": _of_polars,
    "polars.LazyFrame": _of_polars,
    "pandas.DataFrame": _of_pandas,
    "pyarrow.Table": _of_arrow,
    "datasets.Dataset": _of_datasets,
}
