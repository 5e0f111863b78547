"""MPLBACKEND is a notebook's: no command of ours depends on it, and a notebook keeps its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORTED = "from iclscope.plotting.backend_variable import import_matplotlib\nimport_matplotlib()\n"
# A backend that is not chosen yet has no name, and looking for one would choose it.
TELL = (
    "import matplotlib\nname = dict.__getitem__(matplotlib.rcParams, 'backend')\n"
    "print(name if isinstance(name, str) else '')"
)


def printed(code: str, backend: str | None, *words: str) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    if backend is not None:
        variables["MPLBACKEND"] = backend
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", "nonsense", "module://no.such.module", "Qt7Agg", ""]
)
def test_matplotlib_is_imported_whatever_backend_is_asked_for(backend: str) -> None:
    """And the variable is left as it is, for whoever is started from here."""
    tell = "import os, matplotlib\nprint(repr(os.environ['MPLBACKEND']))"
    assert printed(IMPORTED + tell, backend) == f"{backend!r}\n"


def test_a_command_started_from_a_notebook_runs() -> None:
    code = "from iclscope.cli.main import run; run()"
    assert printed(code, "module://matplotlib_inline.backend_inline", "list").startswith("li2024  ")


@pytest.mark.parametrize(
    "room",
    [
        "iclscope.plotting",
        "iclscope.study.experiment",
        "iclscope.papers.li2024.one_layer.ood_s1",
        "iclscope.language_models",
    ],
)
def test_a_room_that_draws_can_be_imported_first(room: str) -> None:
    draw = (
        f"import {room}, io\nfrom iclscope.plotting.style import new_figure\nfigure = new_figure()\n"
        "figure.add_subplot().plot([1, 2])\ncontent = io.BytesIO()\nfigure.savefig(content, format='png')\n"
        "print(content.getvalue()[1:4].decode())"
    )
    assert printed(draw, "nonsense") == "PNG\n"


@pytest.mark.parametrize("backend", [None, "svg", "module://matplotlib.backends.backend_pdf", "Agg"])
def test_a_notebooks_backend_stays_its_own(backend: str | None) -> None:
    """As without the package, whether matplotlib was imported before or after it."""
    alone = printed(TELL, backend)
    assert printed(IMPORTED + TELL, backend) == alone
    assert printed(f"import matplotlib; matplotlib.use('ps')\n{IMPORTED}{TELL}", backend) == "ps\n"
