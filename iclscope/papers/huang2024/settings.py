"""What is trained, and how it is recorded.

The paper states orders of growth and no sizes, so every size here is ours, at every preset (docs/experiment_log.md, "Huang
2024"). Step sizes multiply the gradient of E(ŷ − y)²; for a loss of half that they would be twice as large.
"""

from __future__ import annotations

from typing import NamedTuple

from iclscope.claims.claim import Control
from iclscope.models.softmax_attention import SoftmaxAttention, SoftmaxAttentionConfig
from iclscope.study.experiment import Preset
from iclscope.tasks import OrthonormalFeatures
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

PAPER = "Huang et al. 2024"
ABSTRACT = f"{PAPER}, abstract"
RECOLLECTION = f"{PAPER}, recalled from the theorems and not seen again: a hypothesis, checked by our simulation"
REVIEW = f"{PAPER}, bound T* of the theorems as a public review names it"
SET_UP = f"{PAPER}, problem set-up"

FeatureGroup = TrainedGroup[SoftmaxAttention]
"""Trained layers of softmax attention."""

CONTEXTS = "contexts"
"""The name under which weights and errors are recorded, on contexts that no training sees."""

P_1 = 0.5
"""Probability of the dominant feature."""

AT_START = Control("the same models at Q = 0, before the first step", "at start")


class Size(NamedTuple):
    """What the two figures of trajectories are trained at.

    Attributes:
        K: number of features.
        length: context length N.
        steps: number of steps T.
    """

    K: int
    length: int
    steps: int


# Long enough for a loss of 0.05 of rare features in long prompts (theory.huang2024.times_of_flow), and half as long again.
SIZES = {"quick": Size(20, 320, 2800), "lab": Size(30, 480, 5600), "paper": Size(50, 800, 13000)}
ETA = 0.5
EPSILON = 0.05
"""The loss at which the last phase ends in the figures of trajectories."""


def feature_trial(
    seed: int,
    task: OrthonormalFeatures,
    *,
    steps: int,
    every: int,
    eta: float = ETA,
    batch_size: int = 16,
    target: float | None = None,
    precision: str = "single",
    contexts: int = 128,
) -> Trial:
    """One training by stochastic gradient descent, its weights and its error recorded.

    Args:
        seed: the seed of features and prompts.
        task: what to train on.
        steps: the most steps.
        every: steps between records.
        eta: step size on E(ŷ − y)².
        batch_size: contexts per step, each with every query; single prompts where the task is sampled.
        target: the error at which training stops; None: never.
        precision: "single" or "double".
        contexts: how many contexts the error is recorded on.
    """
    on = task if task.expectation == "exact" else task.replace(expectation="counts")
    training = {
        "optimizer": "sgd",
        "loss": "squared",
        "learning_rate": eta,
        "steps": steps,
        "batch_size": batch_size,
        "target_risk": target,
        "precision": precision,
    }
    return Trial(
        task=task,
        model=SoftmaxAttentionConfig(d_X=task.d_X),
        training=Training(**training),
        evaluation=Evaluation(on={CONTEXTS: on}, probes=("weights", "squared_error"), every=every, prompts=contexts),
        seed=seed,
    )


def trajectory_trials(preset: Preset) -> list[Trial]:
    """Balanced and imbalanced features, one training of each per seed; two figures share them."""
    size = SIZES[preset.name]
    balanced = OrthonormalFeatures(K=size.K, d_X=size.K, length=size.length, expectation="counts")
    return [
        feature_trial(seed, task, steps=size.steps, every=size.steps // 280)
        for task in (balanced, balanced.replace(dominant=P_1))
        for seed in preset.seeds
    ]


def task_of(trial: Trial) -> OrthonormalFeatures:
    """The task of one of these trials."""
    assert isinstance(trial.task, OrthonormalFeatures)
    return trial.task


def first_training(preset: Preset) -> Trial:
    """Softmax attention on balanced features, which sweeps start from."""
    return trajectory_trials(preset)[0]
