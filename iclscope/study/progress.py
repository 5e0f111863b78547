"""What a long command shows while it works: on a terminal a bar with the time left, elsewhere nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@runtime_checkable
class ProgressReport(Protocol):
    """Who is told how far a reproduction is."""

    def expect(self, figures: int, run_steps: int) -> None:
        """How much there is to do: figures to make, training steps times runs (at most), large models counting more."""
        ...

    def stage(self, figure: str, doing: str) -> None:
        """Which figure is under way, and what is being done."""
        ...

    def steps(self, run_steps: int) -> None:
        """So many training steps times runs have been made."""
        ...

    def skip(self, run_steps: int) -> None:
        """So many of the expected steps turned out not to be needed."""
        ...

    def figure_done(self) -> None:
        """One figure is finished."""
        ...


class Silence:
    """Tells nobody."""

    def expect(self, figures: int, run_steps: int) -> None:
        """Nothing to tell."""

    def stage(self, figure: str, doing: str) -> None:
        """Nothing to tell."""

    def steps(self, run_steps: int) -> None:
        """Nothing to tell."""

    def skip(self, run_steps: int) -> None:
        """Nothing to tell."""

    def figure_done(self) -> None:
        """Nothing to tell."""


class Bars:
    """Two bars: training with the time left, and figures."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._training = progress.add_task("training", total=None)
        self._figures = progress.add_task("figures", total=None)

    def expect(self, figures: int, run_steps: int) -> None:
        """Set the totals."""
        self._progress.update(self._training, total=run_steps, visible=run_steps > 0)
        self._progress.update(self._figures, total=figures)

    def stage(self, figure: str, doing: str) -> None:
        """Name the figure under way."""
        self._progress.update(self._figures, description=f"figures · {doing} {figure}")

    def steps(self, run_steps: int) -> None:
        """Move the training bar."""
        self._progress.advance(self._training, run_steps)

    def skip(self, run_steps: int) -> None:
        """Shorten the training bar."""
        task = next(task for task in self._progress.tasks if task.id == self._training)
        self._progress.update(self._training, total=max(0.0, (task.total or 0) - run_steps))

    def figure_done(self) -> None:
        """Move the figure bar."""
        self._progress.advance(self._figures)


@contextmanager
def progress_bars(console: Console) -> Iterator[ProgressReport]:
    """Bars on a terminal, silence elsewhere."""
    if not console.is_terminal:
        yield Silence()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)
