"""Settings of a task as options of a command that knows no task: ``--length 20``, ``--x-scale=2``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from iclscope.core.errors import BadRequest, refused
from iclscope.core.refusals import advice
from iclscope.core.registry import TASKS
from iclscope.core.settings import expected_by
from iclscope.tasks import Task


def given_settings(words: Sequence[str]) -> dict[str, str]:
    """Names and values of the options that the command itself does not have.

    Raises:
        BadRequest: if a word is no option, or an option has no value.
    """
    given: dict[str, str] = {}
    left = iter(words)
    for word in left:
        if not word.startswith("--"):
            raise refused("argument", word, "one CHECKPOINT, and options as --length 20")
        name, has_value, value = word.removeprefix("--").partition("=")
        found = value if has_value else next(left, None)
        if found is None:
            raise BadRequest(f"--{name}: expected a value, got none")
        given[name] = found
    return given


def understood(task: Task, given: Mapping[str, str]) -> dict[str, Any]:
    """The changes to a task that options ask for.

    Args:
        task: what the model was trained on.
        given: of `given_settings`.

    Raises:
        BadRequest: if the task has no such setting to change, or the value is not one of it.
    """
    known = {name.replace("_", "-"): name for name in task.changeable}
    changes = {}
    for option, text in given.items():
        if option not in known:
            there = ", ".join(f"--{name}" for name in known) or "none"
            raise refused(f"--{option}", text, f"an option for a model of {task.title}: {there}{advice(option, known)}")
        changes[known[option]] = _value(task, known[option], option, text)
    return changes


def _value(task: Task, name: str, option: str, text: str) -> Any:
    field = type(task).model_fields.get(name)
    kind: Any = float if field is None else field.annotation
    try:
        return TypeAdapter(kind).validate_strings(text)
    except ValidationError as error:
        raise refused(f"--{option}", text, expected_by(error.errors()[0])) from error


def settings_of_all_tasks() -> Iterator[str]:
    """A line for each task with settings to change, for the help."""
    for kind, task in TASKS.all():
        if task.changeable:
            yield f"{kind}: " + ", ".join(f"--{name.replace('_', '-')}" for name in task.changeable)
