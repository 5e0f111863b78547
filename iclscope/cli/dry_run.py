"""What ``iclscope sweep --dry-run`` prints: what would be trained and tested, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from iclscope.claims.formats import format_number
from iclscope.core.yaml_text import as_written
from iclscope.sweeps.estimate import Estimate
from iclscope.sweeps.file.axes import values_text
from iclscope.sweeps.file.designs import Grid
from iclscope.sweeps.file.planned import SweepTest
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.overview import Overview
from iclscope.sweeps.run_sweep import SweepStatus

_TOLD = ("steps", "batch_size", "learning_rate")
"""Settings of training that are told even where a paper gives them."""


def describe(console: Console, sweep: Sweep, found: Overview) -> None:
    """Print what would be trained and tested, in the words of the file."""
    same = f" ({found.different:,} different)" if found.different < found.trials else ""
    groups = f"{counted(found.groups, 'group')} of {counted(len(found.shapes), 'shape')}"
    console.print(f"{sweep.name}: {counted(found.trials, 'trial')}{same}, trained in {groups}")
    if sweep.question:
        # A file may come from anyone, and a terminal acts on control characters.
        console.print("".join(letter for letter in " ".join(sweep.question.split()) if letter.isprintable()))
    table = Table(show_header=False, box=None)
    for name, text in _rows(sweep, found):
        table.add_row(name, text)
    console.print(table)
    if found.different > 1:
        largest = max(min(shape.count, shape.at_a_time) for shape in found.shapes)
        size = f"here at most {counted(largest, 'trial')}" if largest > 1 else "here each trial alone"
        console.print(f"A group trains together: trials of one shape (equal sizes, steps, batch size …), {size}.")


def _rows(sweep: Sweep, found: Overview) -> Iterator[tuple[str, str]]:
    """The parts of a sweep, and what the file says of each."""
    if sweep.paper is not None:
        figure = f"figure {sweep.figure}, " if sweep.figure is not None else ""
        yield "paper", f"{sweep.paper}, {figure}preset {sweep.preset or 'quick'}"
    if any(sweep.base.values()):
        yield "base", _settings_text(sweep.base)
    if text := _training_text(sweep, found):
        yield "training", text
    for axis in sweep.axes:
        texts = {name: values_text(values) for name, values in axis.values_of.items()}
        if len(set(texts.values())) == 1:
            yield f"vary {', '.join(axis.settings)}", texts[axis.settings[0]]
            continue
        for number, (name, text) in enumerate(texts.items()):
            yield f"{'with' if number else 'vary'} {name}", text
    if not isinstance(sweep.design, Grid):
        yield "design", f"{sweep.design.samples:,} {sweep.design.kind} points, seed {sweep.design.seed}"
    seeds = sweep.seed_list
    first_and_last = isinstance(seeds, range) and len(seeds) > 1
    yield "seeds", f"{seeds[0]} … {seeds[-1]}" if first_and_last else _listed(seeds)
    for name, test in sweep.tests.items():
        yield f"test {name}", _test_text(test)


def _training_text(sweep: Sweep, found: Overview) -> str:
    """How long and fast every trial trains, wherever that was said; what is varied is told where it is."""
    training = found.shapes[0].first.trial.training
    fixed = [name for name in _TOLD if not {"training", f"training.{name}"} & set(sweep.varied)]
    return ", ".join(f"{name} = {as_written(getattr(training, name))}" for name in fixed)


def _test_text(test: SweepTest) -> str:
    """What a test changes and varies, in a line."""
    varied = [f"{', '.join(axis.settings)}: {values_text(axis.values_of[axis.settings[0]])}" for axis in test.axes]
    tests = [f"{test.count:,} tests"] if test.count > 1 else []
    prompts = [f"{test.prompts:,} prompts"] if test.prompts is not None else []
    size = [" of ".join([*tests, *prompts])] if tests or prompts else []
    return "; ".join([_settings_text(test.task) or "the task trained on", *varied, *size])


def _settings_text(settings: Mapping[str, Any]) -> str:
    """Settings by their dotted names: ``alpha = 0.8, shift.S1 = 1.3``."""
    return ", ".join(f"{name} = {as_written(value)}" for name, value in _dotted(settings))


def _dotted(settings: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


def _listed(values: Sequence[int]) -> str:
    """At most ten numbers."""
    return ", ".join(str(value) for value in values[:10]) + (", …" if len(values) > 10 else "")


def counted(count: int, thing: str) -> str:
    """A number of things, in words."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def time_text(expected: Estimate) -> str:
    """The estimate, and what it rests on."""
    workers = "1 core" if expected.workers == 1 else f"{expected.workers} cores"
    kinds = "timed on one group"
    if expected.kinds > 1:
        kinds = f"timed one group of {expected.kinds} kinds; the others are scaled"
    step = f"{format_number(expected.step_seconds * 1e3)} ms per step and run"
    return f"Estimated time: about {_duration_text(expected.seconds)} on {workers} ({kinds}; {step})"


def status_text(status: SweepStatus) -> str:
    """What the store holds already of a sweep; empty if that is nothing."""
    finished = status.trials - status.missing
    if status.missing == 0:
        return f"Nothing is missing: all {counted(finished, 'trial')} are finished, and a run writes the table at once."
    if finished == 0:
        return ""
    return f"{finished:,} of {status.trials:,} trials are finished already; the estimate is of all."


def _duration_text(seconds: float) -> str:
    """A time to two figures, in the unit that suits it."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 1.5 * length or unit == "s":
            return f"{float(f'{max(seconds, 0.1) / length:.2g}'):,g} {unit}"
    raise AssertionError
