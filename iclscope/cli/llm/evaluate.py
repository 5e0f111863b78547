"""``iclscope llm evaluate``: accuracy of a language model against the number of demonstrations."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from iclscope.cli.llm import options
from iclscope.language_models.api import results_folder
from iclscope.language_models.evaluate import EvaluateSettings
from iclscope.language_models.evaluate_report import accuracy_text
from iclscope.language_models.measurements import evaluation
from iclscope.language_models.prepared import prepare
from iclscope.language_models.selectors import SELECTORS
from iclscope.report import print_claims


def evaluate_command(
    model: options.Model,
    data: options.Data,
    shots: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of demonstrations.")] = "0,2,4,8,16",
    selector: Annotated[str, typer.Option(metavar=",".join(SELECTORS), help="How they are chosen.")] = "balanced",
    test: options.Test = None,
    text: options.TextColumnName = "text",
    label: options.LabelColumnName = "label",
    label_word: options.LabelWords = None,
    form: options.Format = options.DEFAULT_FORMAT,
    queries: options.Queries = 200,
    draws: options.Draws = 3,
    seed: options.Seed = 0,
    dtype: options.Dtype = "auto",
    device: options.Device = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: options.Out = None,
    force: options.Force = False,
) -> None:
    """Measure accuracy and calibrated accuracy against the number of demonstrations.

    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    settings = EvaluateSettings(
        shots=options.whole_numbers("--shots", shots), selectors=options.names("--selector", selector, SELECTORS)
    )
    measurement = options.text_measurement(
        model,
        data,
        test=test,
        text=text,
        label=label,
        words=label_word,
        form=form,
        queries=queries,
        draws=draws,
        seed=seed,
        dtype=dtype,
        device=device,
        revision=revision,
        trust=trust_remote_code,
    )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    prepared = prepare(measurement)
    folder = results_folder("evaluate", prepared, settings, out, force=force)
    with options.prompts_bar(console) as told:
        done = evaluation(prepared, settings, folder, progress=told)
    options.print_table(console, accuracy_text(done.rows))
    print_claims(done.claims, console)
    console.print(f"Report: {folder.path / 'report.html'}")
