"""What the figures of von Oswald 2023 measure alike: prompts, gradient descent on them, losses, constructed models."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import LinearAttention
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.papers.vonoswald2023.settings import LINE_SEARCH_TASKS, TEST, LinearGroup, task_of
from iclscope.tasks import LinearRegression
from iclscope.tasks.function_classes import FunctionPrompts


def evaluation_prompts(group: LinearGroup, prompts: int, task: LinearRegression | None = None) -> FunctionPrompts:
    """Prompts of each seed that no training has seen.

    Args:
        group: the models.
        prompts: how many per seed.
        task: what to test on; None: what was trained on.
    """
    chosen, model = task or task_of(group), group.model
    sampler = chosen.sampler(model.seeds, dtype=model.dtype, device=model.device)
    drawn: FunctionPrompts = sampler.prompts(prompts, purpose=EVALUATION_PURPOSE)
    return drawn


def descended(
    prompts: FunctionPrompts, *, eta: float, steps: int = 1, gamma: float = 0.0
) -> Float[Tensor, "run batch"]:
    """What K steps of gradient descent, or of GD++, predict at the queries."""
    x, y = prompts.inputs[:, :, :-1], prompts.answers[:, :, :-1]
    return theory.gradient_descent(x, y, prompts.inputs[:, :, -1], eta=eta, steps=steps, gamma=gamma)


def half_squares(predictions: Float[Tensor, "run batch"], prompts: FunctionPrompts) -> Float[Tensor, " run"]:
    """Half the mean squared error of each run."""
    return (predictions - prompts.labels).double().square().mean(dim=1) / 2


def constructed(model: LinearAttention, *, eta: float, gamma: float = 0.0, length: int) -> LinearAttention:
    """The same runs with the weights of gradient descent, or of GD++, in every layer."""
    weights = theory.construction(d_X=model.config.d_X, eta=eta, gamma=gamma, length=length)
    return model.with_weights(weights.W_KQ.expand_as(model.W_KQ), weights.W_PV.expand_as(model.W_PV))


def recorded_models(group: LinearGroup) -> Iterator[tuple[int, LinearAttention]]:
    """The models at every recorded step; weights are NaN once a run has diverged."""
    W_KQ, W_PV = (group.trajectory[f"{TEST}/{name}"].to(group.model.device) for name in ("W_KQ", "W_PV"))
    for index, step in enumerate(group.recorded_at):
        yield step, group.model.with_weights(W_KQ[:, index], W_PV[:, index])


def spectra_of(prompts: FunctionPrompts, run: int) -> theory.Spectra:
    """What K steps need to know of one run's tasks, which must have d examples or more and no noise."""
    inputs = prompts.inputs[run].double().cpu()
    weights = torch.linalg.lstsq(inputs, prompts.values[run].double().cpu()[..., None]).solution[..., 0]
    return theory.spectra(inputs[:, :-1], weights, inputs[:, -1])


def searched(task: LinearRegression, seed: int, steps: int, *, plus: bool = False) -> theory.Rates:
    """The best rates of K steps, by line search over 10⁴ tasks of one seed that nothing else sees."""
    prompts = task.sampler([seed], dtype=torch.float64).prompts(LINE_SEARCH_TASKS, purpose="line search")
    return theory.line_search(spectra_of(prompts, 0), steps=steps, plus=plus)
