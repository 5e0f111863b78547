"""``iclscope predict``: a theory's numbers for given settings, without any training; one file per paper."""

from __future__ import annotations

import typer

from iclscope.cli.predict.garg2022 import predict_garg2022
from iclscope.cli.predict.huang2024 import predict_huang2024
from iclscope.cli.predict.li2024 import predict_li2024
from iclscope.cli.predict.vonoswald2023 import predict_vonoswald2023
from iclscope.cli.predict.zhang2024 import predict_zhang2024

predict_app = typer.Typer(
    help="The theory's numbers for given settings, no training.", invoke_without_command=True, rich_markup_mode=None
)
for _paper, _command in (
    ("li2024", predict_li2024),
    ("garg2022", predict_garg2022),
    ("vonoswald2023", predict_vonoswald2023),
    ("zhang2024", predict_zhang2024),
    ("huang2024", predict_huang2024),
):
    # A list cuts a sentence at its first full stop, that of "et al." too.
    _first = (_command.__doc__ or "").split("\n")[0].replace(" et al.", " and others")
    predict_app.command(_paper, short_help=_first)(_command)


@predict_app.callback()
def _papers(context: typer.Context) -> None:
    """The theory's numbers for given settings, no training."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
