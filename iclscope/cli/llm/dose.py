"""``iclscope llm dose``: how many demonstrations of a prompt may be irrelevant."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from iclscope.cli.llm import options
from iclscope.core.errors import refused, require
from iclscope.language_models.dilution.settings import IRRELEVANT_LABELS, RANDOM, DoseSettings
from iclscope.language_models.settings import SUM


@options.about_a_model
def dose_command(
    common: options.CommonOptions,
    irrelevant: Annotated[
        str | None,
        typer.Option(metavar="DATA2", help="Texts of another kind; default: words, which come with iclscope."),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="|".join(IRRELEVANT_LABELS),
            help="Of the others: coin flips; wrong ones on DATA's own texts; always the same.",
        ),
    ] = RANDOM,
    shots: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of demonstrations.")] = "4,8,16,32",
    alphas: Annotated[
        str, typer.Option(metavar="A,A,…", help="Shares of them that are about the task.")
    ] = "0,0.25,0.5,0.75,1",
    label_score: options.LabelScoreName = SUM,
) -> None:
    """Measure the error against the share α' of demonstrations that are about the task, and against their number.

    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    given: dict[str, Any] = {"labels": labels, "label_score": label_score}
    settings = DoseSettings(
        shots=options.whole_numbers("--shots", shots, least=1), alphas=_shares(alphas), irrelevant=irrelevant, **given
    )
    from iclscope.cli.llm.measured import measured
    from iclscope.language_models.dilution.measurement import Dose

    measured(Dose, common, settings)


def _shares(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise refused("--alphas", text, "shares from 0 to 1 with commas between, as 0,0.25,1") from None
    require(len(found) > 1, "--alphas", text, "at least two shares with commas between, as 0.5,1")
    return found
