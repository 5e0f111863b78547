"""``iclscope show``: what a sweep found, as tables and slopes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from iclscope.claims.formats import format_interval, format_number
from iclscope.claims.intervals import Interval
from iclscope.core.refusals import refusal
from iclscope.plotting.setting_text import listed, plain_text, value_text
from iclscope.sweeps.results import SweepResults, load_results
from iclscope.sweeps.summary import RATES, Mixture, Section, mixture, points, section_of_test, section_of_training
from iclscope.sweeps.summary_table import summary_table
from iclscope.sweeps.sweep_slopes import FEWEST, Slope, sloped_settings, slopes

MOST_ROWS, MOST_TESTS = 30, 10
"""Rows of a table, and tests, that are shown without ``--all``."""

_Row = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""Cells of settings, of metrics and of counts."""


def show_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a sweep's results.")],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="SETTING,…", help="Group by these settings, average over the others; default: all that vary."
        ),
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this test (repeatable); default: all.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this metric (repeatable); default: all.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Print every row of long tables, and every test.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every point as CSV instead, without slopes.")] = False,
) -> None:
    """Print what a sweep found: means over seeds with 95 % intervals, and log-log slopes.

    A setting may be named by the end of its name (alpha for task.alpha) where only one has it.
    """
    results = load_results(folder)
    metrics = [results.metric_named(name, "--metric") for name in metric or ()]
    tests = [results.test_named(name, "--test") for name in test or results.tests]
    told_apart = None if by is None else _settings_named(results, by)
    if csv:
        typer.echo(summary_table(results, tests, told_apart, metrics).write_csv(), nl=False)
        return
    sections = [_with_metrics(section_of_test(results, name), metrics) for name in dict.fromkeys(tests)]
    if results.has_stopped_runs and test is None:
        sections.insert(0, _with_metrics(section_of_training(results), metrics))
    sections = [section for section in sections if section.metrics]
    most = None if everything else MOST_ROWS
    printer = _Printer(most)
    printer.line(_headline(results))
    if results.question:
        printer.line(plain_text(results.question))
    for section in sections[: None if everything else MOST_TESTS]:
        printer.section(section, told_apart, drawn=results.drawn)
    if not everything and len(sections) > MOST_TESTS:
        printer.line(
            f"\n… and {len(sections) - MOST_TESTS:,} more tests: --all shows every one, --test NAME one of them"
        )
    printer.notes()


def _settings_named(results: SweepResults, by: str) -> list[str]:
    names = [name.strip() for name in by.split(",")]
    if not all(names):
        raise refusal("--by", by, "varied settings with commas between them")
    return list(dict.fromkeys(results.setting_named(name, "--by") for name in names))


def _with_metrics(section: Section, metrics: Sequence[str]) -> Section:
    """A section with the metrics asked for, or all."""
    return section._replace(metrics=tuple(name for name in section.metrics if not metrics or name in metrics))


def _headline(results: SweepResults) -> str:
    """How much there is."""
    trials = results.rows.unique("trial")
    diverged = int(trials["diverged_at"].is_not_null().sum())
    lost = f", {diverged:,} of which diverged" if diverged else ""
    seeds = trials["seed"].n_unique()
    missing = f"; {results.failed:,} more failed and are missing (iclscope sweep says why)" if results.failed else ""
    return f"{plain_text(results.name)}: {trials.height:,} trials{lost}, {seeds} seed{'s' * (seeds != 1)}{missing}"


