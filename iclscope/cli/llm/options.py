"""What all commands of `iclscope llm` take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from iclscope.core.errors import one_of_these, refused, require
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.settings import (
    DEVICES,
    DRAWS,
    DTYPES,
    LABEL_SCORES,
    LOOKS,
    REFUSE,
    TOO_LONG,
    ModelSource,
    TextMeasurement,
)
from iclscope.language_models.texts.escapes import unescaped

LabelScoreName = Annotated[
    str,
    typer.Option(
        "--label-score",
        metavar="|".join(LABEL_SCORES),
        help="How labels are scored: summed log-probability, or its mean per token or character.",
    ),
]

DEFAULT_FORMAT = r"Text: {text}\nLabel:"


@dataclass(frozen=True)
class CommonOptions:
    """What the options that all commands share ask for.

    Attributes:
        measurement: which model, which texts.
        out: the folder of results; None: the default.
        force: whether to recompute everything.
    """

    measurement: TextMeasurement
    out: Path | None
    force: bool


def about_a_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments and options that all share, in front of and behind its own.

    Args:
        command: takes the `CommonOptions` first, then its own options.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    model, data, *shared = inspect.signature(_asked, eval_str=True).parameters.values()
    names = {parameter.name for parameter in (model, data, *shared)}

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        common = _asked(**{name: value for name, value in given.items() if name in names})
        command(common, **{name: value for name, value in given.items() if name not in names})

    parameters = [model, data, *own, *shared]
    # What typer reads: the options of both.
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _asked(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A hub name, a folder (safetensors) or a GGUF file.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="words, a JSONL, CSV, TSV or Parquet file, or a folder (datasets, train/test)."
        ),
    ],
    test: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File of queries; default: those of DATA's folder, else part of DATA."),
    ] = None,
    text: Annotated[str, typer.Option("--text", metavar="NAME", help="Name of the text column.")] = "text",
    label: Annotated[str, typer.Option("--label", metavar="NAME", help="Name of the label column.")] = "label",
    label_word: Annotated[
        list[str] | None,
        typer.Option(
            "--label-word", metavar="LABEL=WORD", help="Word that the model should answer for a label (repeatable)."
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Encoding of JSONL, CSV and TSV files, such as cp1252; default: utf-8."),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="TEXT",
            help=r"How an example is written before its label; \n is a new line, \t a tab, \\ a backslash.",
        ),
    ] = DEFAULT_FORMAT,
    chat: Annotated[
        bool, typer.Option("--chat", help="Write demonstrations as turns of a chat, by MODEL's own template.")
    ] = False,
    queries: Annotated[int, typer.Option(metavar="N", help="Maximum number of queries.")] = 200,
    draws: Annotated[
        int | None, typer.Option(metavar="N", help=f"Number of draws of demonstrations; default: {DRAWS}.")
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option("--until-decided", help=f"Add draws, {', '.join(map(str, LOOKS))}, until all claims are decided."),
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed for queries and draws.")] = 0,
    too_long: Annotated[
        str, typer.Option(metavar="|".join(TOO_LONG), help="What to do with prompts longer than MODEL's context.")
    ] = REFUSE,
    dtype: Annotated[
        str,
        typer.Option(metavar="|".join(DTYPES), help="Precision of the weights; auto: bfloat16 where it is native."),
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="|".join(DEVICES), help="Device to run on.")] = "auto",
    api: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask MODEL at an OpenAI-compatible address; its key: OPENAI_API_KEY."),
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit on the hub.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python code that comes with the model.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Results folder; default: results/llm/COMMAND-MODEL-DATA.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Recompute everything, even over results of other settings.")
    ] = False,
) -> CommonOptions:
    """The settings behind the shared options, checked."""
    require(dtype in DTYPES, "--dtype", dtype, one_of_these(DTYPES))
    require(device in DEVICES, "--device", device, one_of_these(DEVICES))
    allowed = "nothing with --until-decided, which looks at " + ", ".join(map(str, LOOKS)) + " draws"
    require(draws is None or not until_decided, "--draws", draws, allowed)
    draws = (LOOKS[-1] if until_decided else DRAWS) if draws is None else draws
    for option, value, least in (("--queries", queries, 1), ("--draws", draws, 1), ("--seed", seed, 0)):
        require(value >= least, option, value, f"a whole number from {least} on")
    source: dict[str, Any] = {"name": model, "revision": revision, "dtype": dtype, "device": device, "api": api}
    measurement = TextMeasurement(
        model=ModelSource(**source, trust_remote_code=trust_remote_code),
        data=data,
        test=test,
        text=text,
        label=label,
        words=_label_words(label_word or []),
        encoding=encoding,
        format=PromptFormat(query=unescaped(form)),
        queries=queries,
        draws=draws,
        until_decided=until_decided,
        seed=seed,
        chat=chat,
        too_long=too_long,
    )
    return CommonOptions(measurement, out, force)


def _label_words(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in words:
        name, equals, word = (part.strip() for part in pair.partition("="))
        require(bool(equals and name and word), "--label-word", pair, "LABEL=WORD, as 0=negative")
        require(name not in found, "--label-word", pair, f"one word per label; {name}={found.get(name)} was given too")
        found[name] = unescaped(word)
    return found


def whole_numbers(option: str, text: str, *, least: int = 0) -> tuple[int, ...]:
    """Whole numbers with commas between.

    Raises:
        BadRequest: if a part is none, or less than allowed.
    """
    allowed = f"whole numbers from {least} on with commas between, as 0,4,8"
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise refused(option, text, allowed) from None
    require(all(number >= least for number in found), option, text, allowed)
    return found


def names(text: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(part.strip() for part in text.split(","))
