"""Any task, as a config.

A task is a config with a ``kind``, the dimensions ``d_X`` and ``d_Y``, ``length_range``, ``query_only``,
``real_answers``, ``shape``, ``described()`` for a reader, and ``stacked``, which makes a sampler of many of them. A new
one is entered in `Task`, `TaskSampler` and ``_KINDS`` below; nothing else needs to know its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from iclscope.errors import require
from iclscope.tasks.function_classes import FunctionClass, FunctionSampler
from iclscope.tasks.linear_regression import LinearRegression, LinearRegressionSampler
from iclscope.tasks.orthonormal_features import FeatureSampler, OrthonormalFeatures
from iclscope.tasks.patterns import PatternClassification, PatternSampler
from iclscope.tasks.sine_regression import SineRegression, SineRegressionSampler

Task = PatternClassification | FunctionClass | LinearRegression | OrthonormalFeatures | SineRegression
TaskSampler = PatternSampler | FunctionSampler | LinearRegressionSampler | FeatureSampler | SineRegressionSampler

_KINDS: dict[str, type[Task]] = {
    "patterns": PatternClassification,
    "functions": FunctionClass,
    "linear_regression": LinearRegression,
    "orthonormal_features": OrthonormalFeatures,
    "sine_regression": SineRegression,
}


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
    kinds = sorted({task.kind for task in tasks})
    require(len(tasks) == len(seeds) > 0, "number of tasks", len(tasks), f"one per seed, {len(seeds)}")
    require(len(kinds) == 1, "tasks", kinds, "tasks of one kind")
    stacked: Callable[..., TaskSampler] = type(tasks[0]).stacked
    return stacked(tasks, seeds, dtype=dtype, device=device)
