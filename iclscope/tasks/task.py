"""Any task, as a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from iclscope.errors import require
from iclscope.tasks.function_classes import FunctionClass, FunctionSampler
from iclscope.tasks.patterns import PatternClassification, PatternSampler

Task = PatternClassification | FunctionClass
TaskSampler = PatternSampler | FunctionSampler

_KINDS: dict[str, type[Task]] = {"patterns": PatternClassification, "functions": FunctionClass}


def task_from_settings(settings: Any) -> Task:
    """The task that ``settings`` (its ``model_dump``) describe.

    Raises:
        BadRequest: if they are no mapping, there is no task of that kind, or a setting is not allowed.
    """
    require(isinstance(settings, Mapping), "settings of a task", settings, "a mapping")
    kind = settings.get("kind")
    require(kind in _KINDS, "kind of a task", kind, ", ".join(_KINDS))
    return _KINDS[str(kind)](**settings)


def stack_tasks(
    tasks: Sequence[Task],
    seeds: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> TaskSampler:
    """A sampler of these tasks, of one kind and shape, one per run.

    Raises:
        BadRequest: if they are of different kinds or shapes.
    """
    patterns = [task for task in tasks if isinstance(task, PatternClassification)]
    functions = [task for task in tasks if isinstance(task, FunctionClass)]
    require(not (patterns and functions), "tasks", len(tasks), "tasks of one kind")
    if patterns:
        return PatternClassification.stacked(patterns, seeds, dtype=dtype, device=device)
    return FunctionClass.stacked(functions, seeds, dtype=dtype, device=device)
