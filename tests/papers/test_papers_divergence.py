"""A run that diverges is reported and counted: it spoils no neighbour, and stands for all that it could have been."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
import torch

from iclscope.claims.summaries import over_seeds, rate_over_seeds
from iclscope.evaluation import evaluate, rate_interval, risks_of
from iclscope.execution.jobs import train_trials
from iclscope.execution.run_trials import load_groups, run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.papers.garg2022 import rows as garg2022_rows
from iclscope.papers.garg2022.settings import function_trial
from iclscope.papers.li2024 import settings
from iclscope.study.experiment import Preset, experiments_named
from iclscope.training.trained import TrainedGroup


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
def test_it_stands_for_both_ends_of_what_it_could_have_been(group: TrainedGroup, arm: str) -> None:
    model = group.model if arm == "trained" else group.model.untrained()
    risks = evaluate(model, settings.TRAINING_TASK, prompts=64)
    rows = group.rows(arm=arm, prompts=64, **risks._asdict())
    risk, error = over_seeds(rows, "hinge_risk"), rate_over_seeds(rows)
    assert (risk.seeds, risk.missing) == (error.seeds, error.missing) == (3, 1)
    assert risk.value == pytest.approx(rows.filter(pl.col("seed") != 1)["hinge_risk"].mean())
    assert 0 <= risk.low < risk.value
    assert risk.high == math.inf
    errors = rows["classification_error"].to_list()
    assert error.low == rate_interval([errors[0], 0.0, errors[2]], 64).low
    assert error.high == rate_interval([errors[0], 1.0, errors[2]], 64).high
    assert math.isnan(rows["classification_error"][1])
    assert math.isfinite(rows["classification_error"][0])


def test_the_last_step_is_looked_at_too() -> None:
    """The loss before a step says nothing of the weights after it."""
    trial = settings.trial(0, training={"steps": 1, "batch_size": 4, "learning_rate": 1e39})

    assert train_trials([trial]).diverged_at.tolist() == [1]


def test_an_output_that_is_no_number_is_not_half_right() -> None:
    risks = risks_of(torch.tensor([[torch.nan, 1.0]]), torch.tensor([[1.0, 1.0]]))
    assert math.isnan(risks.classification_error[0])


def test_a_diverged_gpt2_spoils_no_rows_and_counts_in_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the bootstrap warn of numbers that are none."""
    monkeypatch.setattr(garg2022_rows, "PROMPTS", 8)
    preset = Preset.named("quick", 3, paper="garg2022")
    trials = [
        function_trial(
            "linear", preset, seed, steps=4, batch_size=4, learning_rate=1e30 if seed == 1 else 1e-3, schedule=None
        )
        for seed in preset.seeds
    ]
    store = TrialStore(tmp_path)
    run_trials(trials, store, workers=1)
    (experiment,) = experiments_named("garg2022", ["linear"])
    rows = experiment.rows(load_groups(trials, store), preset)
    of_gpt2 = rows.filter(method=garg2022_rows.GPT2)
    assert of_gpt2.filter(seed=1)["diverged_at"].is_not_null().all()
    for column in ("error", "low", "high", "standard_error"):
        assert of_gpt2.filter(seed=1)[column].is_nan().all(), column
        assert rows.filter((pl.col("method") != garg2022_rows.GPT2) | (pl.col("seed") != 1))[column].is_finite().all()
    # The baselines have answered, and nothing has diverged about them.
    assert rows.filter(pl.col("method") != garg2022_rows.GPT2)["diverged_at"].null_count() == 2 * 3 * 3 * 11
    for claim in experiment.claims:
        judged = claim.judged("garg2022", "linear", rows)
        for found in (judged.estimate, judged.control_estimate):
            assert (found.seeds, found.missing) == (3, 1)
            assert found.high == math.inf
        # No more can "fail" than "hold" where a third may have been anything.
        assert (judged.verdict, judged.control_verdict) == ("inconclusive", "inconclusive")
