"""Losses that models are trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from iclscope.core.errors import require
from iclscope.tasks import Task
from iclscope.tasks.prompts import TrainingPrompts

LossName = Literal["hinge", "squared"]


def hinge_loss(
    output: Float[Tensor, "run batch *points"], labels: Float[Tensor, "run batch *points"]
) -> Float[Tensor, "run batch *points"]:
    """max{0, 1 − z·F(Ψ; P)} per prediction (Li 2024, Section 2); z is the query's label."""
    return (1 - labels * output).relu()


def squared_loss(
    output: Float[Tensor, "run batch *points"], labels: Float[Tensor, "run batch *points"]
) -> Float[Tensor, "run batch *points"]:
    """(output − label)² per prediction (Garg 2022, Section 2.1)."""
    return (output - labels).square()


def mean_loss(losses: Float[Tensor, "run batch *points"], prompts: TrainingPrompts) -> Float[Tensor, " run"]:
    """Each run's mean loss: all prompts alike, or by their probabilities where a batch has them."""
    weights: Tensor | None = getattr(prompts, "weights", None)
    if weights is None:
        return losses.flatten(1).mean(dim=1)
    return (losses.flatten(2).mean(dim=2) * weights).sum(dim=1)


LOSSES: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {"hinge": hinge_loss, "squared": squared_loss}


def check_loss(loss: LossName, task: Task) -> None:
    """Refuse a loss that a task's answers have no meaning under: hinge asks for labels of ±1.

    Raises:
        BadRequest: naming the losses that have.
    """
    signs = not task.real_answers
    require(loss == "squared" or signs, "loss", loss, "squared, where answers are real numbers")
