"""``iclscope llm select``: which way of choosing demonstrations helps a language model most."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from iclscope.cli.llm import options
from iclscope.core.errors import require
from iclscope.language_models.api import results_folder
from iclscope.language_models.prompts.label_lengths import DEFAULT
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.selection.measurement import selection
from iclscope.language_models.selection.rows import SelectSettings
from iclscope.language_models.selectors import SELECTORS, SelectorOptions
from iclscope.study.pages.claims_table import print_claims


@options.about_a_model
def select_command(
    asked: options.Asked,
    selector: Annotated[
        str, typer.Option(metavar=",".join(SELECTORS), help="How demonstrations are chosen; pattern is the theory's.")
    ] = ",".join(SELECTORS),
    shots: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of demonstrations.")] = "2,4,8,16",
    patterns: Annotated[
        int, typer.Option(metavar="N", help="Patterns that the pool's hidden states are split into.")
    ] = 8,
    candidates: Annotated[int, typer.Option(metavar="N", help="Texts of the pool to choose from, at most.")] = 2000,
    embeddings: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A sentence-transformers model for likeness; default: MODEL's hidden states."
        ),
    ] = None,
    label_score: options.LabelScoreName = DEFAULT,
    explain: Annotated[
        int, typer.Option(metavar="N", help="Tell for so many queries which demonstrations were taken and why.")
    ] = 0,
) -> None:
    """Compare selectors of demonstrations at equal shots, and tell whether sharing the query's pattern helps.

    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    for option, value, least in (
        ("--patterns", patterns, 1),
        ("--candidates", candidates, 2),
        ("--explain", explain, 0),
    ):
        require(value >= least, option, value, f"a whole number from {least} on")
    settings = SelectSettings(
        shots=options.whole_numbers("--shots", shots, least=1),
        selectors=options.names("--selector", selector, SELECTORS),
        options=SelectorOptions(patterns=patterns, candidates=candidates, embeddings=embeddings),
        label_score=options.label_score(label_score),
    )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    prepared = prepare(asked.measurement)
    folder = results_folder("select", prepared, settings, asked.out, force=asked.force)
    with options.prompts_bar(console) as told:
        done = selection(prepared, settings, folder, explain=explain, progress=told)
    for table in (*done.tables, *done.explained):
        console.print(table.title)
        console.print(table.caption)
        options.print_table(console, table)
        console.print()
    print_claims(done.claims, console)
    options.print_notes(console, done.notes)
    console.print(f"Report: {folder.path / 'report.html'}")
