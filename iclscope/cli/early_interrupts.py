"""Ctrl-C while Python still imports: nothing has begun, so the process ends at once and says nothing."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

INTERRUPTED = 130


def interrupts_end_quietly() -> None:
    """From now on until `commands_begin`, let Ctrl-C end the process at once.

    An exception would not do: in the middle of an import it comes out as a traceback, or as an error of a library that
    caught it. Where Ctrl-C is ignored, or somebody handles it already, that stays.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def commands_begin() -> None:
    """From now on, let Ctrl-C raise KeyboardInterrupt again: a command has something to keep."""
    if signal.getsignal(signal.SIGINT) is _end and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    os._exit(INTERRUPTED)
