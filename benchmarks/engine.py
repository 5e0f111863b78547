"""The library's training step as the loop takes it, for measuring: 16 runs a group, one group a thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from plain import BATCH

import iclscope as icl
from iclscope.training.gradients import gradients_of
from iclscope.training.losses import hinge_loss
from iclscope.training.optimizers import SGD, UpdateRule

WIDTH, RUNS = 200, 16


def group_step(
    task: icl.tasks.PatternClassification, *, width: int = WIDTH, runs: int = RUNS, batch: int = BATCH, first: int = 0
) -> Callable[[int], torch.Tensor]:
    """One step of SGD of a group of runs, seeds ``first``, ``first + 1``, …; it returns their losses."""
    seeds = range(first, first + runs)
    model = icl.models.SoftmaxReLUTransformer(d_X=task.d_X, d_Y=task.d_Y, width=width, seeds=seeds)
    gradients = gradients_of(
        model, task.sampler(seeds), loss=hinge_loss, batch_size=batch, rule=UpdateRule(), weights=model.state_dict(),
        own_state={}, autograd=False,
    )  # fmt: skip
    optimizer = SGD(gradients.parameters, torch.ones(runs))

    def step(number: int) -> torch.Tensor:
        losses, slopes = gradients.at(number)
        optimizer.step(slopes, 1.0)
        return losses

    return step


def side_by_side(steps: list[Callable[[int], torch.Tensor]]) -> Callable[[int, int], torch.Tensor]:
    """Many steps of several groups, a thread each, as a sweep trains them: (first step, how many) → last losses."""

    def all_of(one: Callable[[int], torch.Tensor], begin: int, count: int) -> torch.Tensor:
        for number in range(begin, begin + count):
            losses = one(number)
        return losses

    def run(begin: int, count: int) -> torch.Tensor:
        with ThreadPoolExecutor(len(steps)) as pool:
            return torch.cat(list(pool.map(lambda one: all_of(one, begin, count), steps)))

    return run
