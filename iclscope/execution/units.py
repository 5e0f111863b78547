"""What an engine is asked for: a trial to be trained, and what the trained model is to be tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from iclscope.core.registry import TASKS
from iclscope.tasks import Task
from iclscope.training.origin import origin_of
from iclscope.training.trial import SCIENCE_VERSION, Trial, name_of


@dataclass(frozen=True)
class PlannedTest:
    """One test of a trained model.

    Attributes:
        name: its name in the sweep.
        task: what the model is tested on.
        prompts: test prompts per run.
        varied: settings of the task that the test varies, ``test.alpha`` → value.
    """

    name: str
    task: Task
    prompts: int
    varied: Mapping[str, Any]

    @cached_property
    def hash(self) -> str:
        """A name for what is asked: equal task and prompts, equal hash, whatever the test is called."""
        asked: dict[str, Any] = {"task": self.task, "prompts": self.prompts, "science_version": SCIENCE_VERSION}
        if (origin := origin_of(TASKS, self.task.kind)) is not None:
            asked["origin"] = origin
        return name_of(asked)


class PlannedTrial(NamedTuple):
    """One trial of a sweep.

    Attributes:
        trial: what is trained.
        varied: the varied settings by their dotted names, and their values.
        tests: what the trained model is tested on.
    """

    trial: Trial
    varied: Mapping[str, Any]
    tests: Sequence[PlannedTest]
