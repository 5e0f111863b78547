"""What every config of a model has: sizes, initial values, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclscope.core.errors import require
from iclscope.core.settings import KindSettings
from iclscope.tasks.task import Task

if TYPE_CHECKING:
    import torch


class ModelConfig(KindSettings):
    """Sizes and initial values of one run of a model; a subclass has a field ``kind``, its name in the registry."""

    if TYPE_CHECKING:  # fields of a subclass, or properties of it

        @property
        def d_X(self) -> int:
            """Input dimension."""

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for models to be stacked along the run axis: everything, unless initial values differ."""
        return tuple(self.model_dump().values())

    def summary(self) -> dict[str, float | str]:
        """The sizes in the paper's symbols, in display order."""
        return {"model": self.title, **super().summary()}

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of these sizes cannot read.

        Raises:
            BadRequest: naming what does not fit.
        """
        own = (self.d_X, getattr(self, "d_Y", 1))
        require((task.d_X, task.d_Y) == own, "(d_X, d_Y) of a task", (task.d_X, task.d_Y), f"{own}, the model's")
        require(task.query_only, "predictions", "every", "the query alone: this model answers one query per prompt")

    def runs_at_a_time(self, device: torch.device) -> int:  # noqa: ARG002 (the same on every device)
        """How many runs to train together."""
        return 16

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor."""
        return 10 * length
