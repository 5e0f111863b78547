"""``iclscope predict``: a theory's numbers for given settings, without any training; one file per paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from iclscope.cli.lazy_group import LazyCommand, LazyGroup


def _of(paper: str, help: str) -> LazyCommand:
    return LazyCommand(f"iclscope.papers.{paper}.predict", f"predict_{paper}", help)


class _Papers(LazyGroup):
    """A file for each."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {
        "li2024": _of("li2024", "What Li and others ask for and promise, up to their unstated constants (taken as 1)."),
        "garg2022": _of("garg2022", "Expected errors of least squares and averaging on Garg and others' functions."),
        "vonoswald2023": _of("vonoswald2023", "Best step sizes and losses of gradient descent and GD++."),
        "zhang2024": _of("zhang2024", "Γ, the limit, its risk and its behaviour under shifts."),
        "huang2024": _of("huang2024", "Convergence times up to unstated constants (1), and gradient flow without any."),
    }


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
