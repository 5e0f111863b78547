"""What every config of a model has: sizes, initial values, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iclscope.core.errors import require
from iclscope.core.html import html_settings
from iclscope.core.renamed import adopt_old_overrides, renamed_property
from iclscope.core.settings import Settings
from iclscope.tasks.task import Task

if TYPE_CHECKING:
    import torch

_RENAMED = {"told": "title", "described": "summary"}
"""Old names that configs of other packages may still override."""


class ModelConfig(Settings):
    """Sizes and initial values of one run of a model; a subclass has a field ``kind``, its name in the registry."""

    version: ClassVar[str | None] = None
    """Of a model of another package: raised when the same settings give other numbers. None: its source counts."""

    if TYPE_CHECKING:  # fields of a subclass, or properties of it

        @property
        def kind(self) -> str:
            """Its name in the registry."""

        @property
        def d_X(self) -> int:
            """Input dimension."""

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for models to be stacked along the run axis: everything, unless initial values differ."""
        return tuple(self.model_dump().values())

    @property
    def title(self) -> str:
        """The model in a few words."""
        return self.kind.replace("_", " ")

    def summary(self) -> dict[str, float | str]:
        """The sizes in the paper's symbols, in display order."""
        sizes = {name: str(value) for name, value in self.model_dump(mode="json").items() if name != "kind"}
        return {"model": self.title, **sizes}

    told: ClassVar[Any] = renamed_property("told", "title")
    described: ClassVar[Any] = renamed_property("described", "summary")

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        """Let classes of other packages override what was renamed under its old names."""
        super().__pydantic_init_subclass__(**settings)
        adopt_old_overrides(cls, _RENAMED)

    def _repr_html_(self) -> str:
        return html_settings(self.title, self.summary())

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
