"""What is trained for the figures of Zhang 2024 at each preset.

The paper's public summary gives sizes for GPT-2 alone; those of linear attention are ours. At ``quick`` d is 3, because
the noise of a prompt's gradient grows like d³ and two cores have seconds, not minutes, for a training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.claims.claim import UNTRAINED as UNTRAINED
from iclscope.claims.claim import UNTRAINED_TEXT as UNTRAINED_TEXT
from iclscope.models import LinearAttention, LinearAttentionConfig
from iclscope.papers.zhang2024.theory import Limit
from iclscope.study.experiment import Preset
from iclscope.tasks import LinearRegression
from iclscope.tasks.linear_regression import Matrix
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

PAPER = "Zhang et al. 2024"
LinearGroup = TrainedGroup[LinearAttention]
"""Trained linear attention."""

INITIAL_SCALE = 0.5
"""s; s²‖Γ‖√d, which must be below 2, is at most 1.5 over the plans below (the test of the plans says so)."""

TRAINING = "training"
"""The name under which the weights of a training are recorded."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the trainings of linear attention.

    Attributes:
        d: input dimension.
        length: N where there is one.
        lengths: N where the risk is compared across lengths, and where covariances are random.
        time: how long gradient flow is followed, in the units of the paper's flow.
        rate: the first step size η, which falls linearly to zero; small, so that the steps follow the flow.
        batch: prompts per step.
    """

    d: int
    length: int
    lengths: tuple[int, ...]
    time: float
    rate: float
    batch: int


PLANS = {
    "quick": Plan(d=3, length=10, lengths=(5, 10, 20), time=8.0, rate=0.01, batch=2048),
    "lab": Plan(d=5, length=20, lengths=(10, 20, 40), time=12.0, rate=0.004, batch=4096),
    "paper": Plan(d=10, length=40, lengths=(20, 40, 80), time=20.0, rate=0.001, batch=16384),
}


def plan_of(preset: Preset) -> Plan:
    """The sizes of a preset."""
    return PLANS[preset.name]


def covariance(d: int) -> Matrix:
    """Λ: eigenvalues from 3/4 to 5/4 along axes that are no coordinate's (ours), so that every entry of Γ⁻¹ is told apart."""
    reflection = np.eye(d) - 2 / d
    Lambda = reflection @ np.diag(np.linspace(0.75, 1.25, d)) @ reflection
    return tuple(tuple(row) for row in ((Lambda + Lambda.T) / 2).tolist())


def linear_task(d: int, length: int) -> LinearRegression:
    """Training prompts with the covariance of `covariance`."""
    return LinearRegression(d_X=d, length=length, inputs="gaussian", covariance=covariance(d))


def flow_trial(preset: Preset, seed: int, length: int) -> Trial:
    """A training that follows gradient flow on one covariance Λ, its weights recorded forty times on the way."""
    plan = plan_of(preset)
    # A step of size η on the mean squared error lasts 2η; with a rate that falls to zero the steps add up to rate·steps.
    return _trial(linear_task(plan.d, length), plan, seed, steps=round(plan.time / plan.rate), record=True)


def one_covariance_trial(preset: Preset, seed: int, length: int) -> Trial:
    """A training on Λ = I with twice the step and half the prompts: of these the end alone is looked at."""
    plan = plan_of(preset)
    task = LinearRegression(d_X=plan.d, length=length, inputs="gaussian")
    rougher = Plan(**{**vars(plan), "rate": 2 * plan.rate, "batch": plan.batch // 2})
    return _trial(task, rougher, seed, steps=round(plan.time / rougher.rate), record=False)


def random_covariance_trial(preset: Preset, seed: int, length: int) -> Trial:
    """A training where every prompt has a diagonal covariance of its own, Exp(1).

    The flow takes a quarter of the time. Steps are half as large: with entries of Λ far in the tail of Exp(1) single prompts
    have gradients so large that a larger step can throw a run far off.
    """
    plan = plan_of(preset)
    task = LinearRegression(d_X=plan.d, length=length, inputs="gaussian", covariance="exponential")
    finer = Plan(**{**vars(plan), "rate": plan.rate / 2})
    return _trial(task, finer, seed, steps=round(plan.time / 4 / finer.rate), record=False)


def _trial(task: LinearRegression, plan: Plan, seed: int, *, steps: int, record: bool) -> Trial:
    recorded = Evaluation(on={TRAINING: task}, probes=("weights",), every=max(1, steps // 40), prompts=1)
    return Trial(
        task=task,
        model=LinearAttentionConfig(d_X=task.d_X, query_in_context=True, initial="zhang", initial_scale=INITIAL_SCALE),
        training=Training(
            loss="squared",
            learning_rate=plan.rate,
            rate_decay=True,
            steps=steps,
            batch_size=plan.batch,
            precision="double",
        ),
        evaluation=recorded if record else Evaluation(),
        seed=seed,
    )


def regression_of(group: LinearGroup) -> LinearRegression:
    """The task that all runs of a group are trained on."""
    return cast("LinearRegression", group.trials[0].task)


def blocks(W_KQ: Float[Tensor, "*runs d d"], W_PV: Float[Tensor, "*runs d d"]) -> tuple[Tensor, Tensor]:
    """U, the x-block of W_KQ, and u, the last entry of W_PV."""
    return W_KQ[..., :-1, :-1], W_PV[..., -1, -1]


def with_limit(model: LinearAttention, limit: Limit) -> LinearAttention:
    """The same runs with the weights of a limit."""
    W_KQ, W_PV = (
        torch.from_numpy(weight).expand(model.run_count, 1, -1, -1).clone() for weight in (limit.W_KQ, limit.W_PV)
    )
    return model.with_weights(W_KQ, W_PV)


def first_training(preset: Preset) -> Trial:
    """One layer of linear attention on Gaussian inputs of unit covariance, which sweeps start from."""
    return one_covariance_trial(preset, 0, plan_of(preset).length)
