"""The command ``iclscope``: where the process starts; what takes time to import is imported once Ctrl-C is quiet."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from iclscope.cli.early_interrupts import (
    INTERRUPTED,
    quit_on_interrupt,
    sigterm_as_interrupt,
    status_of_interrupt,
)
from iclscope.cli.output import watch_output

FAILED, BAD_REQUEST = 1, 2


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Exit status 0 when the work was done, whatever the verdicts; 1 where results or standard output could not be
    written or a cluster failed, and 2 for a bad request, each with one line; 130 on Ctrl-C, 143 on SIGTERM. Where
    whoever reads a pipe closes it, the status is 1 and nothing is said.

    Args:
        arguments: the words after ``iclscope``; None: those of this process.
    """
    quit_on_interrupt()
    sigterm_as_interrupt()
    watch_output()
    status = main(sys.argv[1:] if arguments is None else list(arguments))
    if status == INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, AttributeError):
                stream.flush()
        os._exit(status_of_interrupt())  # without waiting for groups that were dropped
    sys.exit(status)


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    try:
        from iclscope.cli.app import exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    return exit_status(arguments)


def __getattr__(name: str) -> Any:
    if name == "app":
        from iclscope.cli.app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    run()
