"""``iclscope llm``: measurements on Hugging Face language models."""

from __future__ import annotations

import typer

from iclscope.cli.llm.attention import attention_command
from iclscope.cli.llm.evaluate import evaluate_command
from iclscope.cli.llm.prune import prune_command
from iclscope.cli.llm.select import select_command

llm_app = typer.Typer(
    name="llm",
    help="The same questions for Hugging Face language models: which demonstrations help, which neurons may go.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
llm_app.command("evaluate")(evaluate_command)
llm_app.command("select")(select_command)
llm_app.command("prune")(prune_command)
llm_app.command("attention")(attention_command)
