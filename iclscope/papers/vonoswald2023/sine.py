"""Sine waves through an MLP: the attention layer does gradient descent on deep features (von Oswald 2023, Section 4)."""

from __future__ import annotations

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

TASK = SineRegression()
ATTENTION, DESCENT = "attention", "gradient_descent"
LABELS = {ATTENTION: "MLP and trained attention", DESCENT: "MLP and a step of GD"}
NO_MLP = "gradient descent without an MLP"
RECORDS = 20


def _training(preset: Preset) -> Training:
    """Ours at every preset: our source gives no numbers for this model."""
    steps, batch = {"quick": (2000, 128), "lab": (10_000, 512), "paper": (50_000, 2048)}[preset.name]
    rate = 0.001 if preset.is_paper else 0.01
    return Training(
        optimizer="adam", loss="squared", learning_rate=rate, rate_decay=True, steps=steps, batch_size=batch
    )


def _trials(preset: Preset) -> list[Trial]:
    training = _training(preset)
    evaluation = Evaluation(on={TEST: TASK}, probes=("squared_error",), every=training.steps // RECORDS, prompts=1024)
    return [
        # η starts at the square of its scale.
        Trial(
            task=TASK,
            model=FeatureAttentionConfig(rule=rule, initial_scale=scale),
            training=training,
            evaluation=evaluation,
            seed=seed,
        )
        for rule, scale in ((ATTENTION, 0.1), (DESCENT, 0.3))
        for seed in preset.seeds
    ]


@torch.no_grad()
def _measure(group: TrainedGroup[FeatureAttention], preset: Preset) -> pl.DataFrame:
    model = group.model
    sampler = TASK.sampler(model.seeds, dtype=model.dtype, device=model.device)
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
    return pl.concat(tables, how="diagonal").with_columns(rule=pl.lit(model.config.rule))


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


def _ratio(rows: pl.DataFrame) -> Interval:
    """Error with trained attention over that with a step of gradient descent, seed by seed."""
    final = rows.filter(pl.col("loss").is_not_null())
    own, other = (final.filter(pl.col("rule") == rule).select("seed", "loss") for rule in (ATTENTION, DESCENT))
    joined = own.join(other, on="seed", suffix="_descent")
    return over_seeds(joined.with_columns(ratio=pl.col("loss") / pl.col("loss_descent")), "ratio")


def _distance(rows: pl.DataFrame) -> Interval:
    """Distance to descent after training."""
    return over_seeds(rows.filter(pl.col("distance").is_not_null()), "distance")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    trained = rows.filter((pl.col("arm") == "trained") & pl.col("step").is_not_null() & pl.col("error").is_not_nan())
    for index, (rule, label) in enumerate(LABELS.items()):
        points = summarise(trained.filter(pl.col("rule") == rule), "step", "error")
        if not points.is_empty():
            curve(ax, points["step"], points["value"], points["low"], points["high"], label=label, index=index)
    ax.set(xlabel="training step", ylabel="squared error, 1 = predicting 0", yscale="log")
    legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    losses = [over_seeds(trained.filter(pl.col("rule") == rule), "loss").value for rule in LABELS]
    return (
        f"After training the error is {losses[0]:.3f} with an attention layer and {losses[1]:.3f} with a step of gradient "
        f"descent on features learnt for it (1: predicting 0); predictions of the layer differ by "
        f"{100 * _distance(trained).value:.1f} % of their size from those of a step on its own features."
    )


_SOURCE = f"{PAPER}, Section 4, figure on sine waves"

EXPERIMENT = Experiment(
    name="sine",
    title="Sine waves: gradient descent on deep features",
    caption=(
        "Squared error on sine waves, N = 10 examples, of an MLP with a layer of linear self-attention on its features and of an "
        "MLP with the constructed layer, of which η alone is trained: one step of gradient descent on learnt features. Shaded: "
        "95 % intervals over seeds."
    ),
    position=60,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="sine-loss",
            form="published",
            statement="With an MLP, trained attention errs as one step of gradient descent on learnt features does.",
            source=_SOURCE,
            quantity="error with trained attention over that with a step of gradient descent, both trained with their MLP",
            expected=Region(0.8, 1.2),
            reason="the paper's curves meet; a fifth (ours), since each MLP is another one",
            estimate=_ratio,
            control=Control("the best step of gradient descent on x itself, without an MLP", NO_MLP),
        ),
        Claim(
            id="sine-descent",
            form="published",
            statement="The trained attention layer takes a step of gradient descent on linear images of its MLP's features.",
            source=_SOURCE,
            quantity="mean distance of its predictions to such a step's, over their mean size",
            expected=Region(high=0.1),
            reason="as close as a layer without an MLP must come to its step; any image of the features is allowed (ours)",
            estimate=_distance,
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    ),
    draw=_draw,
    finding=_finding,
)
