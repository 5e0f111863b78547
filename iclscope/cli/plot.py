"""``iclscope plot``: a figure of what a sweep found."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from iclscope.core.errors import BadRequest, one_of_these, require
from iclscope.core.files import check_writable, user_path, write_bytes
from iclscope.core.refusals import refusal
from iclscope.sweeps.pictures.own_files import ENDINGS, figure_file, is_ours
from iclscope.sweeps.pictures.sweep_figure import MOST_COLOURS, Shown, hue_values, sweep_figure
from iclscope.sweeps.results import LENGTH, STOPPED_AT, TEST, SweepResults, load_results
from iclscope.sweeps.summary import Section, is_numeric, section_of_test, section_of_training

PLOTS = "plots"
MOST_PANELS = 12
_LOG = ("x", "y", "xy")
_LONGEST_NAME = 150
_MOST_TOLD = 10


def plot_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a sweep's results.")],
    x: Annotated[
        str | None,
        typer.Option(metavar="SETTING", help="Setting on the x axis; default: the first numeric one that varies."),
    ] = None,
    y: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Metric on the y axis; default: the first one measured.")
    ] = None,
    hue: Annotated[str | None, typer.Option(metavar="SETTING", help="Setting with one curve per value.")] = None,
    test: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this test (repeatable); default: one panel per test.")
    ] = None,
    log: Annotated[str | None, typer.Option(metavar="|".join(_LOG), help="Which axes are logarithmic.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"A file that ends in {', '.join(ENDINGS)}; default: DIR/{PLOTS}/Y-by-X.png."
        ),
    ] = None,
) -> None:
    """Draw what a sweep found: means over seeds with 95 % intervals. Nothing is trained.

    Settings that are neither x nor hue are averaged over, and the figure says so. A setting may be named by the end of
    its name (alpha for task.alpha) where only one has it.
    """
    require(log in (None, *_LOG), "--log", log, one_of_these(_LOG))
    folder = user_path(folder, "DIR")
    out = None if out is None else user_path(out, "--out")
    results = load_results(folder)
    metric = results.metrics[0] if y is None else results.metric_named(y, "--y")
    tests = [results.test_named(name, "--test") for name in dict.fromkeys(test or ())]
    abscissa = _default_x(results, tests, metric) if x is None else results.setting_named(x, "--x")
    colour = None if hue is None else results.setting_named(hue, "--hue")
    require(colour != abscissa, "--hue", hue, f"another setting than --x, {abscissa}")
    shown = Shown(results.name, abscissa, metric, colour, log or "", results.drawn)
    sections, left_out = _sections(results, shown, tests)
    _check_axes(sections, shown)
    path = folder / PLOTS / f"{_name(shown, tests)}.png" if out is None else out
    _check_file(path, default=out is None)
    figure = sweep_figure(sections, shown)
    content = figure_file(figure, path.suffix, name=path.stem)
    _write(path, content, default=out is None)
    for told in left_out[:_MOST_TOLD]:
        typer.echo(f"Not shown: test {told}.")
    typer.echo(f"Plot: {path}")


def _default_x(results: SweepResults, tests: Sequence[str], metric: str) -> str:
    """The first numeric varied setting, or what else tells points apart."""
    sections = (
        [section_of_training(results)]
        if metric == STOPPED_AT
        else [section_of_test(results, name) for name in tests or results.tests[:MOST_PANELS]]
    )
    varied = [(section, name) for section in sections for name in section.settings if section.varies(name)]
    numeric = [name for section, name in varied if is_numeric(section.rows, name)]
    found = [*numeric, *(name for _, name in varied)]
    if not found:
        raise BadRequest(f"DIR = {str(results.folder)!r} has nothing to draw against: its sweep varies no setting")
    return found[0]


def _sections(results: SweepResults, shown: Shown, tests: Sequence[str]) -> tuple[list[Section], list[str]]:
    """The panels, and the names of tests that cannot be shown."""
    if shown.y == STOPPED_AT:
        require(not tests, "--test", list(tests), f"none with --y {STOPPED_AT}, which is of training")
        for option, name in (("--x", shown.x), ("--hue", shown.hue)):
            trained = name is None or not (name == LENGTH or name.startswith(f"{TEST}."))
            require(trained, option, name, f"a setting of training, with --y {STOPPED_AT}")
        return [section_of_training(results)], []
    sections = [section_of_test(results, name) for name in tests or results.tests]
    wanted = {*shown.by, shown.y}
    fit = [each for each in sections if wanted <= {*each.settings, *each.metrics}]
    left_out = [
        f"{each.test} has no {_missing(each, shown)}"
        for each in sections
        if not wanted <= {*each.settings, *each.metrics}
    ]
    if not fit or (tests and left_out):
        raise BadRequest(
            f"DIR = {str(results.folder)!r} has no such plot: test {'; test '.join(left_out[:_MOST_TOLD])}"
        )
    panels = [str(each.test) for each in fit]
    require(
        len(panels) <= MOST_PANELS, "--test", "all", f"at most {MOST_PANELS} at once, of {', '.join(panels[:5])}, …"
    )
    return fit, left_out


def _missing(section: Section, shown: Shown) -> str:
    """The first of what is asked for that a test does not have."""
    return next(name for name in [*shown.by, shown.y] if name not in (*section.settings, *section.metrics))


def _check_axes(sections: Sequence[Section], shown: Shown) -> None:
    """Refuse what has no place on the axes."""
    if "x" in shown.log:
        for section in sections:
            numeric = is_numeric(section.rows, shown.x)
            require(numeric, "--log", shown.log, f"y or none: {shown.x} is not a number")
            least = min(section.rows[shown.x].to_list())
            require(least > 0, "--log", shown.log, f"y or none: {shown.x} has the value {least:g}")
    if "y" in shown.log:
        some = any((section.rows[shown.y].fill_nan(None) > 0).any() for section in sections)
        require(some, "--log", shown.log, f"x or none: {shown.y} is never positive")
    if shown.hue is not None:
        count = len(hue_values(sections, shown.hue))
        numeric = all(is_numeric(section.rows, shown.hue) for section in sections)
        allowed = f"a setting of at most {MOST_COLOURS} values, or of numbers; this has {count:,}"
        require(numeric or count <= MOST_COLOURS, "--hue", shown.hue, allowed)


def _name(shown: Shown, tests: Sequence[str]) -> str:
    """A file name for the figure, one for each question."""
    parts = [f"{shown.y}-by-{shown.x}", *([shown.hue] if shown.hue is not None else [])]
    name = "-".join([*parts, *(["on", *tests] if tests else [])])
    return re.sub(r"[^\w.+-]", "_", name)[:_LONGEST_NAME]


def _check_file(path: Path, *, default: bool) -> None:
    """Refuse a file that is not ours to write, before anything is drawn."""
    try:
        require(path.suffix in ENDINGS, "--out", str(path), f"a file that ends in {', '.join(ENDINGS)}")
        if os.path.lexists(path):
            allowed = "a new file, or an unchanged one of iclscope plot; this one is left as it is"
            require(is_ours(path), "--out", str(path), allowed)
        if default:
            check_writable(path.parent, "--out")
        else:
            require(path.parent.is_dir(), "--out", str(path), f"a file in a folder that exists; {path.parent} does not")
            require(os.access(path.parent, os.W_OK), "--out", str(path), "a file in a folder that can be written to")
    except OSError as error:
        raise refusal("--out", str(path), f"a file that can be written: {error.strerror}") from error


def _write(path: Path, content: bytes, *, default: bool) -> None:
    try:
        if default:
            path.parent.mkdir(exist_ok=True)
        write_bytes(path, content)
    except OSError as error:
        raise refusal("--out", str(path), f"a file that can be written: {error.strerror}") from error
