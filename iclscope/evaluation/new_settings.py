"""The task a model was trained on, with some settings changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iclscope.core.errors import require
from iclscope.models import GPT2Transformer, Model, expect_model
from iclscope.tasks import FunctionClass, PatternClassification, Task
from iclscope.tasks.function_classes.inputs import QUERY_APART


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
    functions = isinstance(model, GPT2Transformer) and model.config.d_Y == 1
    told = "the task it was trained on: its patterns belong to that task, and no option can tell them"
    require(functions, "trained_on of the model", None, told)
    assert isinstance(model, GPT2Transformer)
    config = model.config
    # A column holds the answer beside the input, so only the last one can be a query.
    predictions = "query" if config.tokens == "columns" else "every"
    task = FunctionClass(d_X=config.d_X, length=config.most_points - 1, predictions=predictions)
    return (task,) * model.run_count


def changed_task(model: Model, **changes: Any) -> FunctionClass | tuple[PatternClassification, ...]:
    """The task to test a model on, for `evaluate` and `error_table`: the one trained on, with settings changed.

    Where the query is drawn apart from the context, it alone is predicted; contexts that a query can be orthogonal to
    have at most d_X − 1 examples, which is their number unless another is given.

    Args:
        model: the runs. Each is tested on its own task with the same changes.
        changes: settings of the task.

    Raises:
        BadRequest: if a setting is not allowed, or the runs would be tested on different functions.
    """
    tasks = [_changed(task, changes) for task in trained_tasks(model)]
    patterns = tuple(task for task in tasks if isinstance(task, PatternClassification))
    functions = [task for task in tasks if isinstance(task, FunctionClass)]
    if patterns:
        return patterns
    differing = [name for name in FunctionClass.model_fields if len({getattr(task, name) for task in functions}) > 1]
    allowed = f"the same for all; give {', '.join(differing)}"
    require(not differing, "functions that the runs were trained on", len(functions), allowed)
    return functions[0]


def _changed(task: Task, changes: Mapping[str, Any]) -> Task:
    if isinstance(task, PatternClassification):
        return task.replace(**changes)
    require(isinstance(task, FunctionClass), "trained_on of the model", task.kind, "patterns or functions")
    assert isinstance(task, FunctionClass)
    needed: dict[str, Any] = {}
    inputs, d_X = changes.get("inputs", task.inputs), changes.get("d_X", task.d_X)
    if inputs in QUERY_APART:
        needed["predictions"] = "query"
    if inputs == "orthogonal_query":
        require(d_X >= 2, "inputs", inputs, "another distribution: with d_X = 1 nothing is orthogonal to the context")
        needed["length"] = min(task.length, d_X - 1)
    return task.replace(**{**needed, **changes})
