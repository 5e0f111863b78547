"""``iclscope playground``: the page on which a transformer trains in the browser."""

from __future__ import annotations

import os
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from iclscope.core.errors import require
from iclscope.core.files import user_path, write_text
from iclscope.core.refusals import refusal
from iclscope.playground.build import is_ours, page_html

ENDINGS = (".html", ".htm")
NAME = "iclscope-playground.html"


def playground_command(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the page to this file; default: open it in the browser."),
    ] = None,
) -> None:
    """A transformer that trains in your browser, with the theory drawn over it: one page that needs no network."""
    if out is not None:
        path = user_path(out, "--out")
        _check_file(path)
        try:
            write_text(path, page_html())
        except OSError as error:
            raise refusal("--out", str(path), f"a file that can be written: {error.strerror}") from error
        typer.echo(f"Playground: {path}")
        return
    # A folder of its own each time: in a shared one, a file of this name could be somebody else's.
    path = Path(tempfile.mkdtemp(prefix="iclscope-")) / NAME
    write_text(path, page_html())
    opened = _has_screen() and webbrowser.open(path.as_uri())
    typer.echo(f"Playground: {path}" + ("" if opened else "; no browser was found here: open this file in one."))


def _check_file(path: Path) -> None:
    """Refuse a file that is not ours to write."""
    try:
        require(path.suffix.lower() in ENDINGS, "--out", str(path), f"a file that ends in {' or '.join(ENDINGS)}")
        if os.path.lexists(path):
            allowed = "a new file, or an unchanged page of iclscope playground; this one is left as it is"
            require(path.is_file() and is_ours(path), "--out", str(path), allowed)
        require(path.parent.is_dir(), "--out", str(path), f"a file in a folder that exists; {path.parent} does not")
        require(os.access(path.parent, os.W_OK), "--out", str(path), "a file in a folder that can be written to")
    except OSError as error:
        raise refusal("--out", str(path), f"a file that can be written: {error.strerror}") from error


def _has_screen() -> bool:
    """Whether there can be a window: without one, what answers to "browser" is a program that shows no scripts."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
