"""The trainings of Zhang 2024, and its measures on models whose weights are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from iclscope.baselines.regression import least_squares
from iclscope.models import GPT2TransformerConfig, LinearAttention, LinearAttentionConfig
from iclscope.papers.zhang2024 import gpt2_settings, risk_bound
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
from iclscope.tasks.function_classes import FunctionPrompts
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
    trials = gpt2_settings.trials(Preset.named("paper", 2, paper="zhang2024"))
    assert sorted({trial.task.length for trial in trials}) == [40, 70, 100]
    assert {(trial.task.covariance, trial.task.predictions) for trial in trials} == {
        ("identity", "every"),
        ("exponential", "every"),
    }
    assert gpt2_settings.SIZES["paper"].together == 64
    for trial in trials:
        model, training, N = trial.model, trial.training, trial.task.length
        assert isinstance(model, GPT2TransformerConfig)
        assert (model.layers, model.heads, model.embedding, trial.task.d_X) == (12, 8, 256, 20)
        assert (training.steps, training.learning_rate, training.batch_size) == (500_000, 1e-4, 64)
        assert (training.optimizer, model.initial) == ("adam", "gpt2")
        assert model.most_points == 2 * N + 1
        assert training.schedule is not None
        # The full size is reached in the first tenth of the training.
        assert training.schedule.size(50_000, dimensions=20, length=N) == (N, 20)
        assert training.schedule.size(0, dimensions=20, length=N) == (10, 5)


def test_what_gpt2_is_compared_with() -> None:
    """Linear attention's limit by the models of that name, least squares where it must be exact."""
    together, N = 6, 4
    test = gpt2_settings.tests(3, 2 * N, together)[gpt2_settings.TESTS[2]]
    prompts = test.sampler([0, 1]).prompts(together**2, purpose="test")
    scale = prompts.labels.double().square().mean(dim=1)
    for kind, limit in (
        (gpt2_settings.IDENTITY, zhang2024.limit(np.eye(3), N)),
        (gpt2_settings.RANDOM, zhang2024.limit_of_product(zhang2024.exponential_product(3, N))),
    ):
        found = gpt2_settings.linear_attention_errors(prompts, kind, N, together)
        assert found.shape == (2, together, 2 * N + 1)
        plain = LinearAttention(seeds=2, d_X=3, initial="zhang", dtype=torch.float64)
        model = with_limit(plain, limit)
        for M in (1, 3, 7):
            part = FunctionPrompts(
                prompts.inputs[:, :, : M + 1].double(),
                prompts.answers[:, :, : M + 1].double(),
                prompts.values[:, :, : M + 1].double(),
                predict_at_every_point=False,
            )
            errors = (model.predict(part).output - part.labels).square().mean(dim=1) / scale[:, M]
            torch.testing.assert_close(found.mean(dim=1)[:, M], errors, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.mean(dim=1)[:, 0], torch.ones(2, dtype=torch.float64))
    squares = gpt2_settings.least_squares_errors(prompts, together).mean(dim=1)
    torch.testing.assert_close(squares[:, 0], torch.ones(2, dtype=torch.float64))
    assert (squares[:, 1:3] > 0.1).all()
    assert not squares[:, 3:].any()
    # As many prompts as there are covariances belong to each.
    assert test.prompts_per_covariance == together
    assert test.x_scale == 2.0


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


def test_the_bound_and_the_floor_of_the_limit() -> None:
    """Floors are those of the formula, by prompts that stand for endless ones, and below the bound."""
    rows = measured("risk-bound", [flow_trial(QUICK, seed, 10) for seed in QUICK.seeds])
    Lambda = np.asarray(covariance(3))
    trained, limit = (rows.filter(pl.col("arm") == arm) for arm in ("trained", risk_bound.LIMIT))
    assert trained.drop_nulls("M")["over_bound"].max() < 1
    for part in (trained, limit):
        for (N,), floors in part.filter(pl.col("M").is_null()).group_by("N"):
            exact = zhang2024.risk_terms(Lambda, train_length=N, test_length=1).bias
            assert floors["risk"].mean() == pytest.approx(exact, rel=0.1)
    for M in (6, 192):
        exact = zhang2024.risk(Lambda, train_length=600, test_length=M)
        assert limit.filter(pl.col("M") == M)["risk"].mean() == pytest.approx(exact, rel=0.1)
    for claim, exponent in zip(experiments_named("zhang2024", ["risk-bound"])[0].claims[1:], (-1, -2), strict=True):
        one = claim.judged("zhang2024", "risk-bound", rows)
        assert one.estimate.value == pytest.approx(exponent, abs=0.1)
        assert one.control_estimate.value > exponent + 0.5


def test_prompts_with_the_moments_of_endless_ones() -> None:
    group = group_at_the_limit([flow_trial(QUICK, seed, 10) for seed in QUICK.seeds])
    prompts = risk_bound._endless_prompts(group, 4000)
    context = prompts.inputs[:, :, :-1]
    moments = torch.einsum("rbni,rbnj->rbij", context, context) / 3
    expected = torch.tensor(covariance(3), dtype=torch.float64)
    torch.testing.assert_close(moments, expected.expand_as(moments))
    weights = torch.linalg.solve(context, prompts.values[:, :, :-1, None])[..., 0].flatten(0, 1)
    torch.testing.assert_close(weights.T @ weights / len(weights), torch.eye(3, dtype=torch.float64), atol=0.06, rtol=0)
    queries = prompts.inputs[:, :, -1].flatten(0, 1)
    torch.testing.assert_close(queries.T @ queries / len(queries), expected, atol=0.06, rtol=0)
    assert (queries.T @ weights / len(queries)).abs().max() < 0.06


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
