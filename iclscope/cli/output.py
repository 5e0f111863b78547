"""Standard output and standard error: letters that they cannot show, disks that are full, pipes that are closed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any, TextIO


class _WatchedFile(io.FileIO):
    """A file that remembers why it could not be written: what was written is gone, and a second try may go well."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


def watch_output() -> None:
    """From now on, let `output_failure` know of every failed write to this process's standard output."""
    if sys.stdout is None or sys.stdout is not sys.__stdout__ or not isinstance(sys.stdout, io.TextIOWrapper):
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        file = io.BufferedWriter(_WatchedFile(sys.stdout.fileno(), "w", closefd=False))
        sys.stdout = io.TextIOWrapper(
            file, sys.stdout.encoding, sys.stdout.errors, line_buffering=sys.stdout.line_buffering
        )


def replace_unencodable() -> None:
    """Let standard output and error write ``?`` for what they cannot write, as Greek letters or paths of any bytes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def flush_output() -> None:
    """Write what standard output still holds.

    Raises:
        OSError: if it cannot be written.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def output_failure() -> str | None:
    """Why standard output cannot be written, in a line; empty where a pipe was closed; None if it can be.

    What could not be written is dropped, so that Python does not try again when it ends.
    """
    if sys.stdout is None:
        return "standard output is closed"
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    failure: Exception | None = file.failure if isinstance(file, _WatchedFile) else None
    try:
        flush_output()
    except (OSError, ValueError) as error:
        failure = failure or error
    if failure is None:
        return None
    _drop(sys.stdout)
    if getattr(failure, "errno", None) == errno.EPIPE:
        return ""
    return f"standard output cannot be written: {getattr(failure, 'strerror', None) or failure}"


def _drop(stream: TextIO) -> None:
    """Let whatever is still written to a stream go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
