"""The population gradient three ways: enumeration of all prompts, training with their probabilities, sampled batches."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from jaxtyping import Float64
from matplotlib.figure import Figure
from torch import Tensor

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import over_seeds, signed, slope_of, summarise
from iclscope.mechanism import feature_scores
from iclscope.models.softmax_attention import SoftmaxAttention
from iclscope.papers.huang2024.rows import draw_column, feature_rows, sampler_of, trajectory_of
from iclscope.papers.huang2024.settings import CONTEXTS, SET_UP, FeatureGroup, feature_trial, task_of
from iclscope.papers.huang2024.theory import population_gradient
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import OrthonormalFeatures
from iclscope.tasks.orthonormal_features import Expectation, FeatureSampler
from iclscope.training.losses import mean_loss, squared_loss
from iclscope.training.trial import Trial

TASK = OrthonormalFeatures(K=4, d_X=6, length=8, dominant=0.4, expectation="exact")
STEPS, EVERY = 300, 10
PLACES = (0.0, 0.5, 1.0)
"""Where in the training gradients are compared, as shares of its records."""
REPEATS = 12
BATCHES = {
    "quick": (16, 64, 256, 1024, 4096),
    "lab": (16, 64, 256, 1024, 4096, 16384),
    "paper": (16, 64, 256, 1024, 4096, 16384, 65536),
}
SINGLE, COUNTS = "single prompts", "contexts with every query and w"
EXACT, SAMPLED = "trained", "trained on samples"

LONGER = Control("enumeration of prompts that are one example longer", "one example longer")
OTHERS = Control("batches in which another feature is dominant, whose gradient is another", "other dominant")


def _trials(preset: Preset) -> list[Trial]:
    exact = [
        feature_trial(seed, TASK, steps=STEPS, every=EVERY, precision="double", batch_size=1) for seed in preset.seeds
    ]
    sampled = TASK.replace(expectation="sampled")
    return exact + [
        feature_trial(seed, sampled, steps=STEPS, every=EVERY, batch_size=256, contexts=2048) for seed in preset.seeds
    ]


def _gradient(
    model: SoftmaxAttention, sampler: FeatureSampler, batch: int, purpose: str = "gradient", step: int = 0
) -> Float64[Tensor, "run d d"]:
    """The gradient that training would follow on one batch."""
    prompts = sampler.prompts(batch, purpose=purpose, step=step)
    loss = mean_loss(squared_loss(model.predict(prompts).output, prompts.labels), prompts)
    return torch.autograd.grad(loss.sum(), model.Q)[0]


def _measure(group: FeatureGroup, preset: Preset) -> pl.DataFrame:
    task = task_of(group.trials[0])
    arm = EXACT if task.expectation == "exact" else SAMPLED
    found = trajectory_of(group)
    parts = [
        feature_rows(group, found, arm=arm, feature=name).with_columns(what=pl.lit("way"))
        for name in ("first", "others")
    ]
    if arm == EXACT:
        parts += [_against_enumeration(group), *_against_samples(group, preset)]
    return pl.concat(parts, how="diagonal")


def _places(group: FeatureGroup) -> list[SoftmaxAttention]:
    """The models at a few places of the training."""
    recorded = group.trajectory[f"{CONTEXTS}/Q"].double().cpu()
    models = []
    for place in PLACES:
        model = SoftmaxAttention(seeds=group.model.seeds, configs=group.model.configs, dtype=torch.float64)
        model.load_state_dict({"Q": recorded[:, round(place * (recorded.shape[1] - 1))]})
        models.append(model)
    return models


def _against_enumeration(group: FeatureGroup) -> pl.DataFrame:
    """Largest difference to the enumeration in numpy, relative to the largest entry; at the worst place."""
    sampler, task = sampler_of(group), task_of(group.trials[0])
    p = task.feature_probabilities
    worst = {EXACT: np.zeros(group.model.run_count), LONGER.arm: np.zeros(group.model.run_count)}
    for model in _places(group):
        own = feature_scores(_gradient(model, sampler, 1)[:, None], sampler.features)[:, 0].mT.numpy()
        scores = feature_scores(model.Q.detach()[:, None], sampler.features)[:, 0].mT.numpy()
        for run in range(group.model.run_count):
            for arm, length in ((EXACT, task.length), (LONGER.arm, task.length + 1)):
                other = population_gradient(scores[run], p, length)
                difference = float(np.abs(own[run] - other).max() / np.abs(other).max())
                worst[arm][run] = np.fmax(worst[arm][run], difference) if np.isfinite(difference) else np.nan
    return pl.concat(
        group.rows(arm=arm, what="difference", difference=torch.from_numpy(values)) for arm, values in worst.items()
    )


def _against_samples(group: FeatureGroup, preset: Preset) -> list[pl.DataFrame]:
    """Relative error of sampled gradients: norm of the error over that of the exact ones, over all places and repeats."""
    sampler, seeds = sampler_of(group), [trial.seed for trial in group.trials]
    reversed_order = TASK.replace(dominant=None, probabilities=TASK.feature_probabilities[::-1])
    sampled: list[tuple[str, str, Expectation, OrthonormalFeatures]] = [
        (EXACT, SINGLE, "sampled", TASK),
        (EXACT, COUNTS, "counts", TASK),
        (OTHERS.arm, SINGLE, "sampled", reversed_order),
    ]
    models = _places(group)
    exact = [_gradient(model, sampler, 1) for model in models]
    size = sum(truth.square().sum(dim=(1, 2)) for truth in exact)
    tables = []
    for arm, method, expectation, task in sampled:
        drawn = task.replace(expectation=expectation).sampler(seeds, dtype=torch.float64)
        for batch in BATCHES[preset.name]:
            squares = torch.zeros(len(seeds), dtype=torch.float64)
            for place, (model, truth) in enumerate(zip(models, exact, strict=True)):
                for repeat in range(REPEATS):
                    off = _gradient(model, drawn, batch, step=place * REPEATS + repeat) - truth
                    squares += off.square().sum(dim=(1, 2)) / REPEATS
            error = (squares / size).sqrt()
            tables.append(group.rows(arm=arm, what="sampling", method=method, batch=float(batch), error=error))
    return tables


def _slope_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter((pl.col("what") == "sampling") & (pl.col("method") == SINGLE))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    way, sampling = figure.subplots(1, 2)
    for index, (name, text) in enumerate((("first", "dominant feature, $A_1$"), ("others", "rare ones, $A_k$"))):
        chosen = rows.filter(pl.col("feature") == name)
        draw_column(way, chosen.filter(pl.col("arm") == SAMPLED), "own_score", label=f"{text}", index=index)
        exact = summarise(
            chosen.filter((pl.col("arm") == EXACT) & pl.col("own_score").is_not_nan()), "step", "own_score"
        )
        if not exact.is_empty():
            reference_curve(way, exact["step"], exact["value"], label="exact" if index else None)
    trained = rows.filter((pl.col("arm") == EXACT) & (pl.col("what") == "sampling") & pl.col("error").is_not_nan())
    for index, (method, at) in enumerate(((SINGLE, 2), (COUNTS, 3))):
        points = summarise(trained.filter(pl.col("method") == method), "batch", "error")
        if points.is_empty():
            continue
        curve(sampling, points["batch"], points["value"], points["low"], points["high"], label=method, index=at)
        first = points["value"][0] * points["batch"][0] ** 0.5
        rate = "∝ $B^{-1/2}$" if index == 0 else None
        reference_curve(sampling, points["batch"], [first / b**0.5 for b in points["batch"]], label=rate)
    way.set(xlabel="training step", ylabel="own score")
    sampling.set(xlabel="batch size B", ylabel="relative error of the gradient")
    if not trained.is_empty():  # a logarithmic axis of nothing cannot be drawn
        sampling.set(xscale="log", yscale="log")
    legend(way)
    legend(sampling)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == EXACT)
    difference = over_seeds(trained.filter(pl.col("what") == "difference"), "difference").value
    slope = slope_of(_slope_rows(trained), "batch", "error").value
    last = max(trained["batch"].drop_nulls().to_list())
    at_last = trained.filter(pl.col("batch") == last)
    single, counts = (over_seeds(at_last.filter(pl.col("method") == m), "error").value for m in (SINGLE, COUNTS))
    return (
        f"Training with all prompts' probabilities and the plain enumeration differ by {difference:.1e} of the gradient; the "
        f"error of {last:.0f} single prompts is {single:.3f} of it, of as many contexts with every query and w {counts:.4f}, "
        f"slope against the batch size {signed(slope)}."
    )


EXPERIMENT = Experiment(
    name="gradient",
    title="The population gradient, exact and sampled",
    caption=(
        "Left: own scores trained on the exact population gradient (all feature counts with their probabilities, K = 4, "
        "N = 8, p_1 = 0.4) and on fresh batches of 256 single prompts. Right: error of the gradient on a batch, relative to "
        "the exact one, over three places of the training, for single prompts (query and w drawn) and for contexts with every "
        "query and w. Shaded: 95 % intervals over seeds; exact training has no randomness but the features' basis, so its own "
        "show rounding only."
    ),
    position=30,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="gradient-exact",
            form="exact",
            statement="The population gradient of training equals the enumeration of all prompts.",
            source=f"{SET_UP}; the comparison is ours",
            quantity="largest difference of the two gradients over the largest entry, at the worst of three places",
            expected=Region(high=1e-10),
            reason="float64 rounding, with room for sums of 165 prompts",
            estimate=lambda rows: over_seeds(rows.filter(pl.col("what") == "difference"), "difference"),
            control=LONGER,
        ),
        Claim(
            id="gradient-sampled",
            form="exact",
            statement="Gradients of fresh batches agree with the exact one within Monte Carlo error.",
            source=f"{SET_UP}; the comparison is ours",
            quantity="log-log slope of the relative error against the batch size",
            expected=Region(-0.6, -0.4),
            reason="a sampled mean without bias errs by B^(−1/2); any bias would flatten the curve",
            estimate=lambda rows: slope_of(_slope_rows(rows), "batch", "error"),
            control=OTHERS,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(9.0, 3.5),
)
