"""``iclscope llm prune``: what is lost, and saved, when neurons of a language model are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from iclscope.cli.llm import options
from iclscope.core.errors import BadRequest, require
from iclscope.core.files import user_path
from iclscope.language_models.api import results_folder
from iclscope.language_models.prompts.label_lengths import DEFAULT
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.pruning.figure import costs_text, points_text
from iclscope.language_models.pruning.measurement import RECOMMENDED, PruneDone, Save, check_save, pruning
from iclscope.language_models.pruning.neuron_scores import NORMS, SCORES
from iclscope.language_models.pruning.rows import PruneSettings
from iclscope.study.pages.claims_table import print_claims


@options.about_a_model
def prune_command(
    asked: options.Asked,
    rates: Annotated[
        str, typer.Option(metavar="R,R,…", help="Shares of the neurons of each layer to remove.")
    ] = "0.05,0.1,0.2,0.3,0.4",
    score: Annotated[
        str, typer.Option(metavar=",".join(SCORES), help="By what neurons are chosen; random and largest are controls.")
    ] = ",".join(SCORES),
    shots: Annotated[int, typer.Option(metavar="N", help="Demonstrations per prompt.")] = 8,
    norm: Annotated[
        str, typer.Option(metavar="|".join(NORMS), help="Of which weights; auto: outgoing if gated, else incoming.")
    ] = "auto",
    prompts: Annotated[int, typer.Option(metavar="N", help="Prompts that activation is measured on.")] = 16,
    texts: Annotated[int, typer.Option(metavar="N", help="Other prompts that perplexity is measured on.")] = 8,
    timings: Annotated[int, typer.Option(metavar="N", help="How often latency is measured; 0: not at all.")] = 5,
    label_score: options.LabelScoreName = DEFAULT,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a smaller checkpoint into this new or empty folder.")
    ] = None,
    save_rate: Annotated[
        str, typer.Option(metavar=f"R|{RECOMMENDED}", help="Which of --rates is saved.")
    ] = RECOMMENDED,
    save_score: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of --score is saved; default: the recommended one.")
    ] = None,
) -> None:
    """Remove MLP neurons, the same share in each layer, and measure accuracy, perplexity, size and latency.

    Recommends the largest rate whose loss is within the interval of none. With --save it writes a checkpoint that
    transformers loads as any other. Exit status 1 if the recommended one was to be saved and there is none.
    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    settings = PruneSettings(
        rates=_shares("--rates", rates),
        scores=options.names("--score", score, SCORES),
        shots=shots,
        norm=_one_of("--norm", norm, NORMS),
        prompts=prompts,
        texts=texts,
        timings=timings,
        label_score=options.label_score(label_score),
    )
    wanted = _wanted(save, save_rate, save_score)
    if wanted is not None:
        check_save(wanted, settings)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    prepared = prepare(asked.measurement)
    folder = results_folder("prune", prepared, settings, asked.out, force=asked.force)
    with options.prompts_bar(console) as told:
        done = pruning(prepared, settings, folder, save=wanted, progress=told)
    _show(console, done)
    console.print(f"Report: {folder.path / 'report.html'}")
    if wanted is not None:
        if done.saved is None:
            console.print("Nothing was saved: no rate is recommended; --save-rate names one.")
            raise typer.Exit(1)
        size = f"{done.saved.bytes_on_disk / 1e6:.1f} MB of weights"
        console.print(f"Saved: {done.saved.folder} ({done.saved.score}, {100 * done.saved.rate:g} % removed, {size})")


def _show(console: Console, done: PruneDone) -> None:
    options.print_table(console, points_text(done.points))
    if done.costs is not None:
        console.print()
        options.print_table(console, costs_text(done.costs))
    console.print()
    print_claims(done.claims, console)
    reason = done.recommendation.reason
    console.print(reason[0].upper() + reason[1:])
    options.print_notes(console, done.notes)


def _wanted(save: Path | None, rate: str, score: str | None) -> Save | None:
    if save is None:
        require(rate == RECOMMENDED, "--save-rate", rate, "only with --save")
        require(score is None, "--save-score", score, "only with --save")
        return None
    return Save(user_path(save, "--save"), None if rate == RECOMMENDED else _shares("--save-rate", rate)[0], score)


def _shares(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        allowed = "shares above 0 and below 1 with commas between, as 0.05,0.1"
        raise BadRequest(f"{option} = {text!r} is not allowed; allowed: {allowed}") from None


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> str:
    require(value in allowed, option, value, ", ".join(allowed))
    return value
