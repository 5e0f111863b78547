"""The trainings of Zhang 2024, and its measures on models whose weights are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from iclscope.baselines.regression import least_squares
from iclscope.models import GPT2TransformerConfig, LinearAttention, LinearAttentionConfig
from iclscope.papers.zhang2024 import gpt2_covariances
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.papers.zhang2024.rows import answers_of, mean_error, slope_on_values
from iclscope.papers.zhang2024.settings import (
    INITIAL_SCALE,
    PLANS,
    covariance,
    flow_trial,
    linear_task,
    one_covariance_trial,
    random_covariance_trial,
    with_limit,
)
from iclscope.study.experiment import PRESETS, Preset, experiments_named
from iclscope.tasks import LinearRegression
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

QUICK = Preset("quick", seeds=(0, 1, 2), prompts=2048)


@pytest.mark.parametrize("name", PRESETS)
def test_every_training_starts_where_the_theorem_speaks(name: str) -> None:
    plan = PLANS[name]
    for Lambda in (covariance(plan.d), np.eye(plan.d)):
        for N in (plan.length, *plan.lengths):
            assert zhang2024.start_condition(Lambda, N, INITIAL_SCALE) < 1.5
    eigenvalues = np.linalg.eigvalsh(covariance(plan.d))
    assert (eigenvalues[0], eigenvalues[-1]) == (pytest.approx(0.75), pytest.approx(1.25))
    assert np.abs(np.asarray(covariance(plan.d)) - np.diag(np.diag(covariance(plan.d)))).max() > 0.02


@pytest.mark.parametrize("make", [flow_trial, one_covariance_trial, random_covariance_trial])
def test_every_training_is_the_one_of_the_paper(make: object) -> None:
    trial = make(QUICK, 3, 10)  # type: ignore[operator]
    assert isinstance(trial, Trial)
    assert (trial.training.optimizer, trial.training.loss, trial.training.precision) == ("sgd", "squared", "double")
    model = trial.model
    assert isinstance(model, LinearAttentionConfig)
    assert (model.initial, model.initial_scale, model.query_in_context, model.layers) == (
        "zhang",
        INITIAL_SCALE,
        True,
        1,
    )
    assert (trial.task.length_range, trial.seed) == ((10, 10), 3)


def test_the_flow_is_followed_for_the_time_of_the_plan() -> None:
    for name in PRESETS:
        plan, training = PLANS[name], flow_trial(Preset.named(name, 2, paper="zhang2024"), 0, 10).training
        # 2 Σ η(1 − k/T) = η(T + 1).
        assert training.learning_rate * training.steps == pytest.approx(plan.time)


def test_the_published_gpt2() -> None:
    trials = gpt2_covariances._trials(Preset.named("paper", 2, paper="zhang2024"))
    assert sorted({trial.functions.length for trial in trials}) == [40, 70, 100]
    assert gpt2_covariances.SIZES["paper"].together == 64
    for trial in trials:
        model, training, N = trial.model, trial.training, trial.functions.length
        assert isinstance(model, GPT2TransformerConfig)
        assert (model.layers, model.heads, model.embedding, trial.functions.d_X) == (12, 8, 256, 20)
        assert (training.steps, training.learning_rate, training.batch_size) == (500_000, 1e-4, 64)
        assert model.most_points == 2 * N + 1
        assert training.schedule is not None
        # The full size is reached in the first tenth of the training.
        assert training.schedule.size(50_000, dimensions=20, length=N) == (N, 20)
        assert training.schedule.size(0, dimensions=20, length=N) == (10, 5)


def group_at_the_limit(trials: list[Trial]) -> TrainedGroup[LinearAttention]:
    """As if training had ended exactly where the theorem says."""
    task = trials[0].task
    assert isinstance(task, LinearRegression)
    seeds = [trial.seed for trial in trials]
    configs = [trial.model for trial in trials]
    model = LinearAttention(configs=configs, seeds=seeds, dtype=torch.float64)  # type: ignore[type-var]
    end = zhang2024.limit(task.input_covariance(), task.length)
    ended = [-1] * len(trials)
    return TrainedGroup(trials, with_limit(model, end), [0], {}, ended, ended)


def measured(figure: str, trials: list[Trial]) -> pl.DataFrame:
    (experiment,) = experiments_named("zhang2024", [figure])
    return experiment.rows([group_at_the_limit(trials)], QUICK)


def test_the_limit_is_its_own_limit() -> None:
    rows = measured("limits", [flow_trial(QUICK, seed, 10) for seed in QUICK.seeds])
    trained = rows.filter(pl.col("arm") == "trained")
    assert trained["deviation"].max() == pytest.approx(0, abs=1e-12)
    assert len(trained) == 3 * 2 * 16
    assert (
        rows.filter(pl.col("arm") != "trained").group_by("arm").agg(pl.col("deviation").max())["deviation"].min() > 0.1
    )


def test_risks_of_the_limit_are_those_of_the_formula() -> None:
    rows = measured("risk-lengths", [flow_trial(QUICK, seed, 10) for seed in QUICK.seeds])
    trained = rows.filter(pl.col("arm") == "trained")
    assert trained["beside_limit"].abs().max() == pytest.approx(0, abs=1e-9)
    assert trained["deviations"].max() < 4.5
    for row in trained.unique(["setting", "M"]).iter_rows(named=True):
        assert row["formula"] > row["at_infinity"]


def test_slopes_of_the_limit_are_those_of_the_theory() -> None:
    rows = measured("shifts", [one_covariance_trial(QUICK, seed, 20) for seed in QUICK.seeds])
    trained = rows.filter(pl.col("arm") == "trained")
    relative = trained.filter(pl.col("relative").is_not_nan()).group_by("kind", "c").agg(pl.col("relative").mean())
    assert relative["relative"].to_list() == pytest.approx([1] * len(relative), abs=0.05)
    # 1/(1 + (d + 1)/N) at d = 3, N = 20.
    assert trained.filter(pl.col("kind") == "as in training")["theory"][0] == pytest.approx(1 / 1.2)
    off = trained.filter(pl.col("kind") == "queries off the span")["slope"]
    assert off.abs().max() == pytest.approx(0, abs=1e-12)


def test_the_measures_by_hand() -> None:
    output, value = torch.tensor([[1.0, 2.0, 6.0]]), torch.tensor([[1.0, 1.0, 2.0]])
    # (1 + 2 + 12)/6; errors 0, 1, 16.
    assert slope_on_values(output, value).tolist() == [2.5]
    found = mean_error(output, value)
    assert found.mean.tolist() == [pytest.approx(17 / 3)]
    assert found.standard_error.tolist() == [pytest.approx(np.std([0, 1, 16], ddof=1) / 3**0.5)]


def test_least_squares_is_exact_without_noise() -> None:
    prompts = linear_task(3, 8).sampler([0, 1], dtype=torch.float64).prompts(5, purpose="test")
    context_and_query = prompts.inputs[:, :, :-1], prompts.answers[:, :, :-1], prompts.inputs[:, :, -1]
    assert torch.allclose(least_squares(*context_and_query), prompts.labels)


def test_answers_do_not_depend_on_the_models_beside() -> None:
    models = [
        LinearAttention(seeds=2, d_X=3, initial="zhang", initial_scale=s, dtype=torch.float64) for s in (0.3, 0.6)
    ]
    both, alone = answers_of(models, linear_task(3, 4), 3000), answers_of(models[1:], linear_task(3, 4), 3000)
    assert torch.equal(both.output[1], alone.output[0])
    assert torch.equal(both.value, alone.value)
    assert both.output.shape == (2, 2, 3000)
