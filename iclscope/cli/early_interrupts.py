"""Ctrl-C while Python still imports: nothing has begun, so the process ends at once and says nothing; SIGTERM too."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143
_terminated = threading.Event()


def sigterm_as_interrupt() -> None:
    """From now on, let SIGTERM do what Ctrl-C does, so that what runs is saved; the exit status tells them apart."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def status_of_interrupt() -> int:
    """The exit status after an interrupt: whether it was SIGTERM."""
    return TERMINATED if _terminated.is_set() else INTERRUPTED


def _terminate(_number: int, frame: FrameType | None) -> None:
    _terminated.set()
    handler = signal.getsignal(signal.SIGINT)
    # Ctrl-C is ignored by what was started in the background; SIGTERM is not.
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


def quit_on_interrupt() -> None:
    """From now on until `restore_interrupts`, let Ctrl-C end the process at once.

    An exception would not do: in the middle of an import it comes out as a traceback, or as an error of a library that
    caught it. Where Ctrl-C is ignored, or somebody handles it already, that stays.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def restore_interrupts() -> None:
    """From now on, let Ctrl-C raise KeyboardInterrupt again: a command has something to keep."""
    if signal.getsignal(signal.SIGINT) is _end and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    os._exit(status_of_interrupt())
