"""What a process of `sweep_processes` does: `iclscope sweep`, with a note of every trial that it begins to train."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from iclscope.cli.main import run
from iclscope.execution import jobs


def sweep_noted(ledger: str, arguments: Sequence[str], out: str, err: str, first: str = "") -> None:
    """Run the command and exit.

    Args:
        ledger: where the trials that begin are noted.
        arguments: what comes after ``iclscope sweep``.
        out: the file for what is printed.
        err: the file for complaints.
        first: Python that is run before.
    """
    os.setsid()  # what it starts can be killed with it
    for descriptor, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    exec(first, {})
    train_trials = jobs.train_trials

    def noted(trials: Sequence[Any], **settings: Any) -> Any:
        line = json.dumps({"process": os.getpid(), "trials": [trial.hash for trial in trials]}) + "\n"
        descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())  # one write: whole in the file, however the process ends
        os.close(descriptor)
        return train_trials(trials, **settings)

    jobs.train_trials = noted
    run(["sweep", *arguments])
