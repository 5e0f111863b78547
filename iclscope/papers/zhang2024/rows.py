"""What models answer on test prompts, for the figures of Zhang 2024."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import LinearAttention
from iclscope.papers.zhang2024.settings import LinearGroup
from iclscope.plotting.style import COLOURS, GROUND, MARKERS
from iclscope.tasks import FunctionClass, LinearRegression

_PROMPTS_AT_ONCE = 2048


class Answers(NamedTuple):
    """Predictions at the query, and what they should be.

    Attributes:
        output: predictions of each model.
        value: ⟨w, x_q⟩.
    """

    output: Float[Tensor, "model run prompt"]
    value: Float[Tensor, "run prompt"]


@one_thread_per_operation()
@torch.no_grad()
def answers_of(models: list[LinearAttention], task: LinearRegression | FunctionClass, prompts: int) -> Answers:
    """What models of the same runs say on the same fresh prompts.

    Args:
        models: each with the same seeds.
        task: what to test on.
        prompts: how many per run.
    """
    first = models[0]
    sampler = task.sampler(first.seeds, dtype=first.dtype, device=first.device)
    outputs, values = [], []
    for step, start in enumerate(range(0, prompts, _PROMPTS_AT_ONCE)):
        size = min(_PROMPTS_AT_ONCE, prompts - start)
        batch = sampler.prompts(size, purpose=EVALUATION_PURPOSE, step=step)
        outputs.append(torch.stack([model.predict(batch).output for model in models]))
        values.append(batch.labels)
    return Answers(torch.cat(outputs, dim=2), torch.cat(values, dim=1))


def slope_on_values(output: Float[Tensor, "run prompt"], value: Float[Tensor, "run prompt"]) -> Float[Tensor, " run"]:
    """Slope of predictions on ⟨w, x_q⟩, least squares through 0."""
    return (output * value).sum(dim=1) / value.square().sum(dim=1)


def measured_points(ax: Axes, points: pl.DataFrame, by: str, *, label: str | None, index: int) -> None:
    """Markers with 95 % intervals and no line between them, where a curve of theory joins them.

    Args:
        ax: where to draw.
        points: what `summarise` gives.
        by: the abscissa.
        label: text in the legend; None for none.
        index: which colour and marker, counted from 0.
    """
    value = points["value"].to_numpy()
    ends = [
        np.clip(np.nan_to_num(np.abs(points[end].to_numpy() - value), posinf=0.0), 0, None) for end in ("low", "high")
    ]
    ax.errorbar(
        points[by],
        value,
        yerr=ends,
        linestyle="none",
        marker=MARKERS[index % len(MARKERS)],
        color=COLOURS[index % len(COLOURS)],
        markeredgecolor=GROUND,
        markeredgewidth=0.7,
        elinewidth=1.2,
        capsize=2.5,
        label=label,
    )


class MeanError(NamedTuple):
    """Mean squared errors over prompts.

    Attributes:
        mean: of each run.
        standard_error: of the mean.
    """

    mean: Float[Tensor, " run"]
    standard_error: Float[Tensor, " run"]


def mean_error(output: Float[Tensor, "run prompt"], value: Float[Tensor, "run prompt"]) -> MeanError:
    """Mean of (ŷ − ⟨w, x_q⟩)² over prompts."""
    errors = (output - value).square()
    return MeanError(errors.mean(dim=1), errors.std(dim=1) / math.sqrt(errors.shape[1]))


def products_of(group: LinearGroup, model: LinearAttention) -> Float[Tensor, "run d d"]:
    """u·U of each run, NaN where it diverged."""
    product = model.W_PV[:, 0, -1, -1, None, None] * model.W_KQ[:, 0, :-1, :-1]
    gone = torch.tensor(group.diverged_at, device=product.device) >= 0
    return product.detach().masked_fill(gone[:, None, None], torch.nan)
