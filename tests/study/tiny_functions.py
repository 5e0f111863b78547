"""The figures of Garg 2022 with trainings and tests of a fraction of a second, all else as it is."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import pytest

from iclscope.baselines.regression import REGRESSION_BASELINES, trees, two_layer_network
from iclscope.claims import bootstrap
from iclscope.models import SIZES
from iclscope.papers.garg2022 import rows
from iclscope.papers.garg2022.settings import PLANS, Plan
from iclscope.tasks import FunctionClass
from iclscope.training.schedules import Curriculum
from iclscope.training.trial import Training

STEPS = 8


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every published size of model tiny, and preset quick a few steps in three dimensions."""
    for size in SIZES:
        monkeypatch.setitem(SIZES, size, (1, 2, 8))
    for function, plan in PLANS["quick"].items():
        task = FunctionClass(function=function, d_X=3, length=6, sparsity=1, depth=2, width=5)
        training = Training(
            **{
                **dict(plan.training),
                "steps": STEPS,
                "batch_size": 4,
                "schedule": Curriculum(dimensions=1, length=2, every=2),
            }
        )
        monkeypatch.setitem(PLANS["quick"], function, Plan(task, "tiny", training))
    monkeypatch.setattr(rows, "PROMPTS", 16)
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)
    monkeypatch.setattr(trees, "BOOSTING_ROUNDS", 2)
    monkeypatch.setitem(REGRESSION_BASELINES, "two-layer network", partial(two_layer_network, steps=2))


class CtrlC:
    """Presses Ctrl-C after so many steps of all runs together, and slows down until it has been noticed."""

    def __init__(self, after: int) -> None:
        self._after, self._made, self._counting = after, 0, threading.Lock()

    def expect(self, figures: int, run_steps: int) -> None: ...

    def stage(self, figure: str, doing: str) -> None: ...

    def steps(self, run_steps: int) -> None:  # noqa: ARG002 (each call is a step, whatever it costs)
        """Called by each of the threads that train."""
        with self._counting:
            self._made += 1
            made = self._made
        if made == self._after:
            os.kill(os.getpid(), signal.SIGINT)
        if made >= self._after:
            time.sleep(0.25)  # the main thread looks five times a second

    def skip(self, run_steps: int) -> None: ...

    def figure_done(self) -> None: ...
