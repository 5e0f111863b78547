"""Progress of long commands: bars with the time left in a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from iclscope.core.progress import Advance, progress_bar


@runtime_checkable
class ProgressReport(Protocol):
    """Receives the progress of a reproduction."""

    def expect(self, figures: int, run_steps: int) -> None:
        """Set the totals: figures, and training steps times runs (at most), weighted by model size."""
        ...

    def stage(self, figure: str, doing: str) -> None:
        """Name the current figure and what is being done."""
        ...

    def steps(self, run_steps: int) -> None:
        """Count training steps times runs as done."""
        ...

    def skip(self, run_steps: int) -> None:
        """Take steps that are not needed off the total."""
        ...

    def figure_done(self) -> None:
        """Count a figure as finished."""
        ...


class NullProgress:
    """Progress that is not shown."""

    def expect(self, figures: int, run_steps: int) -> None:
        """Do nothing."""

    def stage(self, figure: str, doing: str) -> None:
        """Do nothing."""

    def steps(self, run_steps: int) -> None:
        """Do nothing."""

    def skip(self, run_steps: int) -> None:
        """Do nothing."""

    def figure_done(self) -> None:
        """Do nothing."""


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
    """Bars in a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield NullProgress()
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


class OneBar(NullProgress):
    """One bar, of training, for calls from Python."""

    def __init__(self, stack: ExitStack, show: bool | None) -> None:
        self._stack, self._show = stack, show
        self._advance: Advance = lambda _: None

    def expect(self, figures: int, run_steps: int) -> None:  # noqa: ARG002 (training takes nearly all the time)
        """Show a bar with this total."""
        self._advance = self._stack.enter_context(progress_bar("training", run_steps, show=self._show))

    def steps(self, run_steps: int) -> None:
        """Move the bar."""
        self._advance(run_steps)

    def skip(self, run_steps: int) -> None:
        """Move the bar: what is not needed is done."""
        self._advance(run_steps)


@contextmanager
def reported(progress: ProgressReport | bool | None) -> Iterator[ProgressReport]:
    """Where to report progress: to what is given, or by one bar.

    Args:
        progress: a report, or whether to show a bar; None: in a terminal and in a notebook.
    """
    with ExitStack() as stack:
        yield OneBar(stack, progress) if isinstance(progress, bool) or progress is None else progress
