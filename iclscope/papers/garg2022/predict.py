"""``iclscope predict garg2022``: what the methods beside the transformer are expected to err."""

from __future__ import annotations

import math
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from iclscope.core.errors import require
from iclscope.papers.garg2022 import theory as garg2022


def predict_garg2022(
    d_x: Annotated[int, typer.Option("--d-X", help="Dimension d of the inputs, at least 1.")] = 20,
    length: Annotated[int, typer.Option(help="The longest context k, at least 0.")] = 40,
    noise: Annotated[float, typer.Option(help="Standard deviation of noise on the answers, 0 or more.")] = 0.0,
) -> None:
    """Expected errors of least squares and averaging on the linear functions of Garg et al. 2022."""
    require(d_x >= 1, "d-X", d_x, "at least 1")
    require(length >= 0, "length", length, "0 or more")
    curves = garg2022.errors(d=d_x, longest=length, noise=noise)
    every = max(1, length // 20)
    table = Table("examples k", "least squares", "averaging", box=None, header_style="bold")
    for curve in curves:
        if curve.k % every == 0 or curve.k in (d_x, length):
            table.add_row(str(curve.k), _number(curve.least_squares), _number(curve.averaging))
    console = Console()
    console.print(
        "Linear functions of Garg et al. 2022 (arXiv 2208.01066): expected squared error of f(x), divided by d, so "
        "that predicting 0 scores 1. The paper proves nothing of the transformer; it is compared with these methods."
    )
    console.print(table)


def _number(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value:.4g}"
