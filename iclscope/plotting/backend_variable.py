"""matplotlib's variable MPLBACKEND, which a notebook leaves behind and no figure of ours depends on."""

from __future__ import annotations

import contextlib
import os
import sys

_VARIABLE = "MPLBACKEND"


def import_matplotlib() -> None:
    """Import matplotlib for the first time, also where MPLBACKEND names a backend that this Python does not have.

    matplotlib itself then refuses to be imported: a command started from Jupyter inherits the backend of Jupyter's
    own Python. Figures of ours are written to files and need none. Where the backend is there, it is chosen as
    matplotlib would have chosen it, so that a notebook keeps its own.
    """
    if "matplotlib" in sys.modules:
        return
    wanted = os.environ.pop(_VARIABLE, None)
    try:
        import matplotlib
    finally:
        if wanted is not None:
            os.environ[_VARIABLE] = wanted
    if wanted:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted
