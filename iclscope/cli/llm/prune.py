"""``iclscope llm prune``: what is lost, and saved, when neurons of a language model are removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iclscope.cli.llm import options
from iclscope.core.errors import one_of_these, refused, require
from iclscope.language_models.settings import NORMS, RECOMMENDED, SCORES, SUM, PruneSettings

if TYPE_CHECKING:
    from iclscope.language_models.pruning.save import Save, Saved

MEASURING = ("rates", "score", "draws", "until_decided", "timings", "label_score", "out", "force")
"""Options that only a measurement reads: whoever names one of them wants to be told of it."""


@options.about_a_model
def prune_command(
    common: options.CommonOptions,
    context: typer.Context,
    rates: Annotated[
        str, typer.Option(metavar="R,R,…", help="Shares of the neurons of each layer to remove.")
    ] = "0.05,0.1,0.2,0.3,0.4",
    score: Annotated[
        str, typer.Option(metavar=",".join(SCORES), help="Score that ranks neurons; random and largest are controls.")
    ] = ",".join(SCORES),
    shots: Annotated[int, typer.Option(metavar="N", help="Demonstrations per prompt.")] = 8,
    norm: Annotated[
        str,
        typer.Option(
            metavar="|".join(NORMS), help="Weights whose norm counts; auto: outgoing if gated, else incoming."
        ),
    ] = "auto",
    prompts: Annotated[int, typer.Option(metavar="N", help="Prompts to measure activations on.")] = 16,
    texts: Annotated[int, typer.Option(metavar="N", help="Further prompts to measure perplexity on.")] = 8,
    timings: Annotated[int, typer.Option(metavar="N", help="Repetitions of each latency measurement; 0: none.")] = 5,
    label_score: options.LabelScoreName = SUM,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a smaller checkpoint into this new or empty folder.")
    ] = None,
    save_rate: Annotated[
        str,
        typer.Option(metavar=f"R|{RECOMMENDED}", help="Which of --rates to save; with --save-score alone, any rate."),
    ] = RECOMMENDED,
    save_score: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of --score to save; default: the recommended one.")
    ] = None,
) -> None:
    """Remove MLP neurons, the same share in each layer, and measure accuracy, perplexity, size and latency.

    Recommends the largest rate whose loss is within the interval of none. With --save it writes a checkpoint that
    transformers loads as any other. Exit status 1 if the recommended one was to be saved and there is none.
    With --save, --save-rate and --save-score, and none of --rates, --score, --draws, --timings, --label-score, --out
    and --force, nothing is measured: the checkpoint is written, and that is all.
    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    if save is None:
        require(save_rate == RECOMMENDED, "--save-rate", save_rate, "only with --save")
        require(save_score is None, "--save-score", save_score, "only with --save")
    rate = None if save_rate == RECOMMENDED else _shares("--save-rate", save_rate)[0]
    alone = False
    if rate is not None and save_score is not None and not any(_is_given(context, name) for name in MEASURING):
        require(0 < rate < 1, "--save-rate", rate, "a share above 0 and below 1: at 1 no neuron is left")
        require(save_score in SCORES, "--save-score", save_score, one_of_these(SCORES))
        alone, rates, score = True, save_rate, save_score
    require(norm in NORMS, "--norm", norm, one_of_these(NORMS))
    given: dict[str, Any] = {"norm": norm, "label_score": label_score, "scores": options.names(score)}
    counts = {"shots": shots, "prompts": prompts, "texts": texts, "timings": timings}
    settings = PruneSettings(rates=_shares("--rates", rates), **counts, **given)
    wanted = None if save is None else _checked(save, rate, save_score, settings)
    saved = _saved_alone(common, settings, wanted.folder) if alone and wanted else _measured(common, settings, wanted)
    if saved is not None:
        size = f"{saved.bytes_on_disk / 1e6:.1f} MB of weights"
        typer.echo(f"Saved: {saved.folder} ({saved.score}, {100 * saved.rate:g} % removed, {size})")
    elif wanted is not None:
        typer.echo("Nothing was saved: no rate is recommended; --save-rate names one.")
        raise typer.Exit(1)


def _shares(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        allowed = "shares above 0 and below 1 with commas between, as 0.05,0.1"
        raise refused(option, text, allowed) from None


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _checked(save: Path, rate: float | None, score: str | None, settings: PruneSettings) -> Save:
    from iclscope.core.files import user_path
    from iclscope.language_models.pruning.save import Save, check_save

    wanted = Save(user_path(save, "--save"), rate, score)
    check_save(wanted, settings)
    return wanted


def _measured(common: options.CommonOptions, settings: PruneSettings, save: Save | None) -> Saved | None:
    from iclscope.cli.llm.measured import measured
    from iclscope.language_models.pruning.measurement import Pruning

    saved: Saved | None = measured(Pruning, common, settings, apart=True, save=save).saved
    return saved


def _saved_alone(common: options.CommonOptions, settings: PruneSettings, folder: Path) -> Saved:
    from iclscope.language_models.prompts.prepared import prepare
    from iclscope.language_models.pruning.measurement import save_unmeasured

    saved = save_unmeasured(prepare(common.measurement), settings, folder)
    typer.echo("Nothing was measured, as a rate and a score were given to save; --rates or --score asks for it.")
    return saved
