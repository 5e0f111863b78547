"""Linear functions: error against context length beside least squares, 3-NN and averaging (Garg 2022, Section 3)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.claims.intervals import Interval
from iclscope.claims.published import Distance, published_curves, value_distance
from iclscope.papers.garg2022 import theory as garg2022
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
from iclscope.plotting.style import legend, published, reference_curve
from iclscope.study.experiment import Experiment, Preset

BASELINES = {"least squares": PROMPTS, "3-NN": PROMPTS, "averaging": PROMPTS}
PUBLISHED = published_curves("garg2022", "linear")[GPT2]
"""At d = 20, against k/d."""


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    task = group.trials[0].functions
    return error_rows(group, task, BASELINES).with_columns(d=task.d_X)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    draw_methods(ax, rows, (GPT2, *BASELINES))
    d = setting(rows, "d")
    at = [d * ratio_to_d for ratio_to_d in PUBLISHED.x]
    published(ax, at, PUBLISHED.y, label="published (d = 20)", index=0, joined=False)
    k = range(1, 2 * d + 1)
    reference_curve(ax, k, [garg2022.least_squares_error(k=one, d=d) for one in k], label="expected", index=1)
    reference_curve(ax, k, [garg2022.averaging_error(k=one, d=d) for one in k], index=3)
    legend(ax, outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained, d = rows.filter(pl.col("arm") == "trained"), setting(rows, "d")
    at_d, at_2d = (mean_error(trained, GPT2, k).value for k in (d, 2 * d))
    return (
        f"At k = d = {d} GPT-2's error is {at_d:.3f}, at k = 2d it is {at_2d:.4f} (published at d = 20: {PUBLISHED.y[0]:g} "
        f"and {PUBLISHED.y[1]:g})."
    )


def _distances(rows: pl.DataFrame, level: float) -> dict[str, Distance]:
    own = rows.filter(pl.col("method") == GPT2).with_columns(of_d=pl.col("length") / setting(rows, "d"))
    return {"GPT-2, at k/d": value_distance(own, PUBLISHED, "of_d", "error", level=level)}


def _fall(rows: pl.DataFrame) -> Interval:
    """Error at 2d over error at d."""
    d = setting(rows, "d")
    renamed = rows.filter((pl.col("method") == GPT2) & (pl.col("length") == d))
    renamed = renamed.with_columns(method=pl.lit("at d"), length=pl.lit(2 * d, dtype=pl.Int64))
    return ratio(pl.concat([rows, renamed]), "at d", 2 * d)


EXPERIMENT = Experiment(
    name="linear",
    title="Linear functions",
    caption=(
        "Squared error at the query after k in-context examples of a random linear function, divided by d, so that "
        "predicting 0 scores 1; GPT-2 and what least squares (of minimum norm), three nearest neighbours and averaging "
        "make of the same prompts. Hollow: published for GPT-2 at k = d and 2d. Dotted: the expected errors of "
        "least squares and averaging. Shaded: 90 % bootstrap intervals over "
        "prompts, as published."
    ),
    position=10,
    trials=lambda preset: function_trials("linear", preset),
    measure=_measure,
    claims=with_questions(
        Claim(
            id="linear-at-d",
            form="published",
            statement="GPT-2 matches least squares at k = d examples.",
            source=f"{PAPER}, Section 3, figure on linear functions",
            quantity="GPT-2's error less that of least squares at k = d",
            expected=Region(high=0.05),
            reason="published ≈ 0.02 against 0; short trainings give an upper bound only",
            estimate=lambda rows: difference(rows, "least squares", setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="linear-at-2d",
            form="published",
            statement="GPT-2 matches least squares at k = 2d examples.",
            source=f"{PAPER}, Section 3, figure on linear functions",
            quantity="GPT-2's error less that of least squares at k = 2d",
            expected=Region(high=0.01),
            reason="published ≈ 0.0006 against 0; short trainings give an upper bound only",
            estimate=lambda rows: difference(rows, "least squares", 2 * setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="linear-fall",
            form="published",
            statement="From k = d to k = 2d examples GPT-2's error keeps falling steeply.",
            source=f"{PAPER}, Section 3, figure on linear functions",
            quantity="GPT-2's error at k = 2d over its error at k = d",
            expected=Region(high=0.5),
            reason="published 0.0006 / 0.02 = 0.03; half is the least that falling steeply could mean; short trainings give an "
            "upper bound only",
            estimate=_fall,
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="linear-below-d",
            form="published",
            statement="With fewer examples than dimensions GPT-2 does as well as least squares of minimum norm.",
            source=f"{PAPER}, Section 3",
            quantity="GPT-2's mean error over that of least squares, k = 1 … d−1",
            expected=Region(high=1.25),
            reason="the published curves cannot be told apart; no method can do better on average; short trainings give an "
            "upper bound only",
            estimate=lambda rows: ratio(rows, "least squares", 1, setting(rows, "d") - 1),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="linear-beats-3-nn",
            form="published",
            statement="GPT-2 does better than 3-nearest-neighbours.",
            source=f"{PAPER}, Section 3",
            quantity="GPT-2's mean error over that of 3-NN, k = d … 2d",
            expected=Region(high=1.0),
            reason="better means less; short trainings give an upper bound only",
            estimate=lambda rows: ratio(rows, "3-NN", setting(rows, "d"), 2 * setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="linear-beats-averaging",
            form="published",
            statement="GPT-2 does better than averaging.",
            source=f"{PAPER}, Section 3",
            quantity="GPT-2's mean error over that of averaging, k = d … 2d",
            expected=Region(high=1.0),
            reason="better means less; short trainings give an upper bound only",
            estimate=lambda rows: ratio(rows, "averaging", setting(rows, "d"), 2 * setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.8),
    checkpoint=checkpoint_name,
    distances=_distances,
)
