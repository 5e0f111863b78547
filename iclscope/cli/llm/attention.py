"""``iclscope llm attention``: where the heads of a language model look among the demonstrations."""

from __future__ import annotations

from typing import Annotated

import typer

from iclscope.cli.llm import options
from iclscope.core.errors import require
from iclscope.language_models.settings import AttentionSettings


@options.about_a_model
def attention_command(
    common: options.CommonOptions,
    shots: Annotated[int, typer.Option(metavar="N", help="Demonstrations per prompt, balanced over labels.")] = 8,
) -> None:
    """Measure, per layer and head, how much more a query attends to demonstrations of its label than to the others.

    Finished parts are kept: an interrupted command, run again, reads only what is missing.
    """
    require(shots >= 2, "--shots", shots, "a whole number from 2 on, at least one demonstration of each label")
    settings = AttentionSettings(shots=shots)
    from iclscope.cli.llm.measured import measured
    from iclscope.language_models.heads.measurement import Attention

    measured(Attention, common, settings)