class _Printer:
    """Prints sections, and notes at the end what their numbers are."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._console = Console(highlight=False, markup=False, soft_wrap=True)
        self._rates, self._gaps, self._slopes, self._single = False, False, False, False
        self._drawn = False

    def line(self, text: str) -> None:
        """One line, however long."""
        self._console.print(text)

    def section(self, section: Section, told_apart: Sequence[str] | None, *, drawn: bool) -> None:
        """Points and slopes of a test or of training."""
        by = [name for name in section.settings if told_apart is None or name in told_apart]
        mixed = mixture(section, by)
        self.line(f"\n{_title(section)}{_mixture_text(mixed)}")
        self._points(section, by)
        self._all_slopes(section, by, drawn=drawn)
        self._rates |= bool(set(section.metrics) & set(RATES))

    def _points(self, section: Section, by: Sequence[str]) -> None:
        found, count = points(section, by, self._most)
        diverged = any(point.diverged for point in found)
        rows: list[_Row] = []
        for point in found:
            cells = [self._cell(point.estimates[name], point.seeds) for name in section.metrics]
            lost = [f"{point.diverged:,}" if point.diverged else ""] if diverged else []
            rows.append(([value_text(value) for value in point.values.values()], cells, [f"{point.seeds:,}", *lost]))
        self._table(by, section.metrics, ["seeds", "diverged"] if diverged else ["seeds"], rows)
        if count > len(found):
            self.line(f" … and {count - len(found):,} more of {count:,} points: --all shows every one, --csv as CSV")

    def _all_slopes(self, section: Section, by: Sequence[str], *, drawn: bool) -> None:
        settings, too_few = sloped_settings(section, by)
        shown: list[Slope] = []
        count = 0
        for setting in settings:
            left = None if self._most is None else self._most - len(shown)
            found, curves = slopes(section, by, setting, drawn=drawn, most=left)
            shown += found
            count += curves
        if shown:
            headings = ["slope against", "at"] if any(_at(slope) for slope in shown) else ["slope against"]
            rows: list[_Row] = [
                (
                    [slope.against, _at(slope)][: len(headings)],
                    [self._cell(slope.of[name], slope.seeds) for name in section.metrics],
                    [],
                )
                for slope in shown
            ]
            self.line("")
            self._table(headings, section.metrics, [], rows)
            self._slopes = True
            self._drawn |= any(slope.unheld for slope in shown)
        if count > len(shown):
            self.line(f" … and {count - len(shown):,} more of {count:,} slopes: --all shows every one")
        if too_few:
            self.line(f" No slopes against {', '.join(too_few)}: fewer than {FEWEST} positive values.")

    def _cell(self, estimate: Interval, seeds: int) -> str:
        """A mean, its interval, and how many seeds it is of where these are not all."""
        if math.isnan(estimate.value):
            return "–"
        some = ""
        known = estimate.seeds - estimate.missing
        if known < seeds:
            some, self._gaps = f" ({known} of {seeds})", True
        if estimate.seeds == 1:
            self._single = True
            return f"{format_number(estimate.value)}{some}"
        return f"{format_number(estimate.value)} {format_interval(estimate)}{some}"

    def _table(
        self,
        settings: Sequence[str],
        metrics: Sequence[str],
        counts: Sequence[str],
        rows: Sequence[_Row],
    ) -> None:
        """One table; one per metric if a terminal is too narrow for all, and long lines rather than cut ones."""
        whole = _rich_table([*settings, *metrics, *counts], [[*first, *cells, *last] for first, cells, last in rows])
        tables = [whole]
        if self._console.is_terminal and len(metrics) > 1 and self._width(whole) > self._console.width:
            tables = [
                _rich_table(
                    [*settings, metric, *counts], [[*first, cells[place], *last] for first, cells, last in rows]
                )
                for place, metric in enumerate(metrics)
            ]
        for place, table in enumerate(tables):
            if place:
                self.line("")
            width = self._width(table)
            Console(width=width, highlight=False, markup=False).print(table, soft_wrap=True)

    def _width(self, table: Table) -> int:
        """Columns that a table takes if nothing is wrapped."""
        return Measurement.get(self._console, self._console.options.update(max_width=1_000_000), table).maximum

    def notes(self) -> None:
        """What the numbers are."""
        texts = ["Means over seeds, with their 95 % interval over seeds in brackets."]
        if self._single:
            texts.append("One seed alone has no interval.")
        if self._rates:
            texts.append("That of an error rate also covers its test prompts (Clopper–Pearson).")
        if self._gaps:
            texts.append(
                "(k of n): the other seeds diverged, never met the target risk, or have too few points for a slope; "
                "means are over those that did, intervals allow for whatever the others could have had."
            )
        self.line("\n" + " ".join(texts))
        if self._slopes:
            drawn = (
                " As points were drawn, a line goes through those of any value of another setting."
                if self._drawn
                else ""
            )
            self.line(
                "Slopes: least squares of log against log, fitted to each seed's curve; one curve for each value of "
                f'the other settings, which stands under "at".{drawn} Values of 0 or less are left out; a seed that '
                f"misses a point may have any slope; – where fewer than {FEWEST} points are left."
            )


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(plain_text(column), no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(*row)
    return table


def _title(section: Section) -> str:
    return "training" if section.test is None else f"test {plain_text(section.test)}"


def _mixture_text(mixed: Mixture) -> str:
    """What is not told apart."""
    texts = [
        (mixed.averaged, "averaged over {}"),
        (mixed.uneven, "averaged over {}, of which not every point has the same values"),
        (mixed.moving, "{} differing from point to point"),
    ]
    said = [text.format(listed(names)) for names, text in texts if names]
    return f", {'; '.join(said)}" if said else ""


def _at(slope: Slope) -> str:
    """What is held along a curve."""
    held: Mapping[str, Any] = slope.at
    return ", ".join(
        [
            *(f"{name} = {value_text(value)}" for name, value in held.items()),
            *(f"any {name}" for name in slope.unheld),
        ]
    )
