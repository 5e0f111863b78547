"""What a notebook registers, in place of entry points."""

from __future__ import annotations

from typing import Any, TypeVar

from iclscope.claims.paper import Paper
from iclscope.core.arguments import expect
from iclscope.core.registry import MODELS, PAPERS, TASKS
from iclscope.models.run_model import RunModel
from iclscope.tasks.task import Task

Thing = TypeVar("Thing")


def register(thing: Thing) -> Thing:
    """Make a task, a model or a paper of one's own known in this process, as an entry point would.

    It can be used as a decorator of a class. Running a cell again replaces what it defined before.

    Args:
        thing: a class derived from `Task` or `RunModel`, or a `Paper`.

    Returns:
        The same.

    Raises:
        BadRequest: if it is none of these, or another one has its name.
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
