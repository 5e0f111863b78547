"""``iclscope predict li2024``: what the theorems ask for and promise."""

from __future__ import annotations

import math
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from iclscope.core.errors import require
from iclscope.papers.li2024 import theory as li2024


def predict_li2024(
    alpha: Annotated[float, typer.Option(help="Share α of task-relevant context in training, (0, 1].")] = 0.8,
    alpha_test: Annotated[float, typer.Option(help="The same in testing, α', (0, 1].")] = 0.8,
    beta: Annotated[float, typer.Option(help="Pattern norm β, at least 1.")] = 2.0,
    m1: Annotated[int, typer.Option("--M1", help="Relevant patterns M1, at least 3.")] = 6,
    m2: Annotated[int, typer.Option("--M2", help="Irrelevant patterns M2, at least 1.")] = 24,
    d_x: Annotated[int, typer.Option("--d-X", help="Input dimension, at least M1 + M2.")] = 30,
    length: Annotated[int, typer.Option(help="Your context length, in training and testing, at least 1.")] = 20,
    training_tasks: Annotated[
        float | None, typer.Option(help="Share of tasks you train on, k/(M1−1); default: the cycle, 1/(M1−1).")
    ] = None,
    eta: Annotated[float, typer.Option(help="Step size η, (0, 1].")] = 1.0,
    epsilon: Annotated[float, typer.Option(help="Risk ε to reach, (0, 1).")] = 0.1,
    s1: Annotated[float, typer.Option("--S1", help="Coefficient sum S1 of out-of-domain patterns, |S1| ≤ √2.")] = 1.0,
) -> None:
    """What Li et al. 2024 ask for and promise, up to their unstated constants (taken as 1)."""
    require(length >= 1, "length", length, "at least 1")
    needed = li2024.requirements(alpha=alpha, alpha_test=alpha_test, beta=beta, M1=m1, eta=eta, epsilon=epsilon)
    share = needed.smallest_task_share if training_tasks is None else training_tasks
    trained_on = li2024.tasks_of_share(M1=m1, share=share)
    promised = li2024.guarantees(M1=m1, M2=m2, epsilon=epsilon, eta=eta, S1=s1)
    require(m1 + m2 <= d_x, "M1 + M2", m1 + m2, f"at most d_X = {d_x}")
    require(abs(s1) <= math.sqrt(2), "S1", s1, "|S1| ≤ √2 ≈ 1.414, the largest that two coefficients of norm 1 reach")
    table = Table("quantity", "formula (constant 1)", "value", "yours", box=None, header_style="bold")
    for name, formula, value, yours in (
        ("training steps T", "M1 √log M1 / (η (αβ)^⅔)", f"{needed.steps:.4g}", ""),
        (
            "training length l_tr",
            "max{log M1/α, 1/(β²α)}",
            f"{needed.training_length:.4g}",
            _met(length, needed.training_length),
        ),
        ("testing length l_ts", "1/α'", f"{needed.testing_length:.4g}", _met(length, needed.testing_length)),
        ("neurons m", "M1² log M1", f"{needed.width:.4g}", ""),
        ("batch size B", "max{ε⁻², M1} log M1", f"{needed.batch_size:.4g}", ""),
        ("prompts in all N", "B·T", f"{needed.samples:.4g}", ""),
        (
            "share of tasks",
            "1/(M1−1), the cycle",
            f"{needed.smallest_task_share:.4g}",
            f"{trained_on} of {m1 * (m1 - 1)} tasks",
        ),
        ("attention", "1 − η^C, C = 1", f"{promised.attention:.4g}" if eta < 1 else "no statement at η = 1", ""),
        ("norm of small neurons", "at most 1/√M2", f"{promised.small_neuron_norm:.4g}", ""),
        ("cost, small pruned", "at most ε + M1^(−1/2)", f"{promised.cost_of_small:.4g}", ""),
        ("cost, half the large", "at least R", f"{promised.cost_of_half_the_large:.4g}", ""),
        (
            "out of domain",
            "S1 ≥ 1, ν' in span{ν}",
            "generalizes" if promised.out_of_domain else "not promised",
            f"S1 = {s1:g}",
        ),
        ("room outside patterns", "d_X − M1 − M2", str(d_x - m1 - m2), "dimensions"),
    ):
        table.add_row(name, formula, value, yours)
    console = Console()
    console.print(
        "Li et al. 2024 (arXiv 2402.15607), Theorems 3.3, 3.4 and 3.7. What is asked for suffices, which does not say "
        "that less would fail; what pruning costs is bounded, from above or from below. The theorems state orders of "
        "growth; their constants are not public and are 1 here (reports and the playground take them from a "
        "reference run): compare settings, do not read off sizes."
    )
    console.print(table)


def _met(length: int, needed: float) -> str:
    """Whether a given length is enough."""
    return f"{length}, {'enough' if length >= needed else 'too short'}"
