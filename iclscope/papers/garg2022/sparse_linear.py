"""Sparse linear functions, beside least squares and the Lasso (Garg 2022, Section 5)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.baselines.regression import LASSO_ALPHAS
from iclscope.claims.claim import Claim, Region
from iclscope.papers.garg2022.questions import with_questions
from iclscope.papers.garg2022.rows import (
    GPT2,
    UNTRAINED_CONTROL,
    difference,
    draw_methods,
    error_rows,
    mean_error,
    ratio,
    setting,
)
from iclscope.papers.garg2022.settings import PAPER, PROMPTS, GPT2Group, checkpoint_name, function_trials
from iclscope.plotting.style import legend
from iclscope.study.experiment import Experiment, Preset

LASSOS = tuple(f"Lasso, α = {alpha:g}" for alpha in LASSO_ALPHAS)
BASELINES = {"least squares": PROMPTS, **dict.fromkeys(LASSOS, PROMPTS)}
BEST_LASSO = "best Lasso"


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    task = group.trials[0].functions
    rows = error_rows(group, task, BASELINES)
    return pl.concat([rows, _best_lasso(rows)]).with_columns(d=task.d_X)


def _best_lasso(rows: pl.DataFrame) -> pl.DataFrame:
    """Each seed's Lasso with the smallest mean error over all lengths, chosen with hindsight, as a method of its own."""
    lassos = rows.filter(pl.col("method").is_in(LASSOS) & (pl.col("arm") == "trained"))
    means = lassos.group_by("seed", "method").agg(pl.col("error").mean()).sort("error", "method")
    best = means.group_by("seed", maintain_order=True).first()
    return rows.join(best, on=["seed", "method"], how="semi").with_columns(method=pl.lit(BEST_LASSO))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    # With the smallest penalty but one there would be seven curves; it coincides with its neighbours.
    shown = [name for name in LASSOS if name != "Lasso, α = 0.001"]
    draw_methods(ax, rows, (GPT2, "least squares", *shown))
    legend(ax, outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained, d = rows.filter(pl.col("arm") == "trained"), setting(rows, "d")
    own, squares, lasso = (
        mean_error(trained, method, 1, d - 1).value for method in (GPT2, "least squares", BEST_LASSO)
    )
    return (
        f"With fewer than d = {d} examples GPT-2's mean error is {own:.2f}, that of least squares {squares:.2f} and that of "
        f"the best Lasso {lasso:.2f}."
    )


EXPERIMENT = Experiment(
    name="sparse-linear",
    title="Sparse linear functions",
    caption=(
        "Squared error after k in-context examples of a linear function with few non-zero coordinates, divided by "
        "their number, so that predicting 0 scores 1; beside least squares, which ignores sparsity, and the Lasso at four of the "
        "five published weights of its penalty (α = 0.001 lies between its neighbours, which coincide). Shaded: 90 % bootstrap intervals over prompts."
    ),
    position=20,
    trials=lambda preset: function_trials("sparse_linear", preset),
    measure=_measure,
    claims=with_questions(
        Claim(
            id="sparse-beats-least-squares",
            form="published",
            statement="GPT-2 makes use of sparsity: it does better than least squares.",
            source=f"{PAPER}, Section 5, figure on sparse linear functions",
            quantity="GPT-2's mean error over that of least squares, k = 1 … d−1",
            expected=Region(high=1.0),
            reason="better means less; short trainings give an upper bound only",
            estimate=lambda rows: ratio(rows, "least squares", 1, setting(rows, "d") - 1),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="sparse-near-lasso",
            form="published",
            statement="GPT-2 does nearly as well as the Lasso.",
            source=f"{PAPER}, Section 5, figure on sparse linear functions",
            quantity="GPT-2's mean error less that of the best Lasso (chosen with hindsight), k = 1 … 2d",
            expected=Region(high=0.05),
            reason="the published curves are about that close; short trainings give an upper bound only",
            estimate=lambda rows: difference(rows, BEST_LASSO, 1, 2 * setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 4.0),
    checkpoint=checkpoint_name,
)
