"""Hinge risk and classification error, always both: the theorems speak of the first, the figures show the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.errors import require
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternClassification, PatternSampler
from iclscope.tasks.prompts import Prompts
from iclscope.threads import one_thread_per_operation
from iclscope.training.losses import hinge_loss

EVALUATION_PURPOSE = "evaluation"
_COLUMNS_AT_ONCE = 400_000


class Risks(NamedTuple):
    """How wrong each run is.

    Attributes:
        hinge_risk: mean of max{0, 1 − z·F}.
        classification_error: share of prompts with sign F ≠ z; F = 0 counts half, as a coin would.
    """

    hinge_risk: Float[Tensor, " run"]
    classification_error: Float[Tensor, " run"]


def risks_of(output: Float[Tensor, "run batch"], labels: Float[Tensor, "run batch"]) -> Risks:
    """Both risks of given outputs."""
    hinge = hinge_loss(output, labels).double().mean(dim=1)
    # The sign of NaN is 0 to PyTorch, which would look like chance.
    error = (0.5 * (1 - torch.sign(output * labels))).masked_fill(output.isnan(), torch.nan).double().mean(dim=1)
    return Risks(hinge, error)


@torch.no_grad()
def risks_on(
    model: SoftmaxReLUTransformer, prompts: Prompts, *, neurons: Bool[Tensor, "run width"] | None = None
) -> Risks:
    """Both risks on given prompts.

    Args:
        model: the runs.
        prompts: a batch per run.
        neurons: which MLP neurons to keep; None keeps all.
    """
    return risks_of(model.predict(prompts, neurons=neurons).output, prompts.labels)


@one_thread_per_operation()
def evaluate(
    model: SoftmaxReLUTransformer,
    task: PatternClassification | Sequence[PatternClassification],
    *,
    prompts: int = 4096,
    seeds: Sequence[int] | None = None,
    neurons: Bool[Tensor, "run width"] | None = None,
) -> Risks:
    """Both risks of every run on fresh prompts, which no training has seen.

    Args:
        model: the runs.
        task: what to test on, the same for all runs or one per run.
        prompts: test prompts per run.
        seeds: the seeds that patterns and prompts belong to; None: those of the model.
        neurons: which MLP neurons to keep; None keeps all.

    Raises:
        BadRequest: if the task's dimensions are not the model's, or its patterns not those trained on.
    """
    tasks = [task] * model.run_count if isinstance(task, PatternClassification) else list(task)
    require(prompts >= 1, "prompts", prompts, "at least 1")
    known = model.patterns
    require(
        known in (None, (tasks[0].M1, tasks[0].M2)),
        "(M1, M2) of the task",
        (tasks[0].M1, tasks[0].M2),
        f"{known}, those trained on: another number of patterns means other patterns",
    )
    model.check_dimensions(tasks[0].d_X, tasks[0].d_Y)
    sampler = PatternSampler(tasks, seeds or model.seeds, dtype=model.W_O.dtype, device=model.W_O.device)
    # In parts, so that memory stays small for long contexts; the parts do not depend on the number of runs.
    part = max(1, min(prompts, _COLUMNS_AT_ONCE // (tasks[0].length_range[1] * 16)))
    hinge = torch.zeros(model.run_count, dtype=torch.float64, device=model.W_O.device)
    error = torch.zeros_like(hinge)
    done = 0
    while done < prompts:
        size = min(part, prompts - done)
        risks = risks_on(model, sampler.prompts(size, purpose=EVALUATION_PURPOSE, step=done), neurons=neurons)
        hinge += risks.hinge_risk * size
        error += risks.classification_error * size
        done += size
    return Risks(hinge / prompts, error / prompts)
