"""What the GPT-2 experiments of Li 2024 share: 3 layers, 2 heads, columns as tokens.

The paper states the sizes of the model and nothing of its training. Ours, at every preset: docs/experiment_log.md,
"GPT-2 of Li 2024 by Muon".
"""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.gpt2_config import GPT2TransformerConfig
from iclscope.papers.li2024.settings import IN_DOMAIN, OUT_OF_DOMAIN, shifted, unseen
from iclscope.study.experiment import Preset
from iclscope.tasks.patterns import PatternClassification
from iclscope.training.schedules import LengthPerStep
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

GPT2Group = TrainedGroup[GPT2Transformer]
"""Trained GPT-2 models."""

GPT2_TASK = PatternClassification(q_norm=3.0)
"""As for the one-layer model (M1 = 6, M2 = 24, α = 0.8, l = 20, cycle tasks), with longer label embeddings."""

GPT2_MODEL = GPT2TransformerConfig(
    d_X=30, d_Y=30, tokens="columns", layers=3, heads=2, embedding=64, positions=21, initial="fan_in"
)

# A length per step: trained at l = 20 only, the model memorises the training tasks. So it does in one training of some
# without weight decay.
GPT2_TRAINING = Training(
    optimizer="muon",
    learning_rate=0.02,
    adam_rate=3e-3,
    weight_decay=1.0,
    rate_decay=True,
    decay_power=2.0,
    steps=600,
    batch_size=64,
    schedule=LengthPerStep(shortest=2),
)

SHORT_TRAINING = Training(**{**dict(GPT2_TRAINING), "steps": 300})
"""Half as long: nearly perfect models hide what S1 does, and of task sets a rough comparison is enough."""

PUBLISHED_WORST = 0.07
"""The largest error that the paper's figures show at context length 20 in and out of domain (α' = 0.8)."""

TWICE = math.log(2)
"""Up to here a published curve of errors counts as met: trainings of one recipe differ by as much from seed to seed."""


def gpt2_trial(
    seed: int, *, training: Training = GPT2_TRAINING, evaluation: Evaluation | None = None, **task: Any
) -> Trial:
    """A trial at the settings above, with some settings of the task changed."""
    return Trial(
        task=GPT2_TASK.replace(**task),
        model=GPT2_MODEL,
        training=training,
        evaluation=evaluation or Evaluation(),
        seed=seed,
    )


def gpt2_trials(preset: Preset) -> list[Trial]:
    """The trained models that most GPT-2 figures look at, one per seed, with their layers recorded on the way."""
    evaluation = Evaluation(
        on={IN_DOMAIN: unseen(GPT2_TASK), OUT_OF_DOMAIN: shifted(GPT2_TASK)},
        probes=("layers",),
        every=10 if preset.is_paper else 40,
        prompts=128,  # a record of 512 costs as much as thirty steps
    )
    return [gpt2_trial(seed, evaluation=evaluation) for seed in preset.seeds_of_slow_models]


def test_prompts(preset: Preset) -> int:
    """Test prompts per seed and point: an eighth of the one-layer model's; a prompt costs a hundred times as much."""
    return preset.prompts // 8


def layer_rows(group: GPT2Group, domain: str, *quantities: str) -> pl.DataFrame:
    """One row per run, recorded step and layer (counted from 1) with the named quantities."""
    recorded = {name: group.trajectory[f"{domain}/{name}"] for name in quantities}
    layers = next(iter(recorded.values())).shape[2]
    return pl.concat(
        group.trajectory_rows(
            arm="trained", prefix=domain, quantities={name: values[:, :, layer] for name, values in recorded.items()}
        ).with_columns(layer=pl.lit(layer + 1))
        for layer in range(layers)
    )
