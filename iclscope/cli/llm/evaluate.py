"""``iclscope llm evaluate``: accuracy of a language model against the number of demonstrations."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from iclscope.cli.llm import options
from iclscope.language_models.settings import SELECTORS, SUM, EvaluateSettings


@options.about_a_model
def evaluate_command(
    common: options.CommonOptions,
    shots: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of demonstrations.")] = "0,2,4,8,16",
    selector: Annotated[str, typer.Option(metavar=",".join(SELECTORS), help="How they are chosen.")] = "balanced",
    label_score: options.LabelScoreName = SUM,
) -> None:
    """Measure accuracy and calibrated accuracy against the number of demonstrations.

    Finished parts are kept: an interrupted command, run again, asks only what is missing.
    """
    given: dict[str, Any] = {"selectors": options.names(selector), "label_score": label_score}
    settings = EvaluateSettings(shots=options.whole_numbers("--shots", shots), **given)
    from iclscope.cli.llm.measured import measured
    from iclscope.language_models.evaluation.measurement import Evaluation

    measured(Evaluation, common, settings)
