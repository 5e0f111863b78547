"""``help()`` says of every config and model which settings it has, and what each means."""

from __future__ import annotations

import inspect
from typing import Literal

import torch
from pydantic import Field

import iclscope as icl
from iclscope.core.settings import Settings
from iclscope.core.settings_text import without_settings


class Plain(Settings):
    """A summary.

    >>> 1 + 1
    2
    """

    needed: int = Field(description="a number")
    width: float = Field(0.5, description="its width")
    bare: bool = False
    made: dict[str, int] = Field(default_factory=dict, description="made anew")


class Derived(Plain):
    """Another summary."""

    more: int = 1


class Untold(Plain):
    more: int = 1


def test_every_field_is_told_once_with_default_and_meaning() -> None:
    listed = [
        "Settings:",
        "    needed, required: a number",
        "    width = 0.5: its width",
        "    bare = False",
        "    made = …: made anew",
    ]
    assert inspect.getdoc(Plain).splitlines() == ["A summary.", "", ">>> 1 + 1", "2", "", *listed]
    assert inspect.getdoc(Derived).splitlines() == ["Another summary.", "", *listed, "    more = 1"]
    assert Untold.__doc__ is None
    assert without_settings(Derived.__doc__) == "Another summary."


def test_a_model_tells_the_settings_that_it_takes_as_keywords() -> None:
    help_of_model = inspect.getdoc(icl.models.LinearAttention)
    assert "W_KQ: products" in help_of_model
    assert "    layers = 1: number of layers K" in help_of_model
    assert "Settings:" not in icl.models.RunModel.__doc__


def test_so_does_a_wrapped_module() -> None:
    class Mixer(torch.nn.Module):
        """Mix tokens."""

        def __init__(self, width: int, hidden: int) -> None:
            super().__init__()
            self.encode = torch.nn.Linear(width, hidden)

    text = inspect.getdoc(icl.models.from_module("a_mixer", Mixer, hidden=32))
    assert text.startswith("Mix tokens.\n")
    assert "    hidden = 32" in text


def test_a_task_of_ones_own_has_them_too() -> None:
    class Own(icl.tasks.RegressionTask):
        """My task."""

        kind: Literal["own_for_help"] = "own_for_help"
        length: int = Field(16, ge=1, description="examples")

    assert inspect.getdoc(Own) == "My task.\n\nSettings:\n    length = 16: examples"
