"""Ctrl-C between steps, never inside one: a half-made step could not be resumed exactly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StoppedTraining(KeyboardInterrupt):
    """A training that was asked to stop, with its state after the last step that was made."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.state = state


class InterruptRequest:
    """Whether Ctrl-C has been pressed since the context was entered."""

    def __init__(self) -> None:
        self.made = False

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        if self.made:  # pressed twice: whoever presses again does not want to wait for the step
            raise KeyboardInterrupt
        self.made = True


@contextmanager
def deferred_interrupt() -> Iterator[InterruptRequest]:
    """Note Ctrl-C instead of raising at once; pressed twice, it raises at once.

    Outside the main thread, where Python allows no signal handlers, nothing is changed.
    """
    request = InterruptRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.signal(signal.SIGINT, request._note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_requests(should_stop: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
    """Whoever is asked whether to stop: the given function, or Ctrl-C if there is none."""
    if should_stop is not None:
        yield should_stop
        return
    with deferred_interrupt() as interrupt:
        yield lambda: interrupt.made
