"""``iclscope llm``: measurements on Hugging Face language models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from iclscope.cli.lazy_group import LazyCommand, LazyGroup

_HERE = "iclscope.cli.llm"


class _Commands(LazyGroup):
    """A file for each."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {
        "evaluate": LazyCommand(f"{_HERE}.evaluate", "evaluate_command", "Accuracy against number of demonstrations."),
        "select": LazyCommand(f"{_HERE}.select", "select_command", "Compare selectors of demonstrations."),
        "dose": LazyCommand(f"{_HERE}.dose", "dose_command", "Error against the share of relevant demonstrations."),
        "prune": LazyCommand(f"{_HERE}.prune", "prune_command", "Remove MLP neurons, and say how many may go."),
        "attention": LazyCommand(f"{_HERE}.attention", "attention_command", "What heads attend to, and how much more."),
    }


llm_app = typer.Typer(
    name="llm",
    cls=_Commands,
    help="The same questions for Hugging Face language models: which demonstrations help, which neurons can be pruned.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)


@llm_app.callback()
def _measurements(context: typer.Context) -> None:
    """The same questions for Hugging Face language models: which demonstrations help, which neurons can be pruned."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
