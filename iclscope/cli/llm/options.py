"""What all commands of `iclscope llm` take, and how they show that they work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from iclscope.errors import BadRequest, require
from iclscope.language_models.loading import DEVICES, DTYPES, ModelSource
from iclscope.language_models.prepared import TextMeasurement
from iclscope.language_models.prompts import PromptFormat
from iclscope.report.measurement_page import TextTable

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A hub name, a folder (safetensors) or a GGUF file.")]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="words, or a JSONL, CSV, TSV, Parquet file, or a folder (datasets, train/test)."
    ),
]
Test = Annotated[str | None, typer.Option(metavar="FILE", help="Queries; default: of DATA's folder, or set aside.")]
TextColumnName = Annotated[str, typer.Option("--text", metavar="NAME", help="The column of texts.")]
LabelColumnName = Annotated[str, typer.Option("--label", metavar="NAME", help="The column of labels.")]
LabelWords = Annotated[
    list[str] | None,
    typer.Option(
        "--label-word", metavar="LABEL=WORD", help="What the model is to answer for a label; may be repeated."
    ),
]
FORMAT = typer.Option("--format", metavar="TEXT", help=r"How an example is written before its label; \n is a new line.")
Format = Annotated[str, FORMAT]
Queries = Annotated[int, typer.Option(metavar="N", help="Queries, at most.")]
Draws = Annotated[int, typer.Option(metavar="N", help="Draws of demonstrations.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of queries and draws.")]
Dtype = Annotated[str, typer.Option(metavar="|".join(DTYPES), help="Of the weights; auto: bfloat16 on a GPU.")]
Device = Annotated[str, typer.Option(metavar="|".join(DEVICES), help="Where to compute.")]
Revision = Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit on the hub.")]
Trust = Annotated[bool, typer.Option("--trust-remote-code", help="Run Python code that comes with the model.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Default: results/llm/COMMAND-MODEL-DATA.")]
Force = Annotated[bool, typer.Option("--force", help="Make everything anew, also over other settings.")]

DEFAULT_FORMAT = r"Text: {text}\nLabel:"


def text_measurement(
    model: str,
    data: str,
    *,
    test: str | None,
    text: str,
    label: str,
    words: list[str] | None,
    form: str,
    queries: int,
    draws: int,
    seed: int,
    dtype: str,
    device: str,
    revision: str | None,
    trust: bool,
) -> TextMeasurement:
    """The settings behind the options, checked."""
    require(dtype in DTYPES, "--dtype", dtype, ", ".join(DTYPES))
    require(device in DEVICES, "--device", device, ", ".join(DEVICES))
    for option, value, least in (("--queries", queries, 1), ("--draws", draws, 1), ("--seed", seed, 0)):
        require(value >= least, option, value, f"a whole number from {least} on")
    return TextMeasurement(
        model=ModelSource.model_validate(
            {"name": model, "revision": revision, "dtype": dtype, "device": device, "trust_remote_code": trust}
        ),
        data=data,
        test=test,
        text=text,
        label=label,
        words=_label_words(words or []),
        format=PromptFormat(query=form.replace("\\n", "\n")),
        queries=queries,
        draws=draws,
        seed=seed,
    )


def _label_words(words: list[str]) -> dict[str, str]:
    for pair in words:
        name, equals, word = pair.partition("=")
        require(bool(equals and name.strip() and word.strip()), "--label-word", pair, "LABEL=WORD, as 0=negative")
    return {pair.partition("=")[0].strip(): pair.partition("=")[2].strip() for pair in words}


def whole_numbers(option: str, text: str, *, least: int = 0) -> tuple[int, ...]:
    """Whole numbers with commas between.

    Raises:
        BadRequest: if a part is none, or less than allowed.
    """
    allowed = f"whole numbers from {least} on with commas between, as 0,4,8"
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadRequest(f"{option} = {text!r} is not allowed; allowed: {allowed}") from None
    require(all(number >= least for number in found), option, text, allowed)
    return found


def names(option: str, text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Names with commas between, each once.

    Raises:
        BadRequest: if there is no such name.
    """
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in found:
        require(name in allowed, option, name, ", ".join(allowed))
    return found


def _silence(read: int, total: int) -> None:
    """Tell nobody."""
    del read, total


@contextmanager
def prompts_bar(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on a terminal, silence elsewhere.

    What is given is to be called with how many prompts have been read, of how many.
    """
    if not console.is_terminal:
        yield _silence
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("prompts", total=None)
        yield lambda read, total: progress.update(bar, completed=read, total=total)


def print_table(console: Console, table: TextTable) -> None:
    """A table in the terminal."""
    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in table.head:
        shown.add_column(name, overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)
