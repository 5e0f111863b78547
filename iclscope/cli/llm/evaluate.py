"""``iclscope llm evaluate``: accuracy of a language model against the number of demonstrations."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from iclscope.cli.llm import options
from iclscope.language_models.api import results_folder
from iclscope.language_models.evaluation.measurement import evaluation
from iclscope.language_models.evaluation.report import accuracy_text
from iclscope.language_models.evaluation.rows import EvaluateSettings
from iclscope.language_models.prompts.label_lengths import DEFAULT, judged_by
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.selectors import SELECTORS
from iclscope.study.pages.claims_table import print_claims


@options.about_a_model
def evaluate_command(
    asked: options.Asked,
    shots: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of demonstrations.")] = "0,2,4,8,16",
    selector: Annotated[str, typer.Option(metavar=",".join(SELECTORS), help="How they are chosen.")] = "balanced",
    label_score: options.LabelScoreName = DEFAULT,
) -> None:
    """Measure accuracy and calibrated accuracy against the number of demonstrations.

    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    settings = EvaluateSettings(
        shots=options.whole_numbers("--shots", shots),
        selectors=options.names("--selector", selector, SELECTORS),
        label_score=options.label_score(label_score),
    )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    prepared = prepare(asked.measurement)
    folder = results_folder("evaluate", prepared, settings, asked.out, force=asked.force)
    with options.prompts_bar(console) as told:
        done = evaluation(prepared, settings, folder, progress=told)
    options.print_table(console, accuracy_text(judged_by(done.rows, settings.label_score)))
    print_claims(done.claims, console)
    options.print_notes(console, done.notes)
    console.print(f"Report: {folder.path / 'report.html'}")
