"""Every attention model of the five papers on one common task at equal budget: error against context length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclscope.claims.claim import UNTRAINED, UNTRAINED_TEXT, Claim, Control, Region
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import over_seeds, per_seed, signed, summarise
from iclscope.evaluation.length_errors import baseline_errors_by_length, errors_by_length
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import (
    GPT2TransformerConfig,
    LinearAttentionConfig,
    ModelConfig,
    SoftmaxAttentionConfig,
    SoftmaxReLUConfig,
)
from iclscope.papers.vonoswald2023 import theory as vonoswald2023
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import FunctionClass
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Training, Trial

D = 5
LONGEST = 2 * D
AT_QUERY = FunctionClass(d_X=D, length=LONGEST, predictions="query")
AT_EVERY_X = FunctionClass(d_X=D, length=LONGEST)
PROMPTS = 1280
"""Test prompts per seed and length of GPT-2, as in Garg et al. 2022; single layers cost little and are tested on more."""
PROMPTS_OF_LAYERS = 16_384
LENGTHS = tuple(range(LONGEST + 1))


class Contender(NamedTuple):
    """A model of a paper, and how it is trained here.

    Attributes:
        task: the common task, asked as the paper asks: at the query, or at every x.
        model: sizes and initial values.
        rule: of Adam the learning rate, falling to 0, the better of 0.01 and 0.001 in a pilot of one seed; of GPT-2 Muon's.
    """

    task: FunctionClass
    model: ModelConfig
    rule: Mapping[str, Any]


def _adam(rate: float) -> dict[str, Any]:
    return {"optimizer": "adam", "learning_rate": rate}


MUON: dict[str, Any] = {"optimizer": "muon", "learning_rate": 0.02, "adam_rate": 3e-3, "weight_decay": 0.1}
"""Ours (docs/experiment_log.md, "von Oswald 2023 and Zhang 2024 at their corrected settings")."""


VONOSWALD, ZHANG = "linear attention (von Oswald 2023)", "linear attention (Zhang 2024)"
CONTENDERS: dict[str, Contender] = {
    "softmax, ReLU MLP (Li 2024)": Contender(AT_QUERY, SoftmaxReLUConfig(d_X=D, d_Y=1), _adam(1e-3)),
    "GPT-2 (Garg 2022)": Contender(
        AT_EVERY_X,
        GPT2TransformerConfig.of_size("tiny", d_X=D, positions=2 * AT_EVERY_X.points, initial="fan_in"),
        MUON,
    ),
    VONOSWALD: Contender(AT_QUERY, LinearAttentionConfig(d_X=D, output_sign=-1), _adam(1e-2)),
    ZHANG: Contender(
        AT_QUERY, LinearAttentionConfig(d_X=D, query_in_context=True, initial="zhang", initial_scale=0.1), _adam(1e-2)
    ),
    "softmax attention (Huang 2024)": Contender(AT_QUERY, SoftmaxAttentionConfig(d_X=D), _adam(1e-2)),
}
LEAST_SQUARES = "least squares"


def _steps(preset: Preset) -> int:
    return {"quick": 4_000, "lab": 20_000, "paper": 100_000}[preset.name]


def _trial(contender: Contender, preset: Preset, seed: int) -> Trial:
    common: dict[str, Any] = {"loss": "squared", "rate_decay": True, "batch_size": 64}
    training = Training(**common, **contender.rule, steps=_steps(preset))
    return Trial(task=contender.task, model=contender.model, training=training, seed=seed)


def _trials(preset: Preset) -> list[Trial]:
    return [_trial(contender, preset, seed) for contender in CONTENDERS.values() for seed in preset.seeds]


def _name_of(model: ModelConfig) -> str:
    (name,) = (name for name, contender in CONTENDERS.items() if contender.model == model)
    return name


def _measure(group: TrainedGroup[Any], _preset: Preset) -> pl.DataFrame:
    task, name = group.trials[0].functions, _name_of(group.trials[0].model)
    prompts = PROMPTS if group.trials[0].model.kind == "gpt2" else PROMPTS_OF_LAYERS
    tables = [
        _rows(group, arm, name, errors_by_length(model, task, prompts=prompts))
        for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained()))
    ]
    if name == VONOSWALD:  # once, not beside every model: all answer prompts of the same distribution
        squares = baseline_errors_by_length([LEAST_SQUARES], task, group.model.seeds, prompts=PROMPTS)
        tables.append(_rows(group, "trained", LEAST_SQUARES, squares[LEAST_SQUARES]))
    return pl.concat(tables)


def _rows(group: TrainedGroup[Any], arm: str, method: str, found: SquaredErrors) -> pl.DataFrame:
    """One row per run and context length."""
    return pl.concat(
        group.rows(arm=arm, method=method, length=length, prompts=found.errors.shape[1], error=found.mean[:, i])
        for i, length in enumerate(found.lengths)
    )


def _best_step(length: int) -> float:
    """The error of the best single step of gradient descent, 1 = predicting 0."""
    if length == 0:
        return 1.0
    best = vonoswald2023.optimal_step(d=D, length=length, moments=vonoswald2023.gaussian_moments())
    return 2 * best.loss / D


def _of(rows: pl.DataFrame, method: str, length: int = LONGEST) -> pl.DataFrame:
    return rows.filter((pl.col("method") == method) & (pl.col("length") == length))


def _over_best_step(rows: pl.DataFrame) -> Interval:
    values = per_seed(_of(rows, VONOSWALD), "error")
    return mean_interval([value / _best_step(LONGEST) for value in values])


def _between_linear_models(rows: pl.DataFrame) -> Interval:
    pairs = zip(per_seed(_of(rows, ZHANG), "error"), per_seed(_of(rows, VONOSWALD), "error"), strict=True)
    return mean_interval([a / b for a, b in pairs])


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """Von Oswald's trained models beside Zhang's untrained ones, as if both were trained."""
    trained = rows.filter((pl.col("arm") == "trained") & (pl.col("method") == VONOSWALD))
    untrained = rows.filter((pl.col("arm") == UNTRAINED) & (pl.col("method") == ZHANG))
    return pl.concat([trained, untrained]).with_columns(arm=pl.lit("one untrained"))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    trained = rows.filter(pl.col("arm") == "trained")
    for index, method in enumerate((*CONTENDERS, LEAST_SQUARES)):
        points = summarise(
            trained.filter((pl.col("method") == method) & pl.col("error").is_not_nan()), "length", "error"
        )
        if not points.is_empty():
            curve(ax, points["length"], points["value"], points["low"], points["high"], label=method, index=index)
    reference_curve(ax, LENGTHS, [_best_step(length) for length in LENGTHS], label="best single GD step", index=2)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="in-context examples k", ylabel="squared error, 1 = predicting 0", ylim=(-0.03, 1.6))
    legend(ax, outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    errors = ", ".join(
        f"{method} {signed(over_seeds(_of(trained, method), 'error').value)}" for method in (*CONTENDERS, LEAST_SQUARES)
    )
    return f"After k = 2d = {LONGEST} examples: {errors}; one step of gradient descent at its best {_best_step(LONGEST):.2f}."


EXPERIMENT = Experiment(
    name="common-task",
    title="Every model on one task",
    caption=(
        f"The attention models of the five papers, each trained on the same number of prompts of random linear "
        f"functions (d = {D}, x ~ N(0, I), {LONGEST} examples), GPT-2 by Muon and the others by Adam, and tested with k examples. Squared errors are divided by d, so that "
        "predicting 0 scores 1. GPT-2 is trained to answer at every x, as in Garg et al.; the others are trained to answer one "
        "query after all examples and have never met fewer; some of their curves leave the top. The two models of linear attention coincide. Dotted: the least error of a single step of gradient descent, its step chosen for "
        "each k. Shaded: 95 % intervals over seeds."
    ),
    position=10,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="common-one-step",
            form="exact",
            statement="One trained layer of linear attention does what the best single step of gradient descent does.",
            source="von Oswald et al. 2023, Proposition 1 and Section 3",
            quantity="error of von Oswald's layer at k = 2d over that of the best step in closed form",
            expected=Region(0.95, 1.05),
            reason="1 in theory; a twentieth for sampled tests and a short training",
            estimate=_over_best_step,
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
        Claim(
            id="common-linear-models",
            form="exact",
            statement="Von Oswald's and Zhang's linear attention learn the same function of the context.",
            source="von Oswald et al. 2023, Proposition 1; Zhang et al. 2024, Theorem 4.1",
            quantity="error of Zhang's model at k = 2d over that of von Oswald's",
            expected=Region(0.95, 1.05),
            reason="whether the query attends to itself does not matter in either theory; a twentieth for sampled tests",
            estimate=_between_linear_models,
            control=Control("von Oswald's layer trained, Zhang's at its initial values", "one untrained"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.6, 3.8),
    controls=_controls,
)
