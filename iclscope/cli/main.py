"""The command ``iclscope``: one thin file per command, and one place where refusals become one line."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import typer
from rich.console import Console

from iclscope import __version__
from iclscope.addresses import without_secrets
from iclscope.cli.lazy_group import LazyCommand, LazyGroup
from iclscope.errors import BadRequest, ClusterFailed, StorageFailed

FAILED, BAD_REQUEST, INTERRUPTED = 1, 2, 130


def _of(name: str, help: str) -> LazyCommand:
    return LazyCommand(f"iclscope.cli.{name}", f"{name}_command", help)


class _Commands(LazyGroup):
    """All commands, in the order in which the help lists them."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {
        "reproduce": _of("reproduce", "Train a paper's models, redraw its figures and judge every claim."),
        "evaluate": _of("evaluate", "Test a trained model on new settings, without training."),
        "predict": LazyCommand("iclscope.cli.predict", "predict_app", "The theory's numbers for given settings."),
        "sweep": _of("sweep", "Train and test every trial that a sweep file describes."),
        "show": _of("show", "Print what a sweep found: means over seeds with 95 % intervals."),
        "plot": _of("plot", "Draw what a sweep found."),
        "llm": LazyCommand("iclscope.cli.llm", "llm_app", "The same questions for Hugging Face language models."),
        "list": _of("list", "List papers, figures and claims, each with one line."),
    }


app = typer.Typer(
    name="iclscope",
    cls=_Commands,
    help="Theories of in-context learning next to trained transformers.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"iclscope {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Theories of in-context learning next to trained transformers."""
    if context.invoked_subcommand is None and not version:
        typer.echo(context.get_help())


# Typer's own usage errors; it exports the classes below this one only.
_CommandLineError = cast("type[Exception]", typer.BadParameter.__mro__[2])


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Exit status 0 when the work was done, whatever the verdicts; 1 where results could not be written or a cluster
    failed, and 2 for a bad request, each with one line; 130 on Ctrl-C.

    Args:
        arguments: the words after ``iclscope``; None: those of this process.
    """
    status = main(sys.argv[1:] if arguments is None else list(arguments))
    if status == INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)  # without waiting for groups that were dropped
    sys.exit(status)


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal without Greek letters gets question marks, not a traceback
            stream.reconfigure(errors="replace")
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        status = app(arguments, prog_name="iclscope", standalone_mode=False)
    except BadRequest as refusal:
        errors.print(f"iclscope: {_one_line(str(refusal))}")
        return BAD_REQUEST
    except _CommandLineError as refusal:
        message = getattr(refusal, "format_message", lambda: str(refusal))()
        errors.print(f"iclscope: {_one_line(message)} {_hint(refusal)}")
        return BAD_REQUEST
    except (ClusterFailed, StorageFailed) as failure:
        advice = "What was finished is kept; once this is mended, the same command goes on from there."
        errors.print(f"iclscope: {_one_line(str(failure))}. {advice}")
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def _hint(refusal: Exception) -> str:
    """The commands there are if an unknown one was asked for, else where to look."""
    command = getattr(getattr(refusal, "ctx", None), "command", None)
    names = ", ".join(getattr(command, "commands", {}))
    unknown = str(getattr(refusal, "message", "")).startswith("No such command")
    return f"Allowed: {names}" if unknown and names else "(see iclscope --help)"


def _one_line(text: str) -> str:
    return without_secrets(" ".join(text.split()))


if __name__ == "__main__":
    run()
