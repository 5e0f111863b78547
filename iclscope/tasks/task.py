"""What a task is: its settings, what its prompts are drawn from, and how answers are scored.

A task of one's own is a class derived from `Task` with a ``kind``, its settings as fields, and `Task.draw`. Declared as
an entry point ``iclscope.tasks``, or given to `iclscope.register`, it is trained, swept, saved and reported like ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from iclscope.core.arguments import seeds_from
from iclscope.core.errors import require
from iclscope.core.settings import KindSettings
from iclscope.tasks.prompt_sampler import PromptSampler, StreamOf
from iclscope.tasks.prompts import PromptSize, Sampler, TrainingPrompts


class Metric(NamedTuple):
    """A metric of answers.

    Attributes:
        name: of the column.
        words: for a reader, as an axis has them.
        low: the least it can be.
        high: the most it can be.
        is_rate: whether it is a share of prompts, whose intervals are those of rates.
    """

    name: str
    words: str
    low: float = 0.0
    high: float = math.inf
    is_rate: bool = False


SQUARED_ERROR = Metric("squared_error", "squared error, 1 = predicting 0")


class Task(KindSettings):
    """A task. The defaults here are those of regression with one query per prompt and the same settings in every run.

    A subclass has a field ``kind`` (its name in the registry), fields or properties ``d_X``, ``d_Y`` and ``length``,
    and `draw`. (They are not defined here, since a field may not take the place of a property.) A field with `Field` of
    pydantic has a range and a description, which lists and refusals repeat.

    It may set, too: ``changeable``, the settings that may be other ones when a trained model is tested;
    ``default_training``, how `iclscope.train` trains where nothing else is asked for; ``scale``, E f(x)², by which
    squared errors are divided; ``metrics`` and `score`, how wrong a prediction is. docs/extending.md writes one.
    """

    if TYPE_CHECKING:  # fields of a subclass, or properties of it

        @property
        def d_X(self) -> int:
            """Input dimension."""

        @property
        def d_Y(self) -> int:
            """Dimension of an answer."""

        @property
        def length(self) -> Any:
            """Context length."""

    metrics: ClassVar[tuple[Metric, ...]] = (SQUARED_ERROR,)
    """What `score` measures, the one that training brings down first."""
    default_training: ClassVar[Mapping[str, Any]] = {"optimizer": "adam", "loss": "squared", "learning_rate": 1e-3}
    """How `iclscope.train` trains on it, where nothing else is asked for."""
    default_prompts: ClassVar[int] = 1280
    """Test prompts per run, where no number is given."""
    record: ClassVar[str] = "squared_error"
    """The name by which a trial asks for `score` to be recorded while it trains (``evaluation.probes``)."""
    varies_per_run: ClassVar[bool] = False
    """Whether runs that train together may have different settings."""
    supports_probes: ClassVar[bool] = False
    """Whether what models offer to record of themselves (`RunModel.probes`) has a meaning on its prompts."""
    changeable: ClassVar[tuple[str, ...]] = ()
    """Settings that may be changed for testing a trained model on: options of ``iclscope evaluate``."""
    title_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that `title` says."""
    main: ClassVar[tuple[str, ...]] = ()
    """Settings that a line about the task names also where they are the defaults."""
    renamed: ClassVar[Mapping[str, str]] = {
        **KindSettings.renamed, "titled": "title_settings", "looks_inside": "supports_probes"
    }  # fmt: skip

    @property
    def length_range(self) -> tuple[int, int]:
        """The shortest and the longest context: examples before the query."""
        return (self.length, self.length)

    @property
    def query_only(self) -> bool:
        """Whether the model predicts at the last x alone, not at every one."""
        return True

    @property
    def real_answers(self) -> bool:
        """Whether answers are real numbers, not signs."""
        return True

    @property
    def scale(self) -> float:
        """E f(x)², which a prediction of 0 has as squared error; errors are divided by it."""
        return 1.0

    @property
    def input_moment(self) -> NDArray[np.float64] | None:
        """E x xᵀ [d_X, d_X] of the context's inputs, which a theory may ask for; None: it is not known."""
        return None

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for tasks to be sampled in one batch: everything, unless settings are drawn per run."""
        return tuple(self.model_dump().values())

    @property
    def answered_lengths(self) -> Sequence[int]:
        """The numbers of examples after which the model makes predictions."""
        longest = self.length_range[1]
        return (longest,) if self.query_only else range(longest + 1)

    @property
    def test_lengths(self) -> Sequence[int]:
        """The numbers of examples after which it can be tested how a model errs (`at_length`)."""
        return self.answered_lengths

    def at_length(self, length: int) -> Self:
        """The task that asks after so many examples, where each length is a test of its own."""
        return self if length == self.length_range[1] else self.replace(length=length)

    @property
    def scale_at_query(self) -> float:
        """E f(x)² at the query; errors are divided by it where a model is tested length by length."""
        return self.scale

    def check_effect(self, changes: Mapping[str, Any]) -> None:
        """Refuse changes that have no effect because of other settings.

        Raises:
            BadRequest: naming the first.
        """

    def check_sizes(self) -> None:
        """Refuse numbers whose squares overflow single precision.

        Raises:
            BadRequest: naming the setting.
        """

    @property
    def shown(self) -> tuple[str, ...]:
        """The settings that have an effect, in display order."""
        return tuple(name for name in type(self).model_fields if name != "kind")

    def replace(self, **changes: Any) -> Self:
        """The same task with some settings changed, checked like a new one."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def tested_with(self, changes: Mapping[str, Any]) -> Self:
        """The task to test a model on that was trained on this one, with some settings changed."""
        return self.replace(**changes)

    def draw(self, stream_of: StreamOf, batch: int, size: PromptSize | None, dtype: torch.dtype) -> TrainingPrompts:
        """Draw a batch of prompts for every run.

        Args:
            stream_of: what numbers are for, as "inputs" → a stream per run; equal batches have equal streams.
            batch: prompts per run.
            size: another size than the task's own, where a schedule asks for it.
            dtype: precision of the prompts; numbers are drawn in float64 whatever it is.
        """
        raise NotImplementedError(f"{type(self).__name__} says how its prompts are drawn")

    def score(self, output: Tensor, prompts: TrainingPrompts) -> dict[str, Float[Tensor, "run batch points"]]:
        """How wrong each prediction is, by the names of `metrics`.

        Args:
            output: of a model, like the labels.
            prompts: what it was asked.
        """
        errors = (output - prompts.labels).square() / self.scale
        return {SQUARED_ERROR.name: errors if errors.ndim == 3 else errors[..., None]}

    def check_test_of(self, trained_on: Task | None) -> None:  # noqa: ARG002 (for subclasses)
        """Refuse to be what a model is tested on.

        Args:
            trained_on: what the model was trained on; None: not known.

        Raises:
            BadRequest: naming what is wrong.
        """
        shortest, longest = self.length_range
        allowed = "at least 1: without an example there is nothing to learn from in context"
        require(shortest >= 1, "length", shortest if shortest == longest else (shortest, longest), allowed)

    def check_dimensions(self, dimensions: int) -> None:
        """Refuse a curriculum that begins with fewer dimensions than the task has.

        Raises:
            BadRequest: unless all are used.
        """
        allowed = f"at least d_X = {self.d_X}: this task has no fewer dimensions"
        require(dimensions >= self.d_X, "dimensions of a curriculum", dimensions, allowed)

    @classmethod
    def for_testing(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a task that is trained on, as those of what is tested on where nothing else is said."""
        return dict(settings)

    @classmethod
    def stacked(
        cls,
        tasks: Sequence[Any],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Sampler:
        """A sampler of these tasks, one per run.

        Raises:
            BadRequest: if they differ, or their number is not that of the seeds.
        """
        return PromptSampler(single_task(tasks, seeds), seeds, dtype=dtype, device=device)

    def sampler(
        self, seeds: Sequence[int], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Any:
        """A sampler of this task's prompts with one run per seed."""
        seeds = seeds_from(seeds)
        return self.stacked([self] * len(seeds), seeds, dtype=dtype, device=device)


class RegressionTask(Task):
    """The base of tasks whose answers are single numbers."""

    @property
    def d_Y(self) -> int:
        """Dimension of an answer: one number."""
        return 1


def single_task(tasks: Sequence[Task], seeds: Sequence[int]) -> Any:
    """The task that all runs share.

    Raises:
        BadRequest: if tasks differ, or their number is not that of the seeds.
    """
    require(len(tasks) == len(seeds) > 0, "number of tasks", len(tasks), f"one per seed, {len(seeds)}")
    require(len({task.shape for task in tasks}) == 1, "tasks", len(tasks), "equal tasks")
    return tasks[0]
