"""The whole battery out of distribution: a model of linear functions on prompts unlike its training (Garg 2022, Section 4)."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval
from iclscope.papers.garg2022.questions import with_questions
from iclscope.papers.garg2022.rows import GPT2, UNTRAINED_CONTROL, draw_methods, error_rows, mean_error, ratio, setting
from iclscope.papers.garg2022.settings import PAPER, PROMPTS, UNTRAINED, GPT2Group, checkpoint_name, function_trials
from iclscope.plotting.style import legend
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import FunctionClass

SQUARES = "least squares"
BASELINES = {SQUARES: PROMPTS}

ORTHOGONAL, REPEATED, ORTHANTS, PLAIN = "orthogonal query", "repeated query", "random orthants", "as in training"
SUBSPACE, NOISY, NOISY_SCORE = "half-dimensional subspace", "noise, against f(x)", "noise, against y"
NOISE = 1.0
"""Standard deviation of the noise on answers."""

# Name → changes of the task. All predict at every x, or at the query after each number of examples.
AT_EVERY_POINT: dict[str, dict[str, Any]] = {
    PLAIN: {},
    SUBSPACE: {"inputs": "half_subspace"},
    "skewed covariance": {"inputs": "skewed"},
    NOISY: {"noise": NOISE},
    "x / 3": {"x_scale": 1 / 3},
    "x / 2": {"x_scale": 1 / 2},
    "2 x": {"x_scale": 2.0},
    "3 x": {"x_scale": 3.0},
    "y / 3": {"y_scale": 1 / 3},
    "y / 2": {"y_scale": 1 / 2},
    "2 y": {"y_scale": 2.0},
    "3 y": {"y_scale": 3.0},
}
AT_QUERY = {ORTHANTS: "orthants", ORTHOGONAL: "orthogonal_query", REPEATED: "repeated_query"}
ORDER: tuple[str, ...] = (
    PLAIN,
    ORTHANTS,
    ORTHOGONAL,
    REPEATED,
    SUBSPACE,
    "skewed covariance",
    NOISY,
    NOISY_SCORE,
    "x / 3",
    "x / 2",
    "2 x",
    "3 x",
)
ORDER += ("y / 3", "y / 2", "2 y", "3 y")
UNTOLD = "query not orthogonal"
FRESH = "fresh query"
IGNORANT = "ignorant on orthants"


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    task = group.trials[0].functions
    d = task.d_X
    tables = [
        error_rows(group, task.replace(**changes), BASELINES).with_columns(prompt=pl.lit(name))
        for name, changes in AT_EVERY_POINT.items()
    ]
    tables.append(_against_answers(group, task).with_columns(prompt=pl.lit(NOISY_SCORE)))
    for name, inputs in AT_QUERY.items():
        longest = d - 1 if name == ORTHOGONAL else task.length
        test = task.replace(inputs=inputs, predictions="query", length=longest)
        tables.append(error_rows(group, test, BASELINES).with_columns(prompt=pl.lit(name)))
    return pl.concat(tables).with_columns(d=d)


def _against_answers(group: GPT2Group, task: FunctionClass) -> pl.DataFrame:
    """Noisy prompts as the public code makes and scores them: f(x) + noise, rescaled to the variance of f(x), is the truth."""
    signal, noise = task.scale, NOISE**2
    rescaled = (signal / (signal + noise)) ** 0.5
    noisy = task.replace(y_scale=task.y_scale * rescaled, noise=NOISE * rescaled)
    return scored_by_answers(error_rows(group, noisy, BASELINES), signal, noise)


def scored_by_answers(rows: pl.DataFrame, signal: float, noise: float) -> pl.DataFrame:
    """Errors of noisy answers, from errors of f(x).

    Nothing tells what the noise of the answer asked for will be, so it enters as its variance: an error e of f(x) becomes
    (s e + σ²)/(s + σ²), at the least σ²/(s + σ²), and 1 for a prediction of 0.

    Args:
        rows: with errors as shares of E f(x)².
        signal: s, the variance of f(x).
        noise: σ², that of the noise.
    """
    of_answers = [(pl.col(name) * signal + noise) / (signal + noise) for name in ("error", "low", "high")]
    return rows.with_columns(*of_answers, pl.col("standard_error") * (signal / (signal + noise)))


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """Prompts as in training under the names of those about which something else is claimed, and untrained models.

    The untrained models' error on random orthants is set beside the trained ones' on prompts as in training: a model that
    the orthants have made ignorant.
    """
    plain = rows.filter((pl.col("arm") == "trained") & (pl.col("prompt") == PLAIN))
    # No training, however long, would make these do as claimed, so their errors are no upper bounds.
    plain = plain.with_columns(short=pl.lit(False))
    renamed = [
        plain.with_columns(arm=pl.lit(arm), prompt=pl.lit(name))
        for arm, name in ((UNTOLD, ORTHOGONAL), (FRESH, REPEATED))
    ]
    ignorant = rows.filter((pl.col("arm") == UNTRAINED) & (pl.col("prompt") == ORTHANTS))
    beside_plain = [table.with_columns(arm=pl.lit(IGNORANT)) for table in (plain, ignorant)]
    return pl.concat([*renamed, *beside_plain])


def _of(rows: pl.DataFrame, prompt: str) -> pl.DataFrame:
    return rows.filter(pl.col("prompt") == prompt)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(4, 4, sharey=True)
    for ax, prompt in zip(axes.flat, ORDER, strict=True):
        draw_methods(ax, _of(rows, prompt), (GPT2, SQUARES))
        ax.set(title=prompt, xlabel="", ylabel="", ylim=(-0.05, 2.05))
    for ax in axes[-1]:
        ax.set_xlabel("examples k")
    figure.supylabel("squared error, 1 = predicting 0")
    legend(axes[0, 0])


def _finding(rows: pl.DataFrame) -> str:
    trained, d = rows.filter(pl.col("arm") == "trained"), setting(rows, "d")
    at_2d = {prompt: mean_error(_of(trained, prompt), GPT2, 2 * d).value for prompt in ORDER if prompt != ORTHOGONAL}
    hardest = max(at_2d, key=lambda prompt: at_2d[prompt])
    return (
        f"After 2d = {2 * d} examples the error is {at_2d[PLAIN]:.3f} on prompts as in training, {at_2d[ORTHANTS]:.3f} on "
        f"random orthants, and largest, {at_2d[hardest]:.2f}, on: {hardest}."
    )


def _over_plain(rows: pl.DataFrame, prompt: str) -> Interval:
    """The error at 2d on one kind of prompts less that on prompts as in training."""
    d = setting(rows, "d")
    changed, plain = (mean_error(_of(rows, name), GPT2, 2 * d) for name in (prompt, PLAIN))
    # Other prompts, so the two are uncertain apart. A longer training may bring the two closer.
    high = changed.high - plain.low
    low = -math.inf if bool(rows["short"].any()) else changed.low - plain.high
    return Interval(changed.value - plain.value, low, high, changed.seeds, max(changed.missing, plain.missing))


_SOURCE = f"{PAPER}, Section 4, figure on out-of-distribution prompts"

EXPERIMENT = Experiment(
    name="ood",
    title="Out of distribution: the whole battery",
    caption=(
        "The models of linear functions on prompts unlike those they were trained on, beside least squares. Orthants: every "
        "coordinate of the context keeps one random sign, the query does not. Orthogonal: the query lies off the span of the "
        "context (k < d). Repeated: the query is one of the context inputs. Subspace: all inputs on a random subspace of "
        "dimension d/2. Skewed: eigenvalues 1/i², random axes. Noise: standard deviation 1 on "
        "the answers, errors against f(x) itself, and against the answers, rescaled to the variance of f(x), as the public "
        "code scores. "
        "Errors are divided by E f(x)², so that predicting 0 scores 1 everywhere; 90 % bootstrap intervals over prompts."
    ),
    position=50,
    trials=lambda preset: function_trials("linear", preset),
    measure=_measure,
    claims=with_questions(
        Claim(
            id="ood-orthogonal",
            form="published",
            statement="A context orthogonal to the query gives no information: GPT-2 errs as much as predicting 0.",
            source=_SOURCE,
            quantity="GPT-2's mean error with an orthogonal context over that of predicting 0, k = 1 … d−1",
            expected=Region(0.9, 1.1),
            reason="1 is exact for a predictor that knows it knows nothing",
            # No predictor errs less than one that says 0 here, so a short training errs too much, if anything.
            estimate=lambda rows: mean_error(_of(rows, ORTHOGONAL), GPT2, 1, setting(rows, "d") - 1, floor=1.0),
            control=Control("queries that are not orthogonal", UNTOLD),
        ),
        Claim(
            id="ood-repeated",
            form="published",
            statement="GPT-2 answers better where the query repeats an input of the context.",
            source=_SOURCE,
            quantity="GPT-2's mean error on repeated queries, k = 1 … d−1; fresh ones cannot score below 1 − k/d",
            expected=Region(high=0.4),
            reason="below the 0.5 that no method can beat on fresh queries, on average over these k; short trainings give an upper bound only",
            estimate=lambda rows: mean_error(_of(rows, REPEATED), GPT2, 1, setting(rows, "d") - 1, floor=0.0),
            control=Control("the same models on fresh queries", FRESH),
        ),
        Claim(
            id="ood-orthants",
            form="published",
            statement="Inputs from random orthants hardly change GPT-2's error.",
            source=_SOURCE,
            quantity="GPT-2's error at k = 2d on random orthants less that on prompts as in training",
            expected=Region(high=0.05),
            reason="a twentieth of predicting 0; short trainings give an upper bound only",
            estimate=lambda rows: _over_plain(rows, ORTHANTS),
            control=Control(
                "untrained models on random orthants, beside the trained ones on prompts as in training", IGNORANT
            ),
        ),
        Claim(
            id="ood-subspace",
            form="published",
            statement="On inputs from a half-dimensional subspace GPT-2 comes close to 0 by k = d examples.",
            source=_SOURCE,
            quantity="GPT-2's error on a half-dimensional subspace at k = d",
            expected=Region(high=0.1),
            reason="least squares reaches 0 at d/2; a tenth of predicting 0; short trainings give an upper bound only",
            estimate=lambda rows: mean_error(_of(rows, SUBSPACE), GPT2, setting(rows, "d"), floor=0.0),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="ood-noise",
            form="published",
            statement="With noisy answers GPT-2 stays close to least squares at k = 2d.",
            source=_SOURCE,
            quantity="GPT-2's error against f(x) over that of least squares with noise of standard deviation 1 at k = 2d",
            expected=Region(high=1.25),
            reason="as close as on prompts without noise below d; short trainings give an upper bound only",
            estimate=lambda rows: ratio(_of(rows, NOISY), SQUARES, 2 * setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
        Claim(
            id="ood-noise-score",
            form="published",
            statement="With noisy answers, scored against them, GPT-2 stays close to least squares at k = 2d.",
            source=_SOURCE,
            quantity="the same against the noisy answers, rescaled, as the public code scores",
            expected=Region(high=1.25),
            reason="as for errors against f(x); short trainings give an upper bound only",
            estimate=lambda rows: ratio(_of(rows, NOISY_SCORE), SQUARES, 2 * setting(rows, "d")),
            control=UNTRAINED_CONTROL,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(10.0, 8.4),
    controls=_controls,
    checkpoint=checkpoint_name,
)
