"""``iclscope predict huang2024``: how long training takes, and what is there at its end."""

from __future__ import annotations

import math
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from iclscope.core.errors import require
from iclscope.papers.huang2024 import theory as huang2024
from iclscope.papers.huang2024.theory.long_prompts import LEAST_LOSS

MOST_FEATURES = 1_000_000
"""The probabilities of more features are of no use to anybody."""


def predict_huang2024(
    k: Annotated[int, typer.Option("--K", help="Number of features K, at least 2.")] = 20,
    eta: Annotated[float, typer.Option(help="Step size η on E(ŷ − y)², positive.")] = 0.5,
    epsilon: Annotated[float, typer.Option(help="Loss ε to reach, (0, 1).")] = 0.1,
    length: Annotated[int, typer.Option(help="Your context length N, at least 1.")] = 160,
    dominant: Annotated[
        float, typer.Option(help="Probability p_1 of the dominant feature, where there is one; more than 1/K.")
    ] = 0.5,
) -> None:
    """Convergence times of Huang et al. 2024, up to unstated constants (1), and gradient flow without any."""
    require(2 <= k <= MOST_FEATURES, "K", k, f"2 to {MOST_FEATURES}")
    require(length >= 1, "length", length, "at least 1")
    require(1 / k < dominant < 1, "dominant", dominant, f"more than 1/K = {1 / k:g}, below 1")
    balanced = (1 / k,) * k
    imbalanced = (dominant, *((1 - dominant) / (k - 1),) * (k - 1))
    steps = huang2024.balanced_steps(K=k, eta=eta, epsilon=epsilon)
    first = huang2024.dominant_steps(eta=eta, epsilon=epsilon)
    least, _ = huang2024.attention_range(loss=epsilon, K=k)
    console = Console()
    console.print(
        "Huang et al. 2024 (arXiv 2310.05249). The times are upper bounds, quadratic in K; the formulas are our "
        "recollection of the theorems, their constants unknown and 1 here: compare settings, do not read off sizes."
    )
    recalled = Table("recalled", "formula (constant 1)", "value", box=None, header_style="bold")
    for name, formula, value in (
        ("steps of growth", "K² log K/η", steps.growth),
        ("steps of convergence", "K log(K ε^(−1/2))/(ε η)", steps.convergence),
        ("steps, dominant feature", "log(ε^(−1/2))/(ε η)", first.total),
        ("attention at loss ε", "1 − √ε", huang2024.promised_attention(epsilon)),
    ):
        recalled.add_row(name, formula, f"{value:.4g}")
    console.print(recalled)
    console.print(
        "\nExact, and ours: gradient flow in the limit of long prompts (steps of small η), and what N leaves out of "
        "reach."
    )
    exact = Table("exact", "balanced", f"rare, p_1 = {dominant:g}", "dominant", box=None, header_style="bold")
    cases = ((balanced, 0), (imbalanced, 1), (imbalanced, 0))
    if epsilon >= LEAST_LOSS:
        times = [huang2024.times_of_flow(probabilities, query, epsilon) for probabilities, query in cases]
        exact.add_row("steps to own attention ½", *(_number(time.half / eta) for time in times))
        exact.add_row("steps to loss ε", *(_number(time.converged / eta) for time in times))
    exact.add_row("own score at attention ½", f"{huang2024.score_at_half(k):.4g}", "", "")
    exact.add_row("least attention at loss ε", *(f"{least:.4g}",) * 3)
    exact.add_row(
        "least loss of any Q at N",
        *(f"{_floor(probabilities[query], k, length):.3g}" for probabilities, query in cases),
    )
    console.print(exact)


def _floor(probability: float, K: int, length: int) -> float:
    """The loss of a query that its absence from the context costs at least."""
    return float((1 - probability) ** length) * (1 + 1 / (K - 1))


def _number(steps: float) -> str:
    return f"{steps:.4g}" if math.isfinite(steps) else "more than can be followed"
