"""What is trained for each class of functions at each preset.

``paper`` is the published run. ``lab`` is a smaller problem and model with a shorter training by Adam: ours, chosen for
what one GPU can do in minutes (docs/experiment_log.md, "Garg 2022 in minutes"). ``quick`` is for two cores: by Muon, without
a curriculum (docs/experiment_log.md, "Garg 2022 by Muon").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iclscope.claims.claim import UNTRAINED as UNTRAINED
from iclscope.claims.claim import UNTRAINED_TEXT as UNTRAINED_TEXT
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.gpt2_config import GPT2TransformerConfig
from iclscope.study.experiment import Preset
from iclscope.tasks import FunctionClass
from iclscope.tasks.function_classes import FunctionName
from iclscope.training.schedules import Curriculum
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

PAPER = "Garg et al. 2022"
GPT2Group = TrainedGroup[GPT2Transformer]
"""Trained GPT-2 models."""

PROMPTS = 1280
"""Test prompts per seed, as published (Section 3)."""

PUBLISHED_STEPS = 500_000

TEST = "test"
"""The name under which the task trained on is recorded during training, at its full size."""


@dataclass(frozen=True)
class Plan:
    """One training.

    Attributes:
        task: the functions, and the size of their prompts.
        size: tiny, small or standard (Garg 2022, Appendix A.1).
        training: how weights are found.
        model: what the model has other than the published ones of that size.
    """

    task: FunctionClass
    size: str
    training: Training
    model: Mapping[str, Any] = field(default_factory=dict)


def _plan(task: FunctionClass, size: str, rate: float, steps: int, curriculum: Curriculum) -> Plan:
    """Adam on the squared loss; a training shorter than the published one ends at a rate of 0."""
    training = Training(
        optimizer="adam",
        loss="squared",
        learning_rate=rate,
        rate_decay=steps < PUBLISHED_STEPS,
        steps=steps,
        batch_size=64,
        schedule=curriculum,
    )
    return Plan(task, size, training)


def _quick(task: FunctionClass, steps: int) -> Plan:
    """Muon for the layers' matrices, Adam for the rest, rates falling as (1 − t/T)²; no curriculum, no final norm."""
    training = Training(
        optimizer="muon",
        loss="squared",
        learning_rate=0.02,
        adam_rate=5e-3,
        rate_decay=True,
        decay_power=2.0,
        steps=steps,
        batch_size=64,
    )
    return Plan(task, "tiny", training, {"layers": 5, "heads": 4, "initial": "fan_in", "final_norm": False})


def _lab(task: FunctionClass) -> Plan:
    few = task.function in ("linear", "sparse_linear")
    curriculum = Curriculum(
        dimensions=3, length=6 if few else 12, every=500, dimensions_added=1, length_added=2 if few else 4
    )
    return _plan(task, "small", 5e-4, 25_000, curriculum)


def _paper(task: FunctionClass) -> Plan:
    few = task.function in ("linear", "sparse_linear")
    curriculum = Curriculum(
        dimensions=5, length=10 if few else 25, every=2000, dimensions_added=1, length_added=2 if few else 5
    )
    return _plan(task, "standard", 1e-4, PUBLISHED_STEPS, curriculum)


QUICK_CURRICULUM = Curriculum(dimensions=2, length=4, every=100, dimensions_added=1, length_added=2)
"""What the training of linear functions at ``quick``, which has no curriculum, is compared with."""

PLANS: dict[str, dict[FunctionName, Plan]] = {
    "quick": {
        "linear": _quick(FunctionClass(d_X=5, length=10), 2_300),
        # Answers as large as those of the linear class, whose size the model's initial values suit.
        "sparse_linear": _quick(
            FunctionClass(function="sparse_linear", d_X=5, length=10, sparsity=1, y_scale=5**0.5), 1_800
        ),
        "decision_tree": _quick(FunctionClass(function="decision_tree", d_X=4, length=12, depth=2), 1_200),
        "relu_network": _quick(FunctionClass(function="relu_network", d_X=3, length=10, width=20), 1_200),
    },
    "lab": {
        "linear": _lab(FunctionClass(d_X=10, length=20)),
        "sparse_linear": _lab(FunctionClass(function="sparse_linear", d_X=10, length=20, sparsity=2)),
        "decision_tree": _lab(FunctionClass(function="decision_tree", d_X=10, length=40, depth=3)),
        "relu_network": _lab(FunctionClass(function="relu_network", d_X=10, length=40)),
    },
    "paper": {
        "linear": _paper(FunctionClass(d_X=20, length=40)),
        "sparse_linear": _paper(FunctionClass(function="sparse_linear", d_X=20, length=40, sparsity=3)),
        "decision_tree": _paper(FunctionClass(function="decision_tree", d_X=20, length=100, depth=4)),
        "relu_network": _paper(FunctionClass(function="relu_network", d_X=20, length=100)),
    },
}


def plan_of(function: FunctionName, preset: Preset) -> Plan:
    """What is trained for a class of functions."""
    return PLANS[preset.name][function]


def function_trial(function: FunctionName, preset: Preset, seed: int, **training: Any) -> Trial:
    """The training of one class and seed, recorded about forty times on the way.

    Args:
        function: the class.
        preset: the compute budget.
        seed: the seed.
        training: changes to the plan's training.
    """
    plan = plan_of(function, preset)
    changed = Training(**{**dict(plan.training), **training})
    return Trial(
        task=plan.task,
        model=GPT2TransformerConfig.of_size(plan.size, d_X=plan.task.d_X, positions=2 * plan.task.points, **plan.model),
        training=changed,
        evaluation=Evaluation(
            on={TEST: plan.task}, probes=("squared_error",), every=max(1, changed.steps // 40), prompts=256
        ),
        seed=seed,
    )


def function_trials(function: FunctionName, preset: Preset) -> list[Trial]:
    """The trained models of one class, one per seed."""
    return [function_trial(function, preset, seed) for seed in preset.seeds]


def checkpoint_name(trial: Trial) -> str:
    """The name of a trained model's checkpoint, for instance linear-d5-seed0."""
    return f"{trial.functions.function.replace('_', '-')}-d{trial.functions.d_X}-seed{trial.seed}"


def first_training(preset: Preset) -> Trial:
    """GPT-2 on linear functions, which sweeps start from."""
    return function_trial("linear", preset, 0)
