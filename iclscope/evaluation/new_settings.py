"""The task a model was trained on, with some settings changed."""

from __future__ import annotations

from typing import Any

from iclscope.core.errors import require
from iclscope.models import Model, expect_model
from iclscope.tasks import Task


def trained_tasks(model: Model) -> tuple[Task, ...]:
    """The task that each run was trained on.

    A GPT-2 that reads numbers as answers and does not tell its task is taken for one of linear functions at its own
    dimension, with as many examples as its positions hold. Of patterns nothing can be assumed: which ones there are is
    part of the task.

    Raises:
        BadRequest: if the model does not tell and nothing can be assumed, or what it tells cannot be true.
    """
    expect_model(model, "changed_task(model, …)")
    if model.trained_on:
        count = len(model.trained_on)
        require(count == model.run_count, "tasks in trained_on", count, f"one per run, {model.run_count}")
        kinds = {task.kind for task in model.trained_on}
        require(len(kinds) == 1, "trained_on of the model", sorted(kinds), "tasks of one kind")
        return tuple(model.trained_on)
    assumed = model.assumed_task()
    told = "the task it was trained on: its patterns belong to that task, and no option can tell them"
    require(assumed is not None, "trained_on of the model", None, told)
    assert assumed is not None
    return (assumed,) * model.run_count


def changed_task(model: Model, **changes: Any) -> Any:
    """The task a model was trained on with some settings changed, for `evaluate` and `error_table`.

    Args:
        model: the runs. Each is tested on its own task with the same changes.
        changes: settings of the task.

    Returns:
        One per run where runs may have different ones (patterns), else the one task.

    Raises:
        BadRequest: if a setting is not allowed, or the runs would be tested on different tasks that cannot be.
    """
    tasks = tuple(task.tested_with(changes) for task in trained_tasks(model))
    if tasks[0].varies_per_run:
        return tasks
    fields = type(tasks[0]).model_fields
    differing = [name for name in fields if len({str(getattr(task, name)) for task in tasks}) > 1]
    allowed = f"the same for all; give {', '.join(differing)}"
    require(not differing, f"{tasks[0].kind} that the runs were trained on", len(tasks), allowed)
    return tasks[0]
