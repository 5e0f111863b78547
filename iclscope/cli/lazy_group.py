"""Groups of commands that are imported when one is called: help and refusals of a wrong name come at once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup

from iclscope.cli.early_interrupts import restore_interrupts


class LazyCommand(NamedTuple):
    """Where a command is, and what the list of commands says of it.

    Attributes:
        module: its full name.
        attribute: the function there, or the `typer.Typer` of a group.
        help: one line.
        takes_more: whether options that it does not have itself are left to it.
    """

    module: str
    attribute: str
    help: str
    takes_more: bool = False

    def imported(self, name: str) -> Any:
        """The command for Typer, under a name."""
        found = getattr(import_module(self.module), self.attribute)
        if not isinstance(found, typer.Typer):
            restore_interrupts()
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            more = {"allow_extra_args": True, "ignore_unknown_options": True} if self.takes_more else None
            alone.command(name, context_settings=more)(found)
            found = alone
        return typer.main.get_command(found)


class LazyGroup(TyperGroup):
    """A group of lazy commands; a subclass for each group lists them."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # What Typer looks up names in, for the list and for "did you mean".
        self.commands = dict.fromkeys(self.lazy)  # type: ignore[assignment]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, imported now; None if there is none."""
        del ctx
        found = self.lazy.get(cmd_name)
        return None if found is None else found.imported(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in the help, for which nothing is imported."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in self.lazy.items()])
