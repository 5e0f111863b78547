"""The table of claims in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from iclscope.claims.formats import ANSWERS, format_interval, format_number, format_region

if TYPE_CHECKING:
    # Types only: experiments draw with this room, so it must not import them when it is loaded.
    from iclscope.claims.claim import JudgedClaim

_SYMBOLS = {"holds": "✓", "fails": "✗", "inconclusive": "?"}
_COLOURS = {"holds": "green", "fails": "red", "inconclusive": "yellow"}
_WORDS = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "inconclusive": ("inconclusive", "inconclusive")}
# Narrower than these, a table with so many columns would leave too little to the names of claims.
_WITH_INTERVAL = 72
_WITH_REGION = 80
_WITH_CONTROL = 100
_WITH_STATEMENT = 140


def print_claims(claims: Sequence[JudgedClaim], console: Console) -> None:
    """Print verdict, id, estimate with interval, expected region and control of each claim.

    Questions of ours stand in a table behind what papers claim, are answered by yes, no or open, and counted apart.
    Below 100 columns the control is left out, below 80 the expected region and below 72 the interval too; from 140 on
    the statement is shown. A last line counts the verdicts and says of the controls whether all fail, as they must;
    those that do not are named at any width.

    Args:
        claims: what was judged, in the order to print.
        console: where to.
    """
    if not claims:
        console.print(Text("No claim has been judged."))
        return
    ours = [judged for judged in claims if judged.is_ours]
    for part in ([judged for judged in claims if not judged.is_ours], ours):
        if part:
            console.print(_table(part, console.width, asked=part is ours))
    console.print(_summary(claims))
    for judged in claims:
        if judged.control_verdict != "fails":
            console.print(_warning(judged))


def _table(claims: Sequence[JudgedClaim], width: int, *, asked: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    verdict, claim, expected = ("answer", "question of ours", "yes in") if asked else ("verdict", "claim", "expected")
    headers = [verdict, claim, "estimate"]
    headers += [expected] * (width >= _WITH_REGION) + ["control"] * (width >= _WITH_CONTROL)
    rows = [_cells(judged, width) for judged in claims]
    widths = [max(len(name), *(cells[at].cell_len for cells in rows)) for at, name in enumerate(headers)]
    # A name that goes on in the next line can still be read, a number cannot: only the claim's column gives way.
    if width < _WITH_STATEMENT:
        widths[1] = min(widths[1], width - sum(widths[:1] + widths[2:]) - 2 * len(headers))
    for name, its_width in zip(headers, widths, strict=True):
        table.add_column(name, no_wrap=True, width=its_width)
    if width >= _WITH_STATEMENT:
        table.add_column("statement", ratio=1)
    for cells in rows:
        cells[1] = Text("\n".join(wrap(cells[1].plain, widths[1])))
        table.add_row(*cells)
    return table


def _cells(judged: JudgedClaim, width: int) -> list[Text]:
    # Text, not strings: square brackets would be read as markup.
    estimate = Text(format_number(judged.estimate.value))
    if width >= _WITH_INTERVAL and format_interval(judged.estimate):
        estimate.append(f" {format_interval(judged.estimate)}", style="dim")
    cells = [_verdict(judged), Text(judged.claim.id), estimate]
    if width >= _WITH_REGION:
        cells.append(Text(format_region(judged.claim.expected)))
    if width >= _WITH_CONTROL:
        failed = judged.control_verdict == "fails"
        cells.append(Text("fails", style="dim") if failed else Text(f"! {judged.control_verdict}", style="bold red"))
    if width >= _WITH_STATEMENT:
        answer = f" {judged.answer[0].upper()}{judged.answer[1:]}." if judged.answer else ""
        cells.append(Text(f"{judged.claim.statement}{answer}"))
    return cells


def _verdict(judged: JudgedClaim) -> Text:
    verdict = judged.verdict
    return Text(ANSWERS[verdict]) if judged.is_ours else Text(f"{_SYMBOLS[verdict]} {verdict}", style=_COLOURS[verdict])


def _summary(claims: Sequence[JudgedClaim]) -> Text:
    sentences = []
    for ours, one, many in ((False, "claim", "claims"), (True, "question of ours", "questions of ours")):
        counts: Counter[str] = Counter(judged.verdict for judged in claims if judged.is_ours == ours)
        words = {name: ANSWERS[name] if ours else _WORDS[name][counts[name] != 1] for name in _SYMBOLS}
        parts = [f"{counts[name]} {words[name]}" for name in _SYMBOLS if counts[name]]
        if total := counts.total():
            sentences.append(f"{total} {one if total == 1 else many}: {', '.join(parts)}.")
    if all(judged.control_verdict == "fails" for judged in claims):
        sentences.append("The control fails, as it must." if len(claims) == 1 else "All controls fail, as they must.")
    return Text(" ".join(sentences))


def _warning(judged: JudgedClaim) -> Text:
    return Text(
        f"Warning: the control of {judged.claim.id} was judged {judged.control_verdict}, not fails; "
        "its verdict proves nothing.",
        style="red",
    )
