"""GPT-2 on random covariances, and on more examples than it was trained on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from iclscope.claims.bootstrap import BootstrapMeans, bootstrap_means
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import over_seeds
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import GPT2Transformer, GPT2TransformerConfig
from iclscope.papers.zhang2024.settings import PAPER
from iclscope.plotting.style import curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks import FunctionClass, LinearRegression
from iclscope.training.schedules import Curriculum
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Training, Trial

IDENTITY = "Λ = I"
FACTORS = (1, 4, 9)
TESTS = (IDENTITY, *(f"{c}·diag(Exp(1))" for c in FACTORS))
WITHIN = "within training"
LEAST_RISE = 0.05
PUBLISHED_STEPS = 500_000
"""Of Garg's recipe."""


class Sizes(NamedTuple):
    """Sizes of the trainings and tests of a preset.

    Attributes:
        d: input dimension.
        lengths: N, the most examples in training.
        model: size of GPT-2 (Garg 2022, Appendix A.1).
        together: random covariances per test, and prompts for each; 64 are published.
    """

    d: int
    lengths: tuple[int, ...]
    model: str
    together: int


SIZES = {
    "quick": Sizes(2, (6,), "tiny", 48),
    "lab": Sizes(5, (10, 20), "small", 64),
    "paper": Sizes(20, (40, 70, 100), "standard", 64),
}


def _training(preset: Preset, length: int) -> Training:
    """Garg's recipe; shorter but at ``paper``."""
    common: dict[str, Any] = {"optimizer": "adam", "loss": "squared", "batch_size": 64}
    if preset.is_paper:
        # Dimensions and examples grow together until both are there (Garg 2022, Appendix A.2).
        curriculum = Curriculum(every=2000, length_added=max(1, round((length - 10) / 15)))
        return Training(**common, learning_rate=1e-4, steps=PUBLISHED_STEPS, schedule=curriculum)
    if preset.name == "quick":  # of two dimensions a curriculum has none to leave out
        return Training(**common, learning_rate=2e-3, rate_decay=True, steps=1000)
    curriculum = Curriculum(dimensions=3, length=6, every=500, length_added=2)
    return Training(**common, learning_rate=5e-4, rate_decay=True, steps=25_000, schedule=curriculum)


def _trials(preset: Preset) -> list[Trial]:
    d, lengths, size, _ = SIZES[preset.name]
    return [
        Trial(
            task=FunctionClass(d_X=d, length=length),
            # Positions for twice as many examples; those behind the training prompts are never trained.
            model=GPT2TransformerConfig.of_size(size, d_X=d, positions=2 * (2 * length + 1)),
            training=_training(preset, length),
            seed=seed,
        )
        for seed in preset.seeds
        for length in lengths
    ]


