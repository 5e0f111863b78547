"""Sine waves through an MLP: the attention layer does gradient descent on deep features (von Oswald 2023, Section 4).

In the public code amplitude and phase come from the same random numbers, so that a wave has one degree of freedom. Both
are tried: waves as in the code, and waves whose phase has numbers of its own.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import FeatureAttention, FeatureAttentionConfig
from iclscope.papers.vonoswald2023.settings import PAPER, TEST, UNTRAINED, UNTRAINED_TEXT
from iclscope.plotting.style import curve, legend
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import SineRegression
from iclscope.tasks.function_classes import FunctionPrompts
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

TIED, FREE = "phase set by the amplitude: the code", "phase of its own"
WAVES = {TIED: SineRegression(amplitude_sets_phase=True), FREE: SineRegression()}
"""The two kinds of sine waves."""

ATTENTION, DESCENT = "attention", "gradient_descent"
LABELS = {ATTENTION: "MLP and trained attention", DESCENT: "MLP and a step of GD"}
NO_MLP = "gradient descent without an MLP"
RECORDS = 20
CLIP_NORM = 100.0
"""The largest norm of a gradient, as in the public code."""


def _training(preset: Preset, rule: str) -> Training:
    """As published at ``paper`` (public code); else shorter, with a larger rate that falls to zero."""
    common: dict[str, Any] = {"optimizer": "adam", "loss": "squared", "clip_norm": CLIP_NORM}
    if preset.is_paper:
        rate = 1e-3 if rule == ATTENTION else 3e-4
        return Training(**common, learning_rate=rate, steps=20_000, batch_size=2048)
    steps, batch = {"quick": (2000, 128), "lab": (10_000, 512)}[preset.name]
    return Training(**common, learning_rate=0.01, rate_decay=True, steps=steps, batch_size=batch)


def _model(preset: Preset, rule: str) -> FeatureAttentionConfig:
    """Widths and initial values as published at ``paper``, as far as this MLP of two equal hidden layers can have them."""
    if preset.is_paper:
        scale = 0.002 if rule == ATTENTION else 0.3
        return FeatureAttentionConfig(rule=rule, hidden=160, features=40, initial_scale=scale)
    # η starts at the square of its scale.
    return FeatureAttentionConfig(rule=rule, initial_scale=0.1 if rule == ATTENTION else 0.3)


def _trials(preset: Preset) -> list[Trial]:
    trials = []
    for task, rule, seed in product(WAVES.values(), (ATTENTION, DESCENT), preset.seeds):
        training = _training(preset, rule)
        every = training.steps // RECORDS
        evaluation = Evaluation(on={TEST: task}, probes=("squared_error",), every=every, prompts=1024)
        model = _model(preset, rule)
        trials.append(Trial(task=task, model=model, training=training, evaluation=evaluation, seed=seed))
    return trials


@torch.no_grad()
def _measure(group: TrainedGroup[FeatureAttention], preset: Preset) -> pl.DataFrame:
    model, task = group.model, group.trials[0].task
    sampler = task.sampler(model.seeds, dtype=model.dtype, device=model.device)
    prompts = sampler.prompts(preset.prompts, purpose=EVALUATION_PURPOSE, step=1)
    errors = group.trajectory[f"{TEST}/squared_error"][:, :, 0]
    tables = [group.trajectory_rows(arm="trained", prefix=TEST, quantities={"error": errors}).drop("domain")]
    arms = {"trained": model, UNTRAINED: model.untrained()}
    for arm, one in arms.items():
        loss = _over_zero(one.predict(prompts).output, prompts)
        columns = {"loss": loss}
        if model.config.rule == ATTENTION:
            columns["distance"] = _distance_to_descent(one, prompts)
        tables.append(group.rows(arm=arm, **columns))
    if model.config.rule == ATTENTION:
        tables.append(group.rows(arm=NO_MLP, loss=_without_mlp(prompts)))
    else:
        # What the attention layer without an MLP is compared with.
        tables.append(group.rows(arm=NO_MLP, loss=_over_zero(model.predict(prompts).output, prompts)))
    (waves,) = (name for name, one in WAVES.items() if one == task)
    return pl.concat(tables, how="diagonal").with_columns(rule=pl.lit(model.config.rule), waves=pl.lit(waves))


def _over_zero(output: Float[Tensor, "run batch"], prompts: FunctionPrompts) -> Float[Tensor, " run"]:
    """Mean squared error over that of predicting 0."""
    return (output - prompts.labels).double().square().mean(dim=1) / prompts.labels.double().square().mean(dim=1)


def _without_mlp(prompts: FunctionPrompts) -> Float[Tensor, " run"]:
    """The same error of a step of gradient descent on x itself, with the η that is best on these very prompts."""
    x, y = prompts.inputs[:, :, :-1, 0].double(), prompts.answers[:, :, :-1].double()
    step = (x * y).mean(dim=2) * prompts.inputs[:, :, -1, 0].double()
    labels = prompts.labels.double()
    eta = (step * labels).sum(dim=1) / step.square().sum(dim=1)
    return _over_zero(eta[:, None] * step, prompts)


def _distance_to_descent(model: FeatureAttention, prompts: FunctionPrompts) -> Float[Tensor, " run"]:
    """Mean distance of the predictions to those of a step of gradient descent on the features, over their mean size.

    A step from 0 on features B m(x) predicts (1/N) Σ y_i m_iᵀ BᵀB m_query: any symmetric matrix without negative eigenvalues
    may stand in the middle. That part of the layer's −(W_PV)_yy (W_KQ)_xx is taken, in the axes in which the features have
    unit second moments, since what the matrix does off the features is never read. All else that the layer could do (its
    other entries, and what is not symmetric) is left out.
    """
    read = model.predict(prompts)
    W_KQ, W_PV = (weight.double() for weight in model.layer_weights())
    F = model.config.features
    middle = -W_PV[:, -1, -1, None, None] * W_KQ[:, :F, :F]
    m, y = read.hidden.double(), prompts.answers.double()
    moments = torch.einsum("rbnf,rbng->rfg", m, m) / (m.shape[1] * m.shape[2])
    sizes, axes = torch.linalg.eigh(moments)
    root = axes * sizes.clamp(min=0).sqrt()[:, None]
    seen = root.transpose(1, 2) @ middle @ root
    values, vectors = torch.linalg.eigh((seen + seen.transpose(1, 2)) / 2)
    kept = (vectors * values.clamp(min=0)[:, None]) @ vectors.transpose(1, 2)
    # Features in their own axes, with unit second moments; axes without any features stay 0.
    inverse = torch.where(sizes > 1e-12 * sizes[:, -1:], sizes.clamp(min=1e-300).rsqrt(), torch.zeros_like(sizes))
    m = m @ (axes * inverse[:, None])[:, None]
    weight = torch.einsum("rbn,rbnf->rbf", y[:, :, :-1], m[:, :, :-1]) / (y.shape[2] - 1)
    descended = torch.einsum("rbf,rfg,rbg->rb", weight, kept, m[:, :, -1])
    return (read.output - descended).abs().mean(dim=1) / read.output.double().abs().mean(dim=1)


def _of(rows: pl.DataFrame, waves: str) -> pl.DataFrame:
    return rows.filter(pl.col("waves") == waves)


def _ratio(rows: pl.DataFrame, waves: str) -> Interval:
    """Error with trained attention over that with a step of gradient descent, seed by seed."""
    final = _of(rows, waves).filter(pl.col("loss").is_not_null())
    own, other = (final.filter(pl.col("rule") == rule).select("seed", "loss") for rule in (ATTENTION, DESCENT))
    joined = own.join(other, on="seed", suffix="_descent")
    return over_seeds(joined.with_columns(ratio=pl.col("loss") / pl.col("loss_descent")), "ratio")


def _distance(rows: pl.DataFrame, waves: str) -> Interval:
    """Distance to descent after training."""
    return over_seeds(_of(rows, waves).filter(pl.col("distance").is_not_null()), "distance")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    trained = rows.filter((pl.col("arm") == "trained") & pl.col("step").is_not_null() & pl.col("error").is_not_nan())
    for ax, waves in zip(axes, WAVES, strict=True):
        for index, (rule, label) in enumerate(LABELS.items()):
            points = summarise(_of(trained, waves).filter(pl.col("rule") == rule), "step", "error")
            if not points.is_empty():
                curve(ax, points["step"], points["value"], points["low"], points["high"], label=label, index=index)
        ax.set(xlabel="training step", yscale="log", title=waves)
    axes[0].set_ylabel("squared error, 1 = predicting 0")
    legend(axes[1])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    said = []
    for waves, words in ((TIED, "with the code's waves"), (FREE, "with phases of their own")):
        losses = [over_seeds(_of(trained, waves).filter(pl.col("rule") == rule), "loss").value for rule in LABELS]
        distance = 100 * _distance(trained, waves).value
        said.append(
            f"{words} {losses[0]:.3f} and {losses[1]:.3f}, and predictions {distance:.0f} % of their size apart"
        )
    return (
        "Errors after training with an attention layer, with a step of gradient descent on features learnt for it, and the "
        f"distance of the layer's predictions from a step on its own features: {said[0]}; {said[1]}."
    )


_SOURCE = f"{PAPER}, Section 4, figure on sine waves"


def _claims(id: str, waves: str) -> tuple[Claim, ...]:
    """The two claims for one kind of waves."""
    return (
        Claim(
            id=f"sine-loss-{id}",
            form="published",
            statement=f"With an MLP, trained attention errs as one step of GD on learnt features does ({waves}).",
            source=_SOURCE,
            quantity="error with trained attention over that with a step of gradient descent, both trained with their MLP",
            expected=Region(0.8, 1.2),
            reason="the paper's curves meet; a fifth (ours), since each MLP is another one",
            estimate=lambda rows: _ratio(rows, waves),
            control=Control("the best step of gradient descent on x itself, without an MLP", NO_MLP),
        ),
        Claim(
            id=f"sine-descent-{id}",
            form="published",
            statement=f"The trained layer takes a step of GD on linear images of its MLP's features ({waves}).",
            source=_SOURCE,
            quantity="mean distance of its predictions to such a step's, over their mean size",
            expected=Region(high=0.1),
            reason="as close as a layer without an MLP must come to its step; any image of the features is allowed (ours)",
            estimate=lambda rows: _distance(rows, waves),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    )


EXPERIMENT = Experiment(
    name="sine",
    title="Sine waves: gradient descent on deep features",
    caption=(
        "Squared error on sine waves a sin(x + φ), a ~ U(0.1, 0.5), N = 10 examples, of an MLP with a layer of linear "
        "self-attention on its features and of an MLP with the constructed layer, of which η alone is trained: one step of "
        "gradient descent on learnt features. Left: waves of the public code, whose φ is π times the place of a between 0.1 and "
        "0.5; right: φ ~ U(0, π) by itself. Shaded: 95 % intervals over seeds."
    ),
    position=60,
    trials=_trials,
    measure=_measure,
    claims=(*_claims("code", TIED), *_claims("free", FREE)),
    draw=_draw,
    finding=_finding,
    size=(7.6, 3.6),
)
