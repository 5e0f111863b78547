"""Models and tasks in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iclscope.models import Model
from iclscope.tasks import Task


def model_text(model: Model) -> str:
    """Kind, sizes and runs: ``GPT-2 with 3 layers, 2 heads and embedding 64, 1 run (seed 0)``."""
    seeds = ", ".join(map(str, model.seeds))
    runs = "run (seed" if model.run_count == 1 else "runs (seeds"
    return f"{model.config.title}, {model.run_count} {runs} {seeds})"


def task_text(tasks: Sequence[Task]) -> str:
    """What the task of each run is: its main settings, and the others where they are not the defaults."""
    first = tasks[0]
    fields = type(first).model_fields
    shown = [
        name
        for name in _names(tasks)
        if name not in first.title_settings
        and (name in first.main or any(getattr(task, name) != fields[name].get_default() for task in tasks))
    ]
    return ", ".join([first.title, *(_setting(tasks, name) for name in shown)])


def changes_text(tasks: Sequence[Task], before: Sequence[Task]) -> str:
    """The settings in which tasks differ from others, run by run; empty if in none."""
    pairs = list(zip(tasks, before, strict=True))
    return ", ".join(
        _setting(tasks, name) for name in _names(tasks) if any(_differ(new, old, name) for new, old in pairs)
    )


def _differ(new: Task, old: Task, name: str) -> bool:
    return bool(getattr(new, name) != getattr(old, name))


def _names(tasks: Sequence[Task]) -> list[str]:
    """The settings that mean something to these tasks."""
    return [name for name in type(tasks[0]).model_fields if any(name in task.shown for task in tasks)]


def _setting(tasks: Sequence[Task], name: str) -> str:
    values = list(dict.fromkeys(_value(getattr(task, name)) for task in tasks))
    each = " (each run its own)" if len(values) > 1 else ""
    label = "" if name == "shift" else f"{name.replace('_tasks', ' tasks')} = "
    return f"{label}{' or '.join(values)}{each}"


def _value(value: Any) -> str:
    title = getattr(value, "title", None)
    if isinstance(title, str):
        return title
    if isinstance(value, tuple):
        ends = [item for item in value if isinstance(item, int)]
        return f"{ends[0]} to {ends[1]}" if ends else f"{len(value)} chosen"
    if value is None:
        return "patterns as in training"
    return f"{value:g}" if isinstance(value, float) else str(value)
