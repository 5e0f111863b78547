"""What a finished measurement on a language model gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Generic

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.verdicts import Verdicts
from iclscope.core.html import html_table
from iclscope.language_models.report import RowsT
from iclscope.study.pages.page import TextTable


@dataclass(frozen=True, repr=False)
class MeasurementResult(Generic[RowsT]):
    """A finished measurement. What it alone has found, as `extra` names it, is an attribute too.

    Printed, it shows its tables, verdicts and notes.

    Attributes:
        rows: all rows, a data frame; where there are several kinds of rows, a data frame of each by name.
        claims: what was judged.
        tables: the rows in short.
        notes: what a reader must know.
        extra: what this measurement alone has found, by name.
    """

    rows: RowsT
    claims: Sequence[JudgedClaim]
    tables: Sequence[TextTable]
    notes: Sequence[str]
    extra: Mapping[str, Any]

    def _repr_html_(self) -> str:
        tables = (html_table(table.rows, head=table.head, title=table.title) for table in self.tables)
        return "".join(
            [*tables, Verdicts(self.claims)._repr_html_(), *(f"<p>{escape(note)}</p>" for note in self.notes)]
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.extra:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self.extra[name]

    def __repr__(self) -> str:
        verdicts = [str(Verdicts(self.claims))] if self.claims else []
        return "\n\n".join([*map(str, self.tables), *verdicts, *self.notes])
