"""K layers against K steps of gradient descent and of GD++ (von Oswald 2023, Section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll, for_all
from iclscope.claims.intervals import Interval, upper_bound
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.models import LinearAttention
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.papers.vonoswald2023.rows import (
    constructed,
    descended,
    evaluation_prompts,
    half_squares,
    searched,
    spectra_of,
)
from iclscope.papers.vonoswald2023.settings import (
    CODE,
    PAPER,
    PUBLISHED_STEPS,
    RANGES,
    TEXT,
    LinearGroup,
    linear_trial,
    regression,
    task_of,
)
from iclscope.plotting.style import curve, legend
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.function_classes import FunctionPrompts
from iclscope.training.trial import Trial

GD, PLUS, DEEP, RECURRENT = "GD", "GD++", "trained, own weights per layer", "trained, shared weights"
METHODS = (GD, PLUS, RECURRENT, DEEP)
LAYERS = (2, 3, 4, 5)
"""Numbers of layers beyond 1."""

K_OF_GAMMA = 2
"""At so many steps γ is compared with the printed one, which does not say for how many it is."""

MOST_ACTIVATION, UNCUT_LAYERS = 10.0, 3
"""Where the public code cuts activations off, and up to how many layers not."""

ONE_LAYER, NO_GAMMA, OTHER_RANGE = "one layer", "GD++ without its γ", "x ~ U(−1, 1)"
EXACT, EXACT_PLUS = "constructed", "constructed, GD++"
OFF, OFF_PLUS = "η larger by a millionth", "GD++, η larger by a millionth"
EXACT_LAYERS = 3


def _trials(preset: Preset) -> list[Trial]:
    half_width = RANGES[CODE]
    plans = [(1, False), *((k, recurrent) for recurrent in (True, False) for k in LAYERS)]
    return [
        linear_trial(half_width, preset, seed, layers, recurrent=recurrent)
        for layers, recurrent in plans
        for seed in preset.seeds
    ]


@torch.no_grad()
def _measure(group: LinearGroup, preset: Preset) -> pl.DataFrame:
    config, prompts = group.model.config, evaluation_prompts(group, preset.prompts)
    loss = half_squares(predictions(group.model, prompts), prompts)
    names = (RECURRENT, DEEP) if config.layers == 1 else (RECURRENT if config.recurrent else DEEP,)
    tables = [group.rows(arm="trained", method=name, layers=config.layers, loss=loss) for name in names]
    if config.layers == 1:
        # One layer in the place of K.
        tables += [group.rows(arm=ONE_LAYER, method=name, layers=k, loss=loss) for name in names for k in LAYERS]
        tables += _constructions(group, preset)
    if RECURRENT in names:
        tables += _searches(group, prompts, config.layers)
    published = PUBLISHED_STEPS if config.layers == 1 or config.recurrent else 10 * PUBLISHED_STEPS
    short = group.trials[0].training.steps < published
    # No longer training would make one layer two.
    return pl.concat(tables, how="diagonal").with_columns(short=pl.lit(short) & (pl.col("arm") == "trained"))


def predictions(
    model: LinearAttention, prompts: FunctionPrompts, *, most: float = MOST_ACTIVATION
) -> Float[Tensor, "run batch"]:
    """What layers say with activations cut off at ±``most``, from four layers on, as in the public code.

    So many layers are a polynomial of a degree so high in the prompt that single prompts would decide the mean error.
    Training does not cut them off: the model has no such setting.
    """
    layers = model.config.layers
    if layers <= UNCUT_LAYERS:
        return model.predict(prompts).output
    x, y = prompts.inputs, prompts.answers.clone()
    y[:, :, -1] = 0.0
    tokens, N = torch.cat([x, y[..., None]], dim=3), x.shape[2] - 1
    for layer in range(layers):
        own = 0 if model.config.recurrent else layer
        W_KQ, W_PV, context = model.W_KQ[:, own, None], model.W_PV[:, own, None], tokens[:, :, :-1]
        moved = tokens @ W_KQ.transpose(2, 3) @ (context.transpose(2, 3) @ context / N)
        tokens = (tokens + moved @ W_PV.transpose(2, 3)).clamp(-most, most)
    return model.config.output_sign * tokens[:, :, -1, -1]


def _searches(group: LinearGroup, prompts: FunctionPrompts, steps: int) -> list[pl.DataFrame]:
    """Losses of line-searched gradient descent and GD++ on the models' test prompts; each seed has its own search."""
    seeds, code, text = group.model.seeds, regression(RANGES[CODE]), regression(RANGES[TEXT])
    plain = [searched(code, seed, steps) for seed in seeds]
    plus = [searched(code, seed, steps, plus=True) for seed in seeds]

    def row(arm: str, method: str, rates: Sequence[theory.Rates], gamma: Sequence[theory.Rates] = ()) -> pl.DataFrame:
        losses = [
            theory.steps_loss(spectra_of(prompts, run), eta=rate.eta, steps=steps, gamma=rate.gamma)
            for run, rate in enumerate(rates)
        ]
        gammas = torch.tensor([rate.gamma for rate in gamma or rates])
        return group.rows(arm=arm, method=method, layers=steps, loss=torch.tensor(losses), gamma=gammas)

    tables = [row("trained", GD, plain), row("trained", PLUS, plus)]
    if steps == 1:
        return tables
    tables += [row(arm, GD, plain) for arm in (ONE_LAYER, NO_GAMMA)]
    tables += [row(ONE_LAYER, PLUS, plus), row(NO_GAMMA, PLUS, [rate._replace(gamma=0.0) for rate in plus])]
    if steps == K_OF_GAMMA:
        of_text = [searched(text, seed, steps, plus=True) for seed in seeds]
        tables.append(row(OTHER_RANGE, PLUS, plus, gamma=of_text))
    return tables


