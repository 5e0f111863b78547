"""``iclscope llm select``: which way of choosing demonstrations helps a language model most."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from iclscope.cli.llm import options
from iclscope.core.errors import require
from iclscope.language_models.settings import SELECTORS, SUM, SelectorOptions, SelectSettings


@options.about_a_model
def select_command(
    common: options.CommonOptions,
    selector: Annotated[
        str, typer.Option(metavar=",".join(SELECTORS), help="How demonstrations are chosen; pattern is the theory's.")
    ] = ",".join(SELECTORS),
    shots: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of demonstrations.")] = "2,4,8,16",
    patterns: Annotated[int, typer.Option(metavar="N", help="Number of clusters of the pool's hidden states.")] = 8,
    candidates: Annotated[int, typer.Option(metavar="N", help="Maximum number of pool texts to choose from.")] = 2000,
    embeddings: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A sentence-transformers model for similarity; default: MODEL's hidden states."
        ),
    ] = None,
    label_score: options.LabelScoreName = SUM,
    explain: Annotated[
        int, typer.Option(metavar="N", help="Explain the choice of demonstrations for this many queries.")
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
    given: dict[str, Any] = {"selectors": options.names(selector), "label_score": label_score}
    settings = SelectSettings(
        shots=options.whole_numbers("--shots", shots, least=1),
        options=SelectorOptions(patterns=patterns, candidates=candidates, embeddings=embeddings),
        **given,
    )
    from iclscope.cli.llm.measured import measured
    from iclscope.language_models.selection.measurement import Selection

    measured(Selection, common, settings, apart=True, titled=True, explain=explain)
