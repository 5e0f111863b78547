"""How a measurement on a language model is run from the command line, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from iclscope.cli.llm.options import CommonOptions
from iclscope.core.settings import Settings
from iclscope.language_models.measurement import Measurement, measure
from iclscope.language_models.measurement_result import MeasurementResult
from iclscope.language_models.requests import planned
from iclscope.study.pages.claims_table import print_claims
from iclscope.study.pages.page import TextTable


def measured(
    kind: type[Measurement[Any, Any]],
    common: CommonOptions,
    settings: Settings,
    *,
    apart: bool = False,
    titled: bool = False,
    **more: Any,
) -> MeasurementResult[Any]:
    """Measure with a bar, and print tables, claims, notes and where the report is.

    Args:
        kind: which measurement.
        common: what the options that all commands share ask for.
        settings: of the measurement.
        apart: whether an empty line stands behind each table.
        titled: whether title and caption stand above each table.
        **more: what this measurement alone takes.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    measurement = planned(kind, common.measurement, settings, common.out, force=common.force, **more)
    with _prompts_bar(console) as progress_bar:
        done = measure(measurement, progress=progress_bar)
    for table in (*done.tables, *done.extra.get("explained", ())):
        if titled:
            console.print(f"{table.title}\n{table.caption}")
        console.print(_shown(table))
        if apart:
            console.print()
    print_claims(done.claims, console)
    if "recommendation" in done.extra:
        reason = done.recommendation.reason
        console.print(reason[0].upper() + reason[1:])
    for note in done.notes:
        console.print(f"Note: {note}")
    assert measurement.folder is not None
    console.print(f"Report: {measurement.folder.path / 'report.html'}")
    return done


@contextmanager
def _prompts_bar(console: Console) -> Iterator[Callable[[int, int], None] | None]:
    """A bar with the time left on a terminal, nothing elsewhere.

    What is given is to be called with how many prompts have been read, of how many.
    """
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),  # a question mark until the total is known
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("prompts", total=None)
        yield lambda read, total: progress.update(bar, completed=read, total=total)


def _shown(table: TextTable) -> Table:
    found = Table(*table.head, box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in found.columns:
        column.overflow = "fold"
    for row in table.rows:
        found.add_row(*(Text(cell) for cell in row))
    return found
