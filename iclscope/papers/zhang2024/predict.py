"""``iclscope predict zhang2024``: where linear attention ends under gradient flow, and what it then errs."""

from __future__ import annotations

import warnings
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from iclscope.core.arguments import check_size
from iclscope.core.errors import refused, require
from iclscope.papers.zhang2024 import theory as zhang2024

LARGEST_D = 1000
"""A matrix of this size takes a second."""


def predict_zhang2024(
    d: Annotated[
        int | None, typer.Option("--d-X", "--d", help="Input dimension d, at least 1; default: that of Λ, or 5.")
    ] = None,
    train_length: Annotated[int, typer.Option(help="Length N of the training prompts, at least 1.")] = 10,
    test_length: Annotated[int, typer.Option(help="Length M of the testing prompts, at least 1.")] = 20,
    noise: Annotated[float, typer.Option(help="Standard deviation of noise on test answers, 0 or more.")] = 0.0,
    eigenvalues: Annotated[
        str | None, typer.Option(help="Λ diagonal: d positive numbers, for instance 1,1,0.5; default: all 1.")
    ] = None,
    covariance: Annotated[
        str | None, typer.Option(help="Λ as rows, for instance '1,0.2;0.2,1'; instead of --eigenvalues.")
    ] = None,
    initial_scale: Annotated[float, typer.Option(help="Scale s of the initial weights, positive.")] = 0.1,
) -> None:
    """Γ, the limit, its risk and its behaviour under shifts, after Zhang, Frei and Bartlett 2024."""
    require(d is None or 1 <= d <= LARGEST_D, "d-X", d, f"1 to {LARGEST_D}")
    for option, length in (("train-length", train_length), ("test-length", test_length)):
        require(1 <= length <= 10**12, option, length, "1 to 10¹²")
    check_size("initial-scale", initial_scale)
    if noise > 0:
        check_size("noise", noise)
    require(eigenvalues is None or covariance is None, "covariance", covariance, "without --eigenvalues")
    Lambda = _covariance(d, eigenvalues, covariance)
    zhang2024.gamma(Lambda, train_length)  # refuses what is no covariance
    for eigenvalue in np.linalg.eigvalsh(Lambda)[[0, -1]]:
        check_size("eigenvalues", float(eigenvalue))
    Gamma = zhang2024.gamma(Lambda, train_length)
    end = zhang2024.limit(Lambda, train_length)
    moments = zhang2024.linear_moments(Lambda, noise=noise)
    terms = zhang2024.risk_terms(Lambda, train_length=train_length, test_length=test_length, moments=moments)
    product = zhang2024.predictor(Lambda, train_length)
    slopes = {c: zhang2024.slope(product, c**2 * Lambda) for c in (1, 2)}
    random = zhang2024.exponential_product(len(Lambda), train_length)[0, 0]
    with warnings.catch_warnings():  # said below, in a line of its own
        warnings.simplefilter("ignore")
        start = zhang2024.start_condition(Lambda, train_length, initial_scale)
    table = Table("quantity", "formula", "value", box=None, header_style="bold")
    for name, formula, value in (
        ("eigenvalues of Γ", "(1 + 1/N) Λ + tr(Λ)/N · I", _numbers(np.linalg.eigvalsh(Gamma)[::-1])),
        ("limit of W_PV, last entry u", "tr(Γ⁻²)^¼", f"{end.u:.4g}"),
        ("limit of W_KQ, eigenvalues", "tr(Γ⁻²)^(−¼) Γ⁻¹", _numbers(np.linalg.eigvalsh(end.U))),
        ("risk E(ŷ − y)²", "sum of the next three", f"{terms.total:.4g}"),
        ("  best linear risk", "σ²", f"{terms.best_linear:.4g}"),
        ("  variance, gone as M → ∞", "(1/M) tr(Σ Γ⁻² Λ)", f"{terms.variance:.4g}"),
        ("  bias, gone as N → ∞", "(1/N²) [‖a‖² terms]", f"{terms.bias:.4g}"),
        ("risk of predicting 0", "tr Λ + σ²", f"{np.trace(Lambda) + noise**2:.4g}"),
        ("slope of ŷ on ⟨w, x⟩", "tr(Λ Γ⁻¹ Λ)/tr Λ", f"{slopes[1]:.4g}"),
        ("  other tasks w", "task shift", "tolerated: the slope tends to 1 as N → ∞"),
        ("  other queries", "query shift", "tolerated while they stay in the span of the context"),
        ("  inputs twice as large", "covariate shift, c²", f"{slopes[2]:.4g}: not tolerated"),
        (
            "trained on diagonal Exp(1) Λ",
            "1/(3 + (d + 5)/N)",
            f"{random:.4g} as slope on unit covariance; 1/3 as N → ∞",
        ),
        ("start condition", "s² ‖Γ‖ √d < 2", f"{start:.4g}, {'met' if start < 2 else 'not met'}"),
    ):
        table.add_row(name, formula, value)
    console = Console()
    console.print(
        "Zhang, Frei and Bartlett 2024 (arXiv 2306.09927), Theorems 4.1, 4.2 and 4.5: one layer of linear attention, "
        "trained by gradient flow on prompts of N examples, x ~ N(0, Λ), w ~ N(0, I)."
    )
    console.print(table)
    if start >= 2:
        typer.echo(f"warning: {zhang2024.start_warning(start, initial_scale)}", err=True)


def _covariance(
    d: int | None, eigenvalues: str | None, covariance: str | None
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Λ from the words of the command line; its entries are checked by the theory."""
    if covariance is not None:
        rows = [_row("covariance", row) for row in covariance.split(";")]
        sizes = [len(row) for row in rows]
        require(sizes == [len(rows)] * len(rows), "covariance", covariance, "as many rows as columns, as '1,0.2;0.2,1'")
        require(d in (None, len(rows)), "d", d, f"{len(rows)}, the size of --covariance")
        return np.asarray(rows)
    if eigenvalues is None:
        return np.eye(5 if d is None else d)
    values = _row("eigenvalues", eigenvalues)
    require(d in (None, len(values)), "d", d, f"{len(values)}, the number of --eigenvalues")
    return np.diag(values)


def _row(option: str, text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise refused(option, text, "numbers with commas between them") from None


def _numbers(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """At most eight numbers; equal ones once."""
    texts = [f"{value:.4g}" for value in values]
    if len(set(texts)) == 1:
        return f"{texts[0]} (all {len(texts)})" if len(texts) > 1 else texts[0]
    return ", ".join(texts if len(texts) <= 8 else [*texts[:4], "…", *texts[-4:]])
