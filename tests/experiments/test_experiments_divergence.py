"""A run that diverges is reported, and spoils neither its neighbours nor the intervals."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from iclscope.evaluation import evaluate, risks_of
from iclscope.experiments.li2024 import settings
from iclscope.experiments.summaries import over_seeds, rate_over_seeds
from iclscope.experiments.trained import TrainedGroup
from iclscope.sweeps.local import load_groups, run_trials, train_trials
from iclscope.sweeps.store import TrialStore


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> TrainedGroup:
    """Three runs, of which the second has a learning rate that no training survives."""
    folder: Path = tmp_path_factory.mktemp("trained")
    trials = [
        settings.trial(seed, training={"steps": 12, "batch_size": 16, "learning_rate": 1e30 if seed == 1 else 0.1})
        for seed in range(3)
    ]
    store = TrialStore(folder)
    run_trials(trials, store)
    (loaded,) = load_groups(trials, store)
    return loaded


def test_it_is_reported_per_run(group: TrainedGroup) -> None:
    assert [step >= 0 for step in group.diverged_at] == [False, True, False]


@pytest.mark.parametrize("arm", ["trained", "untrained"])
def test_it_is_in_no_interval(group: TrainedGroup, arm: str) -> None:
    model = group.model if arm == "trained" else group.model.untrained()
    risks = evaluate(model, settings.TRAINING_TASK, prompts=64)
    rows = group.rows(arm=arm, prompts=64, **risks._asdict())
    assert over_seeds(rows, "hinge_risk").seeds == 2
    assert rate_over_seeds(rows).seeds == 2
    assert math.isnan(rows["classification_error"][1])
    assert math.isfinite(rows["classification_error"][0])


def test_the_last_step_is_looked_at_too() -> None:
    """The loss before a step says nothing of the weights after it."""
    trial = settings.trial(0, training={"steps": 1, "batch_size": 4, "learning_rate": 1e39})

    assert train_trials([trial]).diverged_at.tolist() == [1]


def test_an_output_that_is_no_number_is_not_half_right() -> None:
    risks = risks_of(torch.tensor([[torch.nan, 1.0]]), torch.tensor([[1.0, 1.0]]))
    assert math.isnan(risks.classification_error[0])