def _measure(group: TrainedGroup[GPT2Transformer], preset: Preset) -> pl.DataFrame:
    trained_on, together = group.trials[0].functions, SIZES[preset.name].together
    d, N = trained_on.d_X, trained_on.length
    plain = LinearRegression(d_X=d, length=2 * N, inputs="gaussian")
    tests = {IDENTITY: plain}
    for c, name in zip(FACTORS, TESTS[1:], strict=True):
        tests[name] = plain.replace(covariance="exponential", prompts_per_covariance=together, x_scale=math.sqrt(c))
    tables = []
    for name, test in tests.items():
        tables.append(_rows(group, name, _errors(group.model, test, together), N))
    return pl.concat(tables)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """The errors after N/2 and N examples as if they were those after N and 2N: all within the training prompts."""
    within = rows.filter((pl.col("M") == pl.col("N") // 2) | (pl.col("M") == pl.col("N")))
    # More training would not make these errors rise.
    doubled = pl.when(pl.col("M") == pl.col("N")).then(2 * pl.col("N")).otherwise(pl.col("N"))
    return within.with_columns(arm=pl.lit(WITHIN), M=doubled)


@one_thread_per_operation()
@torch.no_grad()
def _errors(model: GPT2Transformer, test: LinearRegression, together: int) -> Float[Tensor, "run covariance points"]:
    """Mean error of the prompts of each covariance after 0, 1, … examples.

    Divided by the mean of ⟨w, x⟩² over the same prompts, so that predicting 0 scores exactly 1 at every length.
    """
    sampler = test.sampler(model.seeds, dtype=model.dtype, device=model.device)
    batch = sampler.prompts(together**2, purpose=EVALUATION_PURPOSE)
    prompts = replace(batch, predict_at_every_point=True)
    scale = prompts.labels.square().mean(dim=1, keepdim=True)
    errors: Tensor = (model.predict(prompts).output - prompts.labels).square() / scale
    return errors.reshape(len(errors), together, together, -1).mean(dim=2)


def _rows(
    group: TrainedGroup[GPT2Transformer], test: str, errors: Float[Tensor, "run covariance points"], N: int
) -> pl.DataFrame:
    """One row per run and number of examples; bootstrap intervals over covariances, whose prompts belong together."""
    tables = []
    for run, one in enumerate(errors.double().cpu().numpy()):
        gone = group.diverged_at[run] >= 0
        means = BootstrapMeans(*np.full((4, one.shape[1]), math.nan)) if gone else bootstrap_means(one)
        tables.append(
            pl.DataFrame(
                {
                    "arm": "trained",
                    "seed": group.trials[run].seed,
                    "diverged_at": group.diverged_at[run] if gone else None,
                    "test": test,
                    "N": N,
                    "M": list(range(one.shape[1])),
                    "error": means.value.tolist(),
                    "low": means.low.tolist(),
                    "high": means.high.tolist(),
                },
                schema_overrides={"diverged_at": pl.Int64, "M": pl.Int64, "N": pl.Int64},
            )
        )
    return pl.concat(tables)


def _rise(rows: pl.DataFrame) -> Interval:
    """Per seed, the error after 2N examples less that after N, at the train length where it rises least."""
    plain = rows.filter(pl.col("test") == IDENTITY).sort("seed", "N", "M")
    rises = []
    for _, of_seed in plain.group_by("seed", maintain_order=True):
        each = [
            float(of_length.filter(pl.col("M") == 2 * N)["error"][0] - of_length.filter(pl.col("M") == N)["error"][0])
            for (N,), of_length in of_seed.group_by("N", maintain_order=True)
        ]
        rises.append(math.nan if any(math.isnan(rise) for rise in each) else min(each))
    return mean_interval(rises)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    lengths = sorted(rows["N"].unique())
    axes = figure.subplots(1, len(lengths), sharey=True, squeeze=False)[0]
    trained = rows.filter((pl.col("arm") == "trained") & pl.col("error").is_not_nan())
    for ax, N in zip(axes, lengths, strict=True):
        for index, test in enumerate(TESTS):
            points = (
                trained.filter((pl.col("test") == test) & (pl.col("N") == N))
                .group_by("M")
                .agg(pl.col("error").mean(), pl.col("low").min(), pl.col("high").max())
                .sort("M")
            )
            curve(ax, points["M"], points["error"], points["low"], points["high"], label=test, index=index)
        reference_line(ax, N, vertical=True, label="longest training prompt N")
        reference_line(ax, 1.0)
        ax.set(xlabel=f"examples M (N = {N})", ylim=(0, 1.6))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("squared error, 1 = predicting 0")
    legend(axes[-1], outside=True)


def _finding(rows: pl.DataFrame) -> str:
    N = int(rows["N"].min())  # type: ignore[arg-type]
    trained = rows.filter((pl.col("arm") == "trained") & (pl.col("N") == N))
    at = {
        M: over_seeds(trained.filter((pl.col("test") == IDENTITY) & (pl.col("M") == M)), "error").value
        for M in (N, 2 * N)
    }
    others = [
        over_seeds(trained.filter((pl.col("test") == test) & (pl.col("M") == N)), "error").value for test in TESTS[1:]
    ]
    return (
        f"Trained on {N} examples, GPT-2 errs {at[N]:.2f} after {N} and {at[2 * N]:.2f} after {2 * N} on Λ = I; after {N} on "
        f"random covariances {others[0]:.2f}, {others[1]:.2f} and {others[2]:.2f} at c = 1, 4 and 9."
    )


EXPERIMENT = Experiment(
    name="gpt2-covariances",
    title="GPT-2 on random covariances and longer prompts",
    caption=(
        "Squared error of GPT-2, trained on linear functions with x ~ N(0, I) by the recipe of Garg et al. 2022, against the "
        "number of in-context examples M: on Λ = I and on diagonal covariances with entries c·Exp(1). Behind the dotted "
        "line prompts are longer than any in training; positions are absolute there and were never trained. Errors are divided by "
        "the mean of ⟨w, x⟩². Shaded: from the lowest to the highest end of the seeds' 90 % bootstrap intervals over covariances."
    ),
    position=60,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="gpt2-beyond-training",
            form="published",
            statement="GPT-2's error rises where prompts are longer than those it was trained on.",
            source=f"{PAPER}, Section 4.3 and Appendix E, experiments with GPT-2",
            quantity="error after 2N examples less that after N, Λ = I, predicting 0 scores 1",
            expected=Region(low=LEAST_RISE),
            reason="a twentieth of predicting 0 (ours)",
            estimate=_rise,
            control=Control("the same from N/2 to N examples, within the training prompts", WITHIN),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.8),
    controls=_controls,
)
