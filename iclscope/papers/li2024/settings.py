"""What the experiments of Li 2024 share: the published settings, and our choice where the paper leaves them open.

Why β = 2, ‖q‖ = 1/2, δ = 0.175, ξ = 0.02, m = 40 and η = 1: docs/experiment_log.md, "Open settings".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iclscope.claims.claim import UNTRAINED as UNTRAINED
from iclscope.claims.claim import UNTRAINED_TEXT as UNTRAINED_TEXT
from iclscope.models.softmax_relu import SoftmaxReLUConfig, SoftmaxReLUTransformer
from iclscope.study.experiment import Preset
from iclscope.tasks.patterns import PatternClassification, PatternShift
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

PAPER = "Li et al. 2024"
OneLayerGroup = TrainedGroup[SoftmaxReLUTransformer]
"""Trained one-layer models."""

IN_DOMAIN, OUT_OF_DOMAIN = "in-domain", "out-of-domain"

TRAINING_TASK = PatternClassification()
"""M1 = 6, M2 = 24, d_X = d_Y = 30, α = 0.8, l = 20, cycle tasks."""

SHIFT = PatternShift(S1=1.3)
"""The out-of-domain patterns of figures that show one S1 only: the largest published value.

S1 = 1 would be no shift at all: with coefficients (S1 ± √(2 − S1²))/2 it gives μ'_j = μ_{2j−1}.
"""


def unseen(task: PatternClassification, **changes: Any) -> PatternClassification:
    """The in-domain test of a model trained on ``task``: tasks it has not seen, α' = 0.8, l = 20."""
    return task.replace(**{"tasks": "unseen", "alpha": 0.8, "length": 20, **changes})


def shifted(task: PatternClassification, **changes: Any) -> PatternClassification:
    """The out-of-domain test of a model trained on ``task``: ODR and ODI patterns, α' = 0.8, l = 20."""
    return task.replace(**{"alpha": 0.8, "length": 20, "shift": SHIFT, **changes})


def trial(
    seed: int,
    *,
    task: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    evaluation: Evaluation | None = None,
) -> Trial:
    """A trial at the settings above, with some changed."""
    changed = TRAINING_TASK.replace(**(task or {}))
    return Trial(
        task=changed,
        model=SoftmaxReLUConfig(d_X=changed.d_X, d_Y=changed.d_Y, **(model or {})),
        training=Training(**(training or {})),
        evaluation=evaluation or Evaluation(),
        seed=seed,
    )


def base_trials(preset: Preset) -> list[Trial]:
    """The trained models that most figures look at, one per seed, with everything recorded on the way."""
    evaluation = Evaluation(
        on={IN_DOMAIN: unseen(TRAINING_TASK), OUT_OF_DOMAIN: shifted(TRAINING_TASK)},
        probes=("risk", "attention", "projections", "neurons"),
        every=5 if preset.is_paper else 10,
    )
    return [trial(seed, evaluation=evaluation) for seed in preset.seeds]


def first_training(_preset: Preset) -> Trial:
    """The training that most figures look at, of one layer; sweeps start from it."""
    return trial(0)
