"""What tasks share whose runs all have the same settings, one query after the context, and answers of one number."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import torch

from iclscope.core.arguments import seeds_from
from iclscope.core.errors import require
from iclscope.core.random_streams import RandomStream
from iclscope.core.settings import Settings


class EqualRunsTask(Settings):
    """A task of which no setting is drawn per run; a subclass has fields ``d_X`` and ``length``, and says the rest."""

    if TYPE_CHECKING:
        length: int

    @property
    def d_Y(self) -> int:
        """An answer is one number."""
        return 1

    @property
    def length_range(self) -> tuple[int, int]:
        """The shortest and the longest context, as every task has them."""
        return (self.length, self.length)

    @property
    def query_only(self) -> bool:
        """Whether the model predicts at the last x alone, not at every one."""
        return True

    @property
    def real_answers(self) -> bool:
        """Whether answers are real numbers, not signs."""
        return True

    def replace(self, **changes: Any) -> Self:
        """The same task with some settings changed, checked like a new one."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for tasks to be sampled in one batch: everything, since no setting is drawn per run."""
        return tuple(self.model_dump().values())


Task = TypeVar("Task", bound=EqualRunsTask)


def the_one_task(tasks: Sequence[Task], seeds: Sequence[int]) -> Task:
    """The task that all runs share.

    Raises:
        BadRequest: if tasks differ, or their number is not that of the seeds.
    """
    require(len(tasks) == len(seeds) > 0, "number of tasks", len(tasks), f"one per seed, {len(seeds)}")
    require(len({task.shape for task in tasks}) == 1, "tasks", len(tasks), "equal tasks")
    return tasks[0]


class EqualRunsSampler(Generic[Task]):
    """Draws prompts of one task, a stream per run; a batch is a pure function of (seed, purpose, step).

    Attributes:
        task: the settings.
    """

    task: Task

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the streams.

        Args:
            task: the settings, the same for all runs.
            seeds: one per run.
            dtype: precision of the prompts; numbers are drawn in float64 whatever it is.
            device: where prompts are made.
        """
        self.task = task
        self._dtype = dtype
        self._device = torch.device(device)
        self._set_seeds(seeds_from(seeds))

    def _set_seeds(self, seeds: Sequence[int]) -> None:
        """Begin the streams of these runs."""
        self._seeds = tuple(seeds)

    def runs(self, indices: Sequence[int]) -> Self:
        """The sampler of some of the runs, in the given order; what a subclass keeps beside is kept."""
        chosen = copy.copy(self)
        chosen._set_seeds([self._seeds[i] for i in indices])
        return chosen

    def _stream(self, purpose: str, what: str, step: int) -> RandomStream:
        """The random numbers of a batch that are for one thing."""
        return RandomStream.from_seeds(self._seeds, f"{purpose} {what}", self._device).at(step)
