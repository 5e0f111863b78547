"""What GPT-2 of Zhang 2024 is trained and tested on, and how much it errs there beside what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.baselines.regression import least_squares
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import GPT2Transformer, GPT2TransformerConfig
from iclscope.models.initial_gpt2 import InitialWeights
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.study.experiment import Preset
from iclscope.tasks import LinearRegression
from iclscope.tasks.function_classes import FunctionPrompts
from iclscope.training.schedules import Curriculum
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Training, Trial

GPT2Group = TrainedGroup[GPT2Transformer]
"""Trained GPT-2 models."""

IDENTITY, RANDOM = "Λ = I", "random Λ"
FACTORS = (1, 4, 9)
TESTS = (IDENTITY, *(f"{c}·diag(Exp(1))" for c in FACTORS))
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


def training(preset: Preset, length: int) -> Training:
    """Garg's recipe at ``paper``, a shorter one at ``lab``, and Muon at ``quick`` (ours: docs/experiment_log.md)."""
    if preset.name == "quick":  # of two dimensions a curriculum has none to leave out
        return Training(
            optimizer="muon",
            loss="squared",
            learning_rate=0.02,
            adam_rate=3e-3,
            weight_decay=0.1,
            rate_decay=True,
            steps=800,
            batch_size=64,
        )
    common: dict[str, Any] = {"optimizer": "adam", "loss": "squared", "batch_size": 64}
    if preset.is_paper:
        # Dimensions and examples grow together until both are there (Garg 2022, Appendix A.2).
        curriculum = Curriculum(every=2000, length_added=max(1, round((length - 10) / 15)))
        return Training(**common, learning_rate=1e-4, steps=PUBLISHED_STEPS, schedule=curriculum)
    curriculum = Curriculum(dimensions=3, length=6, every=500, length_added=2)
    return Training(**common, learning_rate=5e-4, rate_decay=True, steps=25_000, schedule=curriculum)


def task(d: int, length: int, trained_on: str) -> LinearRegression:
    """Training prompts: predictions at every x, on Λ = I or a diagonal Λ with Exp(1) entries for each prompt."""
    covariance = "identity" if trained_on == IDENTITY else "exponential"
    return LinearRegression(d_X=d, length=length, inputs="gaussian", covariance=covariance, predictions="every")


def trials(preset: Preset) -> list[Trial]:
    """Both trainings at every length and seed."""
    d, lengths, size, _ = SIZES[preset.name]
    initial: InitialWeights = "fan_in" if preset.name == "quick" else "gpt2"
    return [
        Trial(
            task=task(d, length, trained_on),
            # Positions for twice as many examples; those behind the training prompts are never trained.
            model=GPT2TransformerConfig.of_size(size, d_X=d, positions=2 * (2 * length + 1), initial=initial),
            training=training(preset, length),
            seed=seed,
        )
        for seed in preset.seeds
        for length in lengths
        for trained_on in (IDENTITY, RANDOM)
    ]


def task_of(group: GPT2Group) -> LinearRegression:
    """What a group was trained on."""
    return cast("LinearRegression", group.trials[0].task)


def trained_on(group: GPT2Group) -> str:
    """The name of the covariances that a group was trained on."""
    return IDENTITY if task_of(group).covariance == "identity" else RANDOM


def tests(d: int, length: int, together: int) -> dict[str, LinearRegression]:
    """The test prompts by name, of so many examples; as many prompts share a covariance as there are covariances."""
    plain = task(d, length, IDENTITY)
    random = {
        name: plain.replace(covariance="exponential", prompts_per_covariance=together, x_scale=math.sqrt(c))
        for c, name in zip(FACTORS, TESTS[1:], strict=True)
    }
    return {IDENTITY: plain, **random}


@one_thread_per_operation()
@torch.no_grad()
def errors_on(
    models: Mapping[str, GPT2Transformer], test: LinearRegression, together: int
) -> tuple[FunctionPrompts, dict[str, Float[Tensor, "run covariance points"]]]:
    """Test prompts, and the mean error of each covariance's after 0, 1, … examples, by the names of the models.

    Errors are divided by the mean of ⟨w, x⟩² over the same prompts, so that predicting 0 scores exactly 1 at every length.
    """
    first = next(iter(models.values()))
    sampler = test.sampler(first.seeds, dtype=first.dtype, device=first.device)
    prompts: FunctionPrompts = sampler.prompts(together**2, purpose=EVALUATION_PURPOSE)
    found = {name: _by_covariance(model.predict(prompts).output, prompts, together) for name, model in models.items()}
    return prompts, found


def _by_covariance(
    output: Float[Tensor, "run prompt points"], prompts: FunctionPrompts, together: int
) -> Float[Tensor, "run covariance points"]:
    errors = (output - prompts.labels).double().square() / prompts.labels.double().square().mean(dim=1, keepdim=True)
    return errors.reshape(len(errors), together, together, -1).mean(dim=2)


def linear_attention_errors(
    prompts: FunctionPrompts, trained_on: str, length: int, together: int
) -> Float[Tensor, "run covariance points"]:
    """The same of one layer of linear attention at its limit (Theorems 4.1 and 4.5): x_qᵀ A (1/M) Σ y_i x_i.

    Args:
        prompts: what to answer, at every x.
        trained_on: `IDENTITY` or `RANDOM`.
        length: N of its training prompts.
        together: prompts that share a covariance.
    """
    x, y = prompts.inputs.double(), prompts.answers.double()
    d = x.shape[-1]
    limit = (
        zhang2024.predictor(np.eye(d), length) if trained_on == IDENTITY else zhang2024.exponential_product(d, length)
    )
    A = torch.from_numpy(limit).to(x)
    sums = torch.cumsum(y[..., None] * x, dim=2)[:, :, :-1]
    counts = torch.arange(1, x.shape[2], dtype=x.dtype, device=x.device)[:, None]
    output = torch.zeros_like(y)  # without an example
    output[:, :, 1:] = torch.einsum("rbpi,ij,rbpj->rbp", x[:, :, 1:], A, sums / counts)
    return _by_covariance(output, prompts, together)


def least_squares_errors(prompts: FunctionPrompts, together: int) -> Float[Tensor, "run covariance points"]:
    """The same of least squares, whose shortest w there is; from d examples on it is exact, since there is no noise."""
    x, y = prompts.inputs, prompts.answers
    output = prompts.labels.clone()
    for k in range(x.shape[-1]):
        output[:, :, k] = least_squares(x[:, :, :k], y[:, :, :k], x[:, :, k])
    return _by_covariance(output, prompts, together)


def after(errors: Float[Tensor, "run covariance points"]) -> Float[Tensor, "run points"]:
    """Means over covariances."""
    return errors.mean(dim=1)
