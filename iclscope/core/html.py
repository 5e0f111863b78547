"""What notebooks show of an object: a small HTML table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

_CELL = Markup('<t{kind} style="text-align:left;vertical-align:top;padding:2px 10px 2px 0">{text}</t{kind}>')


def html_table(rows: Iterable[Sequence[object]], *, head: Sequence[object] = (), title: str = "") -> str:
    """A table; all texts are escaped but those that are `Markup`.

    Args:
        rows: the cells of each row.
        head: of the columns; empty: none.
        title: above the table; empty: none.
    """
    lines = [_row(row, "d") for row in rows]
    if head:
        lines.insert(0, _row(head, "h"))
    above = Markup("<div><b>{}</b></div>").format(title) if title else Markup("")
    return str(above + Markup("<table>{}</table>").format(Markup("").join(lines)))


def html_settings(title: str, settings: Mapping[str, object]) -> str:
    """A table of names and values."""
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in settings.items()}
    return html_table(shown.items(), title=title)


def _row(cells: Sequence[object], kind: str) -> Markup:
    texts = (cell if isinstance(cell, Markup) else escape(str(cell)) for cell in cells)
    return Markup("<tr>{}</tr>").format(Markup("").join(_CELL.format(kind=kind, text=text) for text in texts))
