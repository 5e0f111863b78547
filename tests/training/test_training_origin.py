"""What names a task of a notebook, where no file holds it: the cell that its methods come from."""

from __future__ import annotations

import linecache
import sys
from types import ModuleType
from typing import Any

import pytest

from iclscope.core.errors import BadRequest
from iclscope.training.origin import source_hash

CELL = """
class Halves:
    def draw(self):
        return {number}
"""
NO_METHOD = """
class Halves:
    number = {number}
"""


def from_a_cell(source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class as Jupyter makes it: in a module without a file, its lines known to `linecache` alone."""
    name = f"/tmp/ipykernel_1/{hash(source)}.py"
    monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
    module = ModuleType("made_in_a_notebook")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, name, "exec"), module.__dict__)
    return module.__dict__["Halves"]


def test_an_edited_cell_gives_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, edited = (source_hash(from_a_cell(CELL.format(number=n), monkeypatch)) for n in (1, 1, 2))
    assert first == again != edited


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="classes know their line themselves")
def test_a_class_without_a_method_of_its_own_has_to_say_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match="version of Halves"):
        source_hash(from_a_cell(NO_METHOD.format(number=1), monkeypatch))
