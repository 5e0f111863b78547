"""``iclscope predict``: a theory's numbers for given settings, without any training; one file per paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from iclscope.cli.lazy_group import LazyCommand, LazyGroup
from iclscope.core.registry import PAPERS, is_module, summary_of


def _commands() -> dict[str, LazyCommand]:
    """A command for each paper that has a module ``predict`` beside it, with a function ``predict_NAME``."""
    found = {}
    for name in PAPERS.names():
        module = PAPERS.entry(name).value.partition(":")[0]
        if is_module(f"{module}.predict"):
            found[name] = LazyCommand(f"{module}.predict", f"predict_{name}", summary_of(f"{module}.predict"))
    return found


class _Papers(LazyGroup):
    """Those papers that are known."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = _commands()


predict_app = typer.Typer(
    cls=_Papers,
    help="The theory's numbers for given settings, no training.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)


@predict_app.callback()
def _papers(context: typer.Context) -> None:
    """The theory's numbers for given settings, no training."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
