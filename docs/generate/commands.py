"""The reference of the command line: what ``--help`` says of every command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from typer.testing import CliRunner

WIDTH = 96


def all_commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, groups before what they hold."""
    for name in group.list_commands(None):
        here = (*words, name)
        yield here
        inner = group.get_command(None, name)
        if hasattr(inner, "list_commands"):
            yield from all_commands(inner, here)


def help_text(words: tuple[str, ...]) -> str:
    """What a command prints for ``--help``."""
    from iclscope.cli.app import app

    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    found = CliRunner().invoke(app, [*words, "--help"], env=environment, prog_name="iclscope")
    if found.exit_code:
        raise RuntimeError(f"iclscope {' '.join(words)} --help ended with {found.exit_code}: {found.output}")
    return found.output.strip()


def pages(docs: Path) -> dict[str, str]:  # noqa: ARG001 (all makers are called alike)
    """One page with a section for each command."""
    from iclscope.cli.app import app

    parts = [
        "# The command line\n",
        "Exit status: 0 when the work was done, whatever the verdicts; 2 for a request that cannot be honoured, said "
        "in one line before any work; 1 where a disk, a cluster or a job failed; 130 after Ctrl-C and 143 after "
        "SIGTERM, with all that was finished kept. [Every error message](messages.md) has a cause and a cure.\n",
    ]
    for words in ((), *all_commands(typer.main.get_command(app))):
        title = " ".join(("iclscope", *words))
        parts.append(f"({'-'.join(('cli', *words))})=\n## {title}\n\n```text\n{help_text(words)}\n```\n")
    return {"commands.md": "\n".join(parts)}
