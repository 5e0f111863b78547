"""Is the trained layer gradient descent? The four measures over training (von Oswald 2023, Section 3)."""

from __future__ import annotations

from functools import partial

import polars as pl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.mechanism import alignment, answers_of, interpolated
from iclscope.models import LinearAttention
from iclscope.papers.vonoswald2023.rows import constructed, descended, evaluation_prompts, half_squares, recorded_models
from iclscope.papers.vonoswald2023.settings import (
    CODE,
    PAPER,
    RANGES,
    TEXT,
    UNTRAINED,
    UNTRAINED_TEXT,
    LinearGroup,
    one_layer_trials,
    optimum,
    range_of,
    task_of,
)
from iclscope.plotting.style import curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.function_classes import FunctionPrompts

ASCENT = "halfway to gradient ascent"


def _measure(group: LinearGroup, preset: Preset) -> pl.DataFrame:
    task, best, prompts = task_of(group), optimum(task_of(group)), evaluation_prompts(group, preset.prompts)
    of_descent = answers_of(partial(descended, eta=best.eta), prompts)
    typical = of_descent.predictions.abs().mean(dim=1)
    ideal = constructed(group.model, eta=best.eta, length=task.length)
    ascent = constructed(group.model, eta=-best.eta, length=task.length)

    def loss_over_descent(model: LinearAttention) -> Float[Tensor, " run"]:
        output = model.predict(prompts).output.detach()
        return half_squares(output, prompts) / half_squares(of_descent.predictions, prompts)

    tables = []
    for step, model in recorded_models(group):
        measured = alignment(answers_of(partial(_output, model), prompts), of_descent)
        columns = {
            "distance": measured.prediction_distance / typical,
            "cosine": measured.sensitivity_cosine,
            "sensitivity_distance": measured.sensitivity_distance,
            "ratio": loss_over_descent(model),
            "interpolated": loss_over_descent(interpolated(model, ideal)),
        }
        arms = {"trained": columns}
        if step == 0:
            arms[UNTRAINED] = columns
        if step == group.recorded_at[-1]:
            arms[ASCENT] = {**columns, "interpolated": loss_over_descent(interpolated(model, ascent))}
        tables += [group.rows(arm=arm, step=step, **of_arm) for arm, of_arm in arms.items()]
    return pl.concat(tables).with_columns(range=pl.lit(range_of(group)))


def _output(model: LinearAttention, prompts: FunctionPrompts) -> Tensor:
    return model.predict(prompts).output


def _last(rows: pl.DataFrame, name: str, column: str) -> Interval:
    """A measure after training, for one input range."""
    chosen = rows.filter(pl.col("range") == name)
    return over_seeds(chosen.filter(pl.col("step") == chosen["step"].max()), column)


def _interpolation_cost(rows: pl.DataFrame, name: str) -> Interval:
    """Loss of the interpolated over that of the trained model."""
    return _last(rows.with_columns(cost=pl.col("interpolated") / pl.col("ratio")), name, "cost")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(2, 2, sharex=True)
    trained = rows.filter(pl.col("arm") == "trained")
    for index, name in enumerate(RANGES):
        own = trained.filter(pl.col("range") == name)
        _curve(axes[0, 0], own, "distance", name, index)
        _curve(axes[0, 1], own, "cosine", name, index)
        _curve(axes[1, 0], own, "sensitivity_distance", name, index)
        short = "code" if name == CODE else "text"
        _curve(axes[1, 1], own, "ratio", f"trained, {short}", index)
        # Of weights near 0 the rescaled average means nothing, so it is shown once training has begun.
        _curve(axes[1, 1], own.filter(pl.col("step") > 0), "interpolated", f"interpolated, {short}", index + 2)
    reference_line(axes[0, 1], 1.0)
    reference_line(axes[1, 1], 1.0, label="one step of GD")
    axes[0, 0].set(title="predictions", ylabel="distance to GD / |GD|", ylim=(0, None))
    axes[0, 1].set(title="sensitivities: direction", ylabel="cosine similarity", ylim=(-0.1, 1.08))
    axes[1, 0].set(title="sensitivities: distance", ylabel="L2 distance to GD", xlabel="training step", ylim=(0, None))
    axes[1, 1].set(title="losses", ylabel="loss over GD's", xlabel="training step", ylim=(0.9, 2.3))
    legend(axes[0, 0])
    legend(axes[1, 1])


def _curve(ax: Axes, rows: pl.DataFrame, column: str, label: str, index: int) -> None:
    points = summarise(rows.filter(pl.col(column).is_not_nan()), "step", column)
    if not points.is_empty():
        curve(ax, points["step"], points["value"], points["low"], points["high"], label=label, index=index)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    cosines = [_last(trained, name, "cosine").value for name in (CODE, TEXT)]
    distances = [100 * _last(trained, name, "distance").value for name in (CODE, TEXT)]
    return (
        f"After training the cosine similarity of the sensitivities is {cosines[0]:.4f} (the code's range of inputs) and "
        f"{cosines[1]:.4f} (the text's); predictions differ from gradient descent's by {distances[0]:.1f} % and "
        f"{distances[1]:.1f} % of their size."
    )


_SOURCE = f"{PAPER}, Section 3, figure on alignment"
_UNTRAINED = Control(UNTRAINED_TEXT, UNTRAINED)


def _claims(id: str, name: str) -> tuple[Claim, ...]:
    """The three claims for one range of inputs."""
    return (
        Claim(
            id=f"alignment-cosine-{id}",
            form="published",
            statement=f"The trained layer's sensitivities point the way of gradient descent's (x ~ {name}).",
            source=_SOURCE,
            quantity="cosine similarity of ∂ŷ/∂x_query with gradient descent's, mean over test tasks",
            expected=Region(low=0.99),
            reason="the paper's curve ends at 1",
            estimate=lambda rows: _last(rows, name, "cosine"),
            control=_UNTRAINED,
        ),
        Claim(
            id=f"alignment-prediction-{id}",
            form="published",
            statement=f"The trained layer predicts what gradient descent predicts (x ~ {name}).",
            source=_SOURCE,
            quantity="mean distance of predictions over the mean size of gradient descent's",
            expected=Region(high=0.1),
            reason="the paper's curve ends near 0; a tenth is our reading of near",
            estimate=lambda rows: _last(rows, name, "distance"),
            control=_UNTRAINED,
        ),
        Claim(
            id=f"alignment-interpolation-{id}",
            form="published",
            statement=f"A model halfway between trained and constructed weights does no worse (x ~ {name}).",
            source=_SOURCE,
            quantity="loss of the interpolated model over that of the trained one",
            expected=Region(high=1.02),
            reason="1 is no worse; 2 % as for the loss itself",
            estimate=lambda rows: _interpolation_cost(rows, name),
            control=Control("halfway to the construction of gradient ascent", ASCENT),
        ),
    )


EXPERIMENT = Experiment(
    name="alignment",
    title="The trained layer is gradient descent",
    caption=(
        "One trained layer against one step of gradient descent with the best η, over training, for both ranges of inputs: "
        "distance of their predictions (as a share of the size of gradient descent's), cosine similarity and distance of "
        "their sensitivities ∂ŷ/∂x_query, and the losses of the trained model and of the one halfway between trained and "
        "constructed weights, after W_KQ is divided and W_PV multiplied by the mean of the diagonal of W_KQ. Shaded: 95 % "
        "intervals over seeds."
    ),
    position=20,
    trials=one_layer_trials,
    measure=_measure,
    claims=(*_claims("code", CODE), *_claims("text", TEXT)),
    draw=_draw,
    finding=_finding,
    size=(7.6, 6.0),
)
