"""Prompt sizes over training: growing, or a random length at each step.

All are pure functions of the step alone, so runs that train together have prompts of one size, and a training that is
resumed goes on with the sizes it would have had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from iclscope.core.errors import require
from iclscope.core.random_streams import RandomStream
from iclscope.core.settings import Settings
from iclscope.tasks import Task
from iclscope.tasks.prompts import PromptSize, Sampler, TrainingPrompts
from iclscope.training.gradients import TRAINING_PURPOSE


class Curriculum(Settings):
    """Few dimensions and short prompts first (Garg 2022, Appendix A.2).

    The defaults are those of the published linear run: 5 → 20 dimensions, 11 → 41 points (10 → 40 examples).
    """

    kind: Literal["curriculum"] = Field("curriculum", description="which schedule this is")
    dimensions: int = Field(5, ge=1, description="dimensions of the inputs at the start; the others are zero")
    length: int = Field(10, ge=0, description="context length at the start")
    every: int = Field(2000, ge=1, description="steps between increases")
    dimensions_added: int = Field(1, ge=0, description="dimensions added at each increase, up to the task's")
    length_added: int = Field(2, ge=0, description="examples added at each increase, up to the task's")

    def size(self, step: int, *, dimensions: int, length: int) -> PromptSize:
        """The prompts of a step; ``dimensions`` and ``length`` are the task's, reached at the end."""
        increases = step // self.every
        return PromptSize(
            min(length, self.length + increases * self.length_added),
            min(dimensions, self.dimensions + increases * self.dimensions_added),
        )


class LengthPerStep(Settings):
    """A context length redrawn at every step, the same for all prompts of the batch."""

    kind: Literal["length_per_step"] = Field("length_per_step", description="which schedule this is")
    shortest: int = Field(1, ge=0, description="the shortest context; the longest is the task's length")

    def size(self, step: int, *, dimensions: int, length: int) -> PromptSize:  # noqa: ARG002 (all dimensions, always)
        """The prompts of a step: a length uniform on shortest … length; all dimensions."""
        uniform = float(RandomStream.from_seeds([0], "length per step").at(step).uniform())
        return PromptSize(self.shortest + int(uniform * (length - self.shortest + 1)), None)


Schedule = Curriculum | LengthPerStep


def check_schedule(schedule: Schedule, task: Task) -> None:
    """Refuse a schedule that asks for prompt sizes the task does not have.

    Raises:
        BadRequest: naming what does not fit.
    """
    longest = task.length_range[1]
    if isinstance(schedule, LengthPerStep):
        require(schedule.shortest <= longest, "shortest", schedule.shortest, f"at most the task's length, {longest}")
    else:
        task.check_dimensions(schedule.dimensions)


class ScheduledSampler:
    """A sampler whose training prompts follow a schedule; prompts of other purposes keep the task's size."""

    def __init__(self, sampler: Sampler, schedule: Schedule, *, dimensions: int, length: int) -> None:
        """Wrap a sampler.

        Args:
            sampler: of the training task.
            schedule: the sizes.
            dimensions: the task's input dimension.
            length: the task's context length.
        """
        self._sampler, self._schedule = sampler, schedule
        self._dimensions, self._length = dimensions, length

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> TrainingPrompts:
        """A batch for every run, of the size of its step unless another is asked for."""
        if size is not None or purpose != TRAINING_PURPOSE:
            return self._sampler.prompts(batch, purpose=purpose, step=step, size=size)
        size = self._schedule.size(step, dimensions=self._dimensions, length=self._length)
        return self._sampler.prompts(batch, purpose=purpose, step=step, size=size)

    def runs(self, indices: Sequence[int]) -> Self:
        """The sampler of some of the runs."""
        return type(self)(self._sampler.runs(indices), self._schedule, dimensions=self._dimensions, length=self._length)
