"""Tasks by their kind: from settings to tasks, and a sampler of many of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from iclscope.core.arguments import brief, expect, seeds_from
from iclscope.core.errors import require
from iclscope.core.overrides import is_overridden_later
from iclscope.core.registry import TASKS
from iclscope.tasks.prompts import Sampler
from iclscope.tasks.task import Task


def task_from_settings(settings: Any) -> Task:
    """The task that ``settings`` (its ``model_dump``) describe.

    Raises:
        BadRequest: if they are no mapping, there is no task of that kind, or a setting is not allowed.
    """
    require(isinstance(settings, Mapping), "settings of a task", settings, "a mapping")
    found: Task = TASKS.get(settings.get("kind"))(**settings)
    return found


def is_defined_by_settings(task: object) -> bool:
    """Whether a task's settings say all of it; they do not say what a class derived from a known one does otherwise."""
    kind = getattr(task, "kind", None)
    return kind in TASKS and type(task) is TASKS.get(kind)


def settings_of_tasks(tasks: Sequence[Task] | None) -> list[dict[str, Any]] | None:
    """The settings from which `task_from_settings` makes these tasks again; None, with a warning, if it cannot."""
    if tasks is None:
        return None
    for task in tasks:
        if not is_defined_by_settings(task):
            warnings.warn(
                f"the checkpoint does not tell what was trained on: settings do not tell {brief(task)}, a class "
                "of your own",
                stacklevel=3,
            )
            return None
    return [task.model_dump() for task in tasks]


def is_task(value: object) -> bool:
    """Whether a value is a task, not the class of one."""
    return isinstance(value, Task)


def tasks_of_runs(given: Any, runs: int, order: str) -> list[Any]:
    """Each run's task.

    Args:
        given: a task for all runs, or a sequence of one per run.
        runs: how many runs there are.
        order: how the function that was called is called, as "train(task, model)"; for whoever swapped its arguments.

    Raises:
        BadRequest: if it is no task, or there are too few or too many.
    """
    if is_task(given):
        return [given] * runs
    several = isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping))
    listed = list(given) if several and not hasattr(given, "state_dict") else None
    one = given if listed is None else next((task for task in listed if not is_task(task)), None)
    hint = ""
    if hasattr(one, "predict"):
        hint = f"the order is {order}"
    elif isinstance(one, type):
        hint = f"make one, as {one.__name__}()"
    expected = "a task of iclscope.tasks, or a list of one per run"
    expect(listed is not None and all(map(is_task, listed)), "task", one, expected, hint)
    assert listed is not None
    require(len(listed) == runs, "number of tasks", len(listed), f"one, or one per seed, {runs}")
    return listed


def stack_tasks(
    tasks: Sequence[Task],
    seeds: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Sampler:
    """A sampler of these tasks, of one kind and shape, one per run.

    Where all runs have the same task, its own ``sampler`` makes it, so that what a derived class says there counts.

    Raises:
        BadRequest: if they are of different kinds or shapes, or differ and one of them has a sampler of its own.
    """
    kinds = sorted({task.kind for task in tasks})
    require(len(tasks) == len(seeds) > 0, "number of tasks", len(tasks), f"one per seed, {len(seeds)}")
    require(len(kinds) == 1, "tasks", kinds, "tasks of one kind")
    seeds = seeds_from(seeds)
    first = tasks[0]
    if all(task is first or task == first for task in tasks):
        sampler: Sampler = first.sampler(seeds, dtype=dtype, device=device)
        expected = "an object with prompts(…) and runs(…)"
        expect(isinstance(sampler, Sampler), f"sampler of {type(first).__name__}", sampler, expected)
        return sampler
    for task in tasks:
        allowed = "the same task for all runs, where its class has a sampler of its own"
        own = is_overridden_later(type(task), "sampler", "stacked") or type(task) is not type(first)
        require(not own, "tasks", [type(task).__name__ for task in tasks], allowed)
    stacked: Sampler = type(first).stacked(tasks, seeds, dtype=dtype, device=device)
    return stacked