def _constructions(group: LinearGroup, preset: Preset) -> list[pl.DataFrame]:
    """Largest differences of constructed models of three layers from three steps, over the typical prediction."""
    task, seeds = task_of(group), group.model.seeds
    config = group.model.config.model_copy(update={"layers": EXACT_LAYERS, "recurrent": True})
    model = LinearAttention(seeds=seeds, configs=[config] * len(seeds), dtype=torch.float64)
    prompts = task.sampler(seeds, dtype=torch.float64).prompts(preset.prompts, purpose="construction")
    tables = []
    for arm, plus, factor in (
        (EXACT, False, 1.0),
        (OFF, False, 1 + 1e-6),
        (EXACT_PLUS, True, 1.0),
        (OFF_PLUS, True, 1 + 1e-6),
    ):
        rates = searched(task, 0, EXACT_LAYERS, plus=plus)
        theirs = descended(prompts, eta=rates.eta, steps=EXACT_LAYERS, gamma=rates.gamma)
        built = constructed(model, eta=rates.eta * factor, gamma=rates.gamma, length=task.length)
        apart = (built.predict(prompts).output - theirs).abs().amax(dim=1) / theirs.square().mean(dim=1).sqrt()
        tables.append(group.rows(arm=arm, difference=apart))
    return tables


def _ratio(rows: pl.DataFrame, method: str, other: str, *, may_be_short: bool = False) -> ForAll:
    """A method's loss over another's at every K, seed by seed.

    Where training was shorter than published that is an upper bound: more of it can only lower the loss.
    """
    deeper = rows.filter(pl.col("layers").is_in(LAYERS))
    of_method, of_other = (
        deeper.filter(pl.col("method") == name)
        .group_by("layers", "seed")
        .agg(pl.col("loss").mean(), pl.col("short").any())
        for name in (method, other)
    )
    joined = of_method.join(of_other, on=["layers", "seed"], suffix="_other")
    joined = joined.with_columns(ratio=pl.col("loss") / pl.col("loss_other"))

    def measure(part: pl.DataFrame, level: float) -> Interval:
        found = over_seeds(part, "ratio", level)
        return upper_bound(found, 0.0) if may_be_short and bool(part["short"].any()) else found

    return for_all(joined, "layers", measure)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    trained = rows.filter((pl.col("arm") == "trained") & pl.col("loss").is_not_nan())
    for index, method in enumerate(METHODS):
        points = summarise(trained.filter(pl.col("method") == method), "layers", "loss")
        if not points.is_empty():
            curve(ax, points["layers"], points["value"], points["low"], points["high"], label=method, index=index)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="layers, or steps, K", ylabel="½ squared error", ylim=(0, None))
    legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")

    def losses(method: str) -> str:
        of_method = trained.filter(pl.col("method") == method)
        values = [over_seeds(of_method.filter(pl.col("layers") == k), "loss").value for k in LAYERS]
        return ", ".join(f"{value:.3f}" for value in values)

    return (
        f"At K = {LAYERS[0]} to {LAYERS[-1]} the loss is {losses(GD)} for gradient descent, {losses(PLUS)} for GD++, "
        f"{losses(RECURRENT)} for trained layers that share weights and {losses(DEEP)} for layers with their own."
    )


