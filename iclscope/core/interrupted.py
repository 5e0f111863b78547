"""Ctrl-C in a long call: what was finished by then is given back."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TypeVar

from iclscope.core.errors import Notice

Result = TypeVar("Result")


class Interrupted(KeyboardInterrupt):
    """A long call was interrupted; what was finished by then is in ``result``."""

    def __init__(self, result: Any = None) -> None:
        super().__init__()
        self.result = result


def is_interactive() -> bool:
    """Whether this is a notebook, or Python at a prompt."""
    return in_notebook() or hasattr(sys, "ps1")


def in_notebook() -> bool:
    """Whether this is a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def give_back(result: Result, said: str) -> Result:
    """What was finished when a call was interrupted: returned where somebody waits at a prompt, else raised.

    A script must not go on with half a result as if nothing had happened; in a notebook it would be lost with the call.

    Args:
        result: what was finished.
        said: what is missing, in words.

    Raises:
        Interrupted: outside notebooks and prompts.
    """
    if not is_interactive():
        raise Interrupted(result) from None
    warnings.warn(f"interrupted: {said}", Notice, stacklevel=3)
    return result
