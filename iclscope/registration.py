"""Registering tasks, models and papers from a notebook, instead of by entry points."""

from __future__ import annotations

from typing import Any, TypeVar

from iclscope.claims.paper import Paper
from iclscope.core.arguments import expect
from iclscope.core.registry import MODELS, PAPERS, TASKS
from iclscope.models.run_model import RunModel
from iclscope.tasks.task import Task

Thing = TypeVar("Thing")


def register(thing: Thing) -> Thing:
    """Make your own task, model or paper known in this process, as an entry point would.

    Works as a class decorator, too. Running a cell again replaces what it defined before.

    Args:
        thing: a class derived from `Task` or `RunModel`, or a `Paper`.

    Returns:
        The same.

    Raises:
        BadRequest: if it is none of these, or its name is taken.
    """
    given: Any = thing
    if isinstance(given, type) and issubclass(given, Task):
        TASKS.add(str(given.model_fields["kind"].default), given)
    elif isinstance(given, type) and issubclass(given, RunModel):
        MODELS.add(str(given.config_type.model_fields["kind"].default), given)
    else:
        expect(isinstance(given, Paper), "thing", given, "a class of tasks or of models, or a Paper")
        PAPERS.add(given.name, given)
    return thing