_SOURCE = f"{PAPER}, Section 4, figure on several layers"
_EACH_K = f"at each K = {LAYERS[0]} … {LAYERS[-1]}"
_ONE_LAYER = Control("trained models of one layer in their place", ONE_LAYER)


def _exact(id: str, what: str, arm: str, off: str) -> Claim:
    return Claim(
        id=f"construction-{id}",
        form="exact",
        statement=f"{EXACT_LAYERS} constructed layers are {EXACT_LAYERS} steps of {what}.",
        source=f"{PAPER}, Proposition 1 and Section 4",
        quantity="largest difference of predictions over their root mean square, in float64",
        expected=Region(high=1e-12),
        reason="equal up to how sums of float64 are rounded",
        estimate=lambda rows: over_seeds(rows, "difference"),
        control=Control("the same with η larger by a millionth", off),
        arm=arm,
    )


EXPERIMENT = Experiment(
    name="deep",
    title="K layers against K steps",
    caption=(
        "Half the mean squared error of K layers of linear self-attention on x ~ U(−1/2, 1/2), with shared weights and with "
        "weights of their own, beside K steps of gradient descent and of GD++, whose rates (the same at every step) are "
        "searched for on 10⁴ tasks per seed. One layer is the same model under both names. Tested with activations cut off at 10 from "
        "four layers on, as in the public code. Shaded: 95 % intervals over seeds."
    ),
    position=30,
    trials=_trials,
    measure=_measure,
    claims=(
        _exact("gd", "gradient descent", EXACT, OFF),
        _exact("gd-plus-plus", "GD++", EXACT_PLUS, OFF_PLUS),
        Claim(
            id="deep-gd-plus-plus",
            form="published",
            statement="GD++ errs less than gradient descent.",
            source=_SOURCE,
            quantity=f"loss of GD++ over that of gradient descent, both line-searched, {_EACH_K}",
            expected=Region(high=0.95),
            reason="less, by more than what the two searches leave open",
            estimate=lambda rows: _ratio(rows, PLUS, GD),
            control=Control("GD++'s η without its γ", NO_GAMMA),
        ),
        Claim(
            id="deep-gamma",
            form="published",
            statement="The γ that the paper prints for N = 10 is the best one for the inputs of the public code.",
            source=f"{PAPER}, table of γ",
            quantity=f"γ found by line search on x ~ U(−1/2, 1/2), K = {K_OF_GAMMA}",
            expected=Region(0.9 * theory.PUBLISHED_GAMMA[10], 1.1 * theory.PUBLISHED_GAMMA[10]),
            reason=f"published {theory.PUBLISHED_GAMMA[10]:g}; a tenth, since the paper does not say for which K",
            estimate=lambda rows: over_seeds(
                rows.filter((pl.col("method") == PLUS) & (pl.col("layers") == K_OF_GAMMA)), "gamma"
            ),
            control=Control("line search on x ~ U(−1, 1), the range of the paper's text", OTHER_RANGE),
        ),
        Claim(
            id="deep-recurrent-gd",
            form="published",
            statement="Trained layers that share weights err no more than as many steps of gradient descent.",
            source=_SOURCE,
            quantity=f"loss after training over that of line-searched gradient descent, {_EACH_K}",
            expected=Region(high=1.0),
            reason="no more means at most 1",
            estimate=lambda rows: _ratio(rows, RECURRENT, GD, may_be_short=True),
            control=_ONE_LAYER,
        ),
        Claim(
            id="deep-recurrent-gd-plus-plus",
            form="published",
            statement="Trained layers that share weights come to the loss of GD++.",
            source=_SOURCE,
            quantity=f"loss after training over that of line-searched GD++, {_EACH_K}",
            expected=Region(high=1.05),
            reason="the paper's curves meet; short trainings give an upper bound only",
            estimate=lambda rows: _ratio(rows, RECURRENT, PLUS, may_be_short=True),
            control=_ONE_LAYER,
        ),
        Claim(
            id="deep-own-weights-gd",
            form="published",
            statement="Trained layers with weights of their own err no more than as many steps of gradient descent.",
            source=_SOURCE,
            quantity=f"loss after training over that of line-searched gradient descent, {_EACH_K}",
            expected=Region(high=1.0),
            reason="no more means at most 1",
            estimate=lambda rows: _ratio(rows, DEEP, GD, may_be_short=True),
            control=_ONE_LAYER,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(6.4, 4.0),
)
