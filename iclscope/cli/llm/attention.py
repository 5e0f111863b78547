"""``iclscope llm attention``: where the heads of a language model look among the demonstrations."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from iclscope.cli.llm import options
from iclscope.core.errors import require
from iclscope.language_models.api import results_folder
from iclscope.language_models.heads.figure import heads_text
from iclscope.language_models.heads.measurement import attention_measurement
from iclscope.language_models.heads.prompts import AttentionSettings
from iclscope.language_models.prompts.prepared import prepare
from iclscope.study.pages.claims_table import print_claims


@options.about_a_model
def attention_command(
    asked: options.Asked,
    shots: Annotated[int, typer.Option(metavar="N", help="Demonstrations per prompt, balanced over labels.")] = 8,
) -> None:
    """Measure, per layer and head, how much more a query attends to demonstrations of its label than to the others.

    Finished parts are kept: an interrupted command, run again, reads only what is missing.
    """
    require(shots >= 2, "--shots", shots, "a whole number from 2 on, at least one demonstration of each label")
    settings = AttentionSettings(shots=shots)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    prepared = prepare(asked.measurement)
    folder = results_folder("attention", prepared, settings, asked.out, force=asked.force)
    with options.prompts_bar(console) as told:
        done = attention_measurement(prepared, settings, folder, progress=told)
    options.print_table(console, heads_text(done.heads))
    print_claims(done.claims, console)
    options.print_notes(console, done.notes)
    console.print(f"Report: {folder.path / 'report.html'}")
