"""Functions that the model of linear ones was not trained on: quadratic ones, signs, noisy answers (Garg 2022, appendix)."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.papers.garg2022.questions import with_questions
from iclscope.papers.garg2022.rows import GPT2, UNTRAINED_CONTROL, draw_methods, error_rows, mean_error, ratio, setting
from iclscope.papers.garg2022.settings import PAPER, PROMPTS, GPT2Group, checkpoint_name, function_trials
from iclscope.plotting.style import legend
from iclscope.study.experiment import Experiment, Preset

BASELINES = {"least squares": PROMPTS, "3-NN": PROMPTS, "averaging": PROMPTS}
NOISY, QUADRATIC, SIGNS = "noisy linear", "quadratic", "linear classification"
FUNCTIONS: dict[str, dict[str, Any]] = {
    NOISY: {"noise": 0.5},
    QUADRATIC: {"function": "quadratic"},
    # Signs scaled to the size of the answers that the model knows.
    SIGNS: {"function": "linear_classification"},
}


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    task = group.trials[0].functions
    return pl.concat(
        error_rows(
            group,
            task.replace(**changes, **({"y_scale": task.d_X**0.5} if name == SIGNS else {})),
            BASELINES,
        ).with_columns(functions=pl.lit(name))
        for name, changes in FUNCTIONS.items()
    ).with_columns(d=task.d_X)


def _of(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.filter(pl.col("functions") == name)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 3, sharey=True)
    for ax, name in zip(axes, FUNCTIONS, strict=True):
        draw_methods(ax, _of(rows, name), (GPT2, *BASELINES))
        ax.set(title=name, ylabel="", ylim=(-0.05, 2.05))
    axes[0].set_ylabel("squared error, 1 = predicting 0")
    legend(axes[0], outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained, d = rows.filter(pl.col("arm") == "trained"), setting(rows, "d")
    errors = [mean_error(_of(trained, name), GPT2, 2 * d).value for name in FUNCTIONS]
    return (
        f"After 2d = {2 * d} examples the models of linear functions have an error of {errors[0]:.2f} on noisy linear "
        f"functions, {errors[1]:.2f} on quadratic ones and {errors[2]:.2f} on signs."
    )


def _claim(name: str, functions: str, other: str, statement: str, most: float, reason: str) -> Claim:
    return Claim(
        id=f"other-{name}",
        form="published",
        statement=statement,
        source=f"{PAPER}, Section 4 and appendix (evaluation only)",
        quantity=f"GPT-2's error over that of {other} on {functions} functions at k = 2d",
        expected=Region(high=most),
        reason=reason,
        estimate=lambda rows: ratio(_of(rows, functions), other, 2 * setting(rows, "d")),
        control=UNTRAINED_CONTROL,
    )


EXPERIMENT = Experiment(
    name="other-functions",
    title="Noisy, quadratic and sign functions",
    caption=(
        "The models of linear functions, without further training, on linear functions with noisy answers (standard deviation "
        "0.5; errors against f(x) itself), on quadratic functions Σ w_i x_i² / √3, and on signs of linear functions (scaled "
        "by √d), beside least squares, three nearest neighbours and averaging. Errors are divided by E f(x)²; 90 % bootstrap "
        "intervals over prompts."
    ),
    position=60,
    trials=lambda preset: function_trials("linear", preset),
    measure=_measure,
    claims=with_questions(
        _claim(
            "noisy",
            NOISY,
            "3-NN",
            "On noisy linear functions GPT-2 does better than 3-nearest-neighbours.",
            1.0,
            "better means less; short trainings give an upper bound only",
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(8.4, 3.2),
    checkpoint=checkpoint_name,
)
