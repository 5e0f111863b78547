"""All commands, one thin file each, and one place where refusals and failures become one line."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import typer
from pydantic import ValidationError
from rich.console import Console
from typer.exceptions import TyperException

from iclscope import __version__
from iclscope.cli.early_interrupts import INTERRUPTED
from iclscope.cli.lazy_group import LazyCommand, LazyGroup
from iclscope.cli.main import BAD_REQUEST, FAILED
from iclscope.cli.output import flush_output, output_failure, replace_unencodable
from iclscope.core.addresses import without_secrets
from iclscope.core.errors import BadRequest, ClusterFailed, Notice, StorageFailed, Verbatim, refused
from iclscope.core.settings import expected_by


def _of(name: str, help: str) -> LazyCommand:
    return LazyCommand(f"iclscope.cli.{name}", f"{name}_command", help)


class _Commands(LazyGroup):
    """All commands, in the order in which the help lists them."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {
        "reproduce": _of("reproduce", "Train a paper's models, redraw its figures and judge every claim."),
        "evaluate": _of("evaluate", "Test a trained model on new settings, without training.")._replace(
            takes_more=True
        ),
        "predict": LazyCommand("iclscope.cli.predict", "predict_app", "The theory's numbers for given settings."),
        "sweep": _of("sweep", "Train and test every trial that a sweep file describes."),
        "show": _of("show", "Print what a sweep found: means over seeds with 95 % intervals."),
        "plot": _of("plot", "Draw what a sweep found."),
        "playground": _of("playground", "A transformer that trains in your browser, with the theory drawn over it."),
        "llm": LazyCommand("iclscope.cli.llm", "llm_app", "The same questions for Hugging Face language models."),
        "new": _of("new", "Write a package of your own: a task, a model, a figure and its tests."),
        "list": _of("list", "List papers, figures, claims, tasks and models."),
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


def exit_status(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    replace_unencodable()
    if sys.stdout is None:
        # Whatever file a command opened first would take its place, and get what libraries print.
        return _failed("standard output is closed")
    try:
        check_readable(arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("default", Notice)
            warnings.showwarning = _shown_as_a_line(warnings.showwarning)
            status = app(arguments, prog_name="iclscope", standalone_mode=False)
        flush_output()
    except BadRequest as refusal:
        return _told(str(refusal), BAD_REQUEST)
    except TyperException as refusal:
        return _told(_in_our_words(refusal), BAD_REQUEST)
    except (ClusterFailed, StorageFailed) as failure:
        advice = "What was finished is kept; once this is mended, the same command goes on from there."
        return _told(f"{failure}. {advice}", FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as left:  # Rich and Click leave so where a pipe was closed
        output_failure()
        return left.code if isinstance(left.code, int) else FAILED
    except (RuntimeError, MemoryError) as failure:
        from iclscope.core.memory import is_out_of_memory  # with PyTorch, which most mistakes come before

        if not is_out_of_memory(failure):
            raise
        return _told(f"there is not enough memory: {failure}. What was finished is kept", FAILED)
    except OSError:
        reason = output_failure()
        if reason is None:
            raise
        return _failed(reason)
    return status if isinstance(status, int) else 0


def check_readable(arguments: Sequence[str]) -> None:
    """Refuse words that are not UTF-8: such a name can be opened, but written into no table, note or page.

    Raises:
        BadRequest: naming the option.
    """
    for before, argument in zip(("", *arguments), arguments, strict=False):
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
            locale = sys.getfilesystemencoding()
            allowed = "text in UTF-8" if locale == "utf-8" else f"text in this locale's encoding, {locale}"
            name, given, value = shown.partition("=")
            if not (given and name.startswith("--")):
                name, value = before if before.startswith("--") else "argument", shown
            raise refused(name, Verbatim(f"'{value}'"), allowed) from None


def _shown_as_a_line(otherwise: Callable[..., None]) -> Callable[..., None]:
    """How warnings are shown: those of ours in one line, all others as before."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, Notice):
            _told(str(message), 0)
        else:
            otherwise(message, category, *place, **more)

    return show


def _told(message: str, status: int) -> int:
    """Say one line on standard error, if that can be written; returns the status."""
    with contextlib.suppress(OSError, ValueError):
        errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        errors.print(f"iclscope: {_one_line(message)}")
    return status


def _failed(reason: str) -> int:
    """Standard output failed; of a closed pipe nothing is said, as other tools do."""
    return _told(reason, FAILED) if reason else FAILED


def _in_our_words(refusal: Exception) -> str:
    """What Typer refused, in a line: a value of the wrong kind as our own refusals say it."""
    cause, option = refusal.__cause__, next(iter(getattr(getattr(refusal, "param", None), "opts", ())), None)
    if option is not None and isinstance(cause, ValidationError):
        first = cause.errors()[0]
        return str(refused(option, first["input"], expected_by(first)))
    message = refusal.format_message() if hasattr(refusal, "format_message") else str(refusal)
    return f"{message} {_hint(refusal)}"


def _hint(refusal: Exception) -> str:
    """The commands there are if an unknown one was asked for, else where to look."""
    command = getattr(getattr(refusal, "ctx", None), "command", None)
    names = ", ".join(getattr(command, "commands", {}))
    unknown = str(getattr(refusal, "message", "")).startswith("No such command")
    return f"Allowed: {names}" if unknown and names else "(see iclscope --help)"


def _one_line(text: str) -> str:
    return without_secrets(" ".join(text.split()))
