"""How wrong each run is on each prompt, by the metrics of the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.evaluation.answers import answers_of, part_size
from iclscope.models import Model
from iclscope.tasks import Task, stack_tasks


class Scores(NamedTuple):
    """How wrong each run is.

    Attributes:
        lengths: how many examples were seen before each prediction.
        values: by the names of the task's metrics, per prompt and context length.
    """

    lengths: tuple[int, ...]
    values: Mapping[str, Float[Tensor, "run prompt length"]]

    def mean(self, metric: str) -> Float[Tensor, "run length"]:
        """Mean of a metric over prompts."""
        return self.values[metric].double().mean(dim=1)


def check_test(model: Model, task: Task) -> None:
    """Refuse to test a model on prompts that it cannot read, or that what it was trained on leaves without meaning.

    Raises:
        BadRequest: naming what is wrong.
    """
    model.check_task(task)
    task.check_test_of(model.trained_on[0] if model.trained_on else None)


@torch.no_grad()
def scored(
    model: Model,
    tasks: Sequence[Task],
    *,
    prompts: int,
    seeds: Sequence[int] | None = None,
    neurons: Bool[Tensor, "run width"] | None = None,
    on_prompts: Callable[[int], object] | None = None,
) -> Scores:
    """The scores of tasks that were checked, and of any length.

    Args:
        model: the runs.
        tasks: what to test on, one per run.
        prompts: test prompts per run.
        seeds: the seeds that prompts belong to, one per run; None: those of the model.
        neurons: which MLP neurons to keep, of a model that has some; None keeps all.
        on_prompts: called with the number of prompts per run that were just answered.
    """
    task = tasks[0]
    sampler = stack_tasks(tasks, model.seeds if seeds is None else seeds, dtype=model.dtype, device=model.device)
    found: dict[str, list[Tensor]] = {metric.name: [] for metric in task.metrics}
    for output, asked in answers_of(model, sampler, prompts, part_size(task.length_range[1]), neurons=neurons):
        for name, values in task.score(output, asked).items():
            found[name].append(values)
        if on_prompts is not None:
            on_prompts(output.shape[1])
    return Scores(tuple(task.answered_lengths), {name: torch.cat(parts, dim=1) for name, parts in found.items()})
