"""What the tests of faults share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def figures_are_not_drawn() -> Iterator[None]:
    """They take most of the time of a small measurement, and say nothing here; processes of their own draw them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", plain_file)
        yield


def plain_file(_figure: Any, to: Any, **_: Any) -> None:
    """Write a picture of nothing, to whatever Matplotlib would write to."""
    empty = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'
    if isinstance(to, io.StringIO):
        to.write(empty)
    elif hasattr(to, "write"):
        to.write(empty.encode())
    else:
        Path(to).write_text(empty)
