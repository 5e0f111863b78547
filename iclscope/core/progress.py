"""A progress bar where somebody can see it: in a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from iclscope.core.interrupted import in_notebook

Advance = Callable[[float], None]
"""Called with the amount of work that was just finished."""

_NOTEBOOK_SECONDS = 0.2


@contextmanager
def progress_bar(title: str, total: float, *, show: bool | None = None) -> Iterator[Advance]:
    """A bar that disappears when the work is done.

    Args:
        title: what is going on.
        total: the amount of work.
        show: whether to show it; None: in a terminal and in a notebook.
    """
    if show is None:
        show = in_notebook() or sys.stderr.isatty()
    if not show or total <= 0:
        yield lambda _: None
    elif in_notebook():
        yield _NotebookBar(title, total).advance
    else:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True, force_terminal=True)
        with Progress(console=console, transient=True) as bars:
            task = bars.add_task(title, total=total)
            yield lambda amount: bars.advance(task, amount)


class _NotebookBar:
    """An HTML progress element, which needs no widgets."""

    def __init__(self, title: str, total: float) -> None:
        from IPython.display import HTML, display  # type: ignore[import-not-found,unused-ignore]

        self._html, self._title, self._total, self._done, self._shown = HTML, title, total, 0.0, 0.0
        self._handle: Any = display(self._content(), display_id=True)

    def advance(self, amount: float) -> None:
        """Count work as done, and show it a few times a second."""
        self._done += amount
        ended = self._done >= self._total
        if self._handle is not None and (ended or time.monotonic() - self._shown > _NOTEBOOK_SECONDS):
            self._shown = time.monotonic()
            self._handle.update(self._html("") if ended else self._content())

    def _content(self) -> Any:
        share = min(self._done / self._total, 1.0)
        return self._html(f"{self._title} <progress value='{share:.3f}' max='1'></progress> {share:.0%}")
