"""``iclscope predict vonoswald2023``: losses of gradient descent, exact for one step, line-searched for several."""

from __future__ import annotations

from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from iclscope.core.arguments import check_size
from iclscope.core.errors import require
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.tasks.linear_regression import LinearRegression

MOST_NUMBERS = 50_000_000
"""Numbers of the tasks of the line search: 400 MB."""


def predict_vonoswald2023(
    d: Annotated[int, typer.Option("--d-X", "--d", help="Dimension d of the inputs, at least 1.")] = 10,
    length: Annotated[int, typer.Option(help="Context length N, at least 1.")] = 10,
    half_width: Annotated[
        float, typer.Option(help="Inputs x ~ U(−h, h): 0.5 in the public code, 1 in the paper's text.")
    ] = 0.5,
    weight_scale: Annotated[float, typer.Option(help="Standard deviation of the entries of w, positive.")] = 1.0,
    noise: Annotated[
        float, typer.Option(help="Standard deviation of noise on the context's answers, 0 or more.")
    ] = 0.0,
    steps: Annotated[int, typer.Option(help="The most steps K of the line search, 1 to 20; without noise.")] = 5,
    tasks: Annotated[int, typer.Option(help="Tasks of the line search, at least 10.")] = 10_000,
) -> None:
    """Best step sizes and losses of gradient descent and GD++ on the linear tasks of von Oswald et al. 2023."""
    for name, value in (("half-width", half_width), ("weight-scale", weight_scale)):
        check_size(name, value)
    if noise > 0:
        check_size("noise", noise)
    require(1 <= steps <= 20, "steps", steps, "1 to 20")
    require(tasks >= 10, "tasks", tasks, "at least 10")
    require(length >= 1, "length", length, "at least 1")
    require(d >= 1, "d-X", d, "at least 1")
    drawn = d * (length + 1) * tasks
    require(bool(noise) or drawn <= MOST_NUMBERS, "d-X · (length + 1) · tasks", drawn, f"at most {MOST_NUMBERS}")
    task = LinearRegression(d_X=d, length=length, half_width=half_width, weight_scale=weight_scale, noise=noise)
    moments = theory.uniform_moments(half_width)
    best = theory.optimal_step(d=d, length=length, moments=moments, weight_scale=weight_scale, noise=noise)
    console = Console()
    console.print(
        "Linear tasks of von Oswald et al. 2023 (arXiv 2212.07677). Losses are half the mean squared error at the "
        f"query; predicting 0 scores {task.scale / 2:.4g}."
    )
    console.print(
        f"One step of gradient descent: best η = {best.eta:.4g}, loss {best.loss:.4g}, exactly "
        f"({best.loss / (task.scale / 2):.4g} of predicting 0). A layer of linear self-attention takes it with "
        f"P = (η/N) I = {best.eta / length:.4g} I."
    )
    if noise:
        console.print("Several steps: the line search needs answers without noise.")
        return
    spectra = _spectra(task, tasks)
    table = Table("steps K", "GD: η", "loss", "GD++: η", "γ", "loss", box=None, header_style="bold")
    for k in range(1, steps + 1):
        plain, plus = (theory.line_search(spectra, steps=k, plus=plus) for plus in (False, True))
        numbers = (plain.eta, plain.loss, plus.eta, plus.gamma, plus.loss)
        table.add_row(str(k), *(f"{number:.4g}" for number in numbers))
    console.print(
        f"K steps with the same rates at every step, line search over {tasks} tasks, whose mean differs a little from "
        "the exact one; γ acts from the second step on:"
    )
    console.print(table)


def _spectra(task: LinearRegression, tasks: int) -> theory.Spectra:
    """What the line search needs of tasks drawn with seed 0."""
    generator = torch.Generator().manual_seed(0)
    x = (
        2 * torch.rand(tasks, task.length + 1, task.d_X, generator=generator, dtype=torch.float64) - 1
    ) * task.half_width
    w = task.weight_scale * torch.randn(tasks, task.d_X, generator=generator, dtype=torch.float64)
    return theory.spectra(x[:, :-1], w, x[:, -1])
