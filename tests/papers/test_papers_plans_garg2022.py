"""The trainings of Garg 2022: preset ``paper`` is the published run, setting by setting."""

from __future__ import annotations

import pytest

from iclscope.claims.bootstrap import LEVEL, RESAMPLES
from iclscope.execution.jobs import train_trials
from iclscope.models import GPT2TransformerConfig
from iclscope.papers.garg2022 import decision_tree, linear, other_functions, relu_network, sparse_linear
from iclscope.papers.garg2022.ood import BASELINES as OOD_BASELINES
from iclscope.papers.garg2022.settings import (
    PROMPTS,
    PUBLISHED_STEPS,
    QUICK_CURRICULUM,
    TEST,
    function_trial,
    function_trials,
)
from iclscope.study.experiment import PRESETS, Preset, experiments_named, experiments_of
from iclscope.tasks import FunctionClass
from iclscope.tasks.function_classes import FunctionName
from iclscope.training.schedules import Curriculum
from iclscope.training.trial import Trial

CLASSES: tuple[FunctionName, ...] = ("linear", "sparse_linear", "decision_tree", "relu_network")
PUBLISHED = Preset.named("paper", paper="garg2022")


def gpt2(trial: Trial) -> GPT2TransformerConfig:
    assert isinstance(trial.model, GPT2TransformerConfig)
    return trial.model


@pytest.mark.parametrize("function", CLASSES)
def test_the_published_model_and_training(function: FunctionName) -> None:
    (trial,) = function_trials(function, PUBLISHED)
    model, training = gpt2(trial), trial.training
    assert (model.layers, model.heads, model.embedding, model.tokens) == (12, 8, 256, "alternating")
    assert (training.optimizer, training.loss, training.learning_rate) == ("adam", "squared", 1e-4)
    assert not training.rate_decay
    assert (training.batch_size, training.steps) == (64, 500_000)
    assert training.steps == PUBLISHED_STEPS
    assert training.target_risk is None
    assert trial.seed == 0
    # Recorded on the way at the task's full size, and about forty times.
    assert trial.evaluation.on == {TEST: trial.task}
    assert 40 <= len(trial.record_steps()) <= 42


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        ("linear", {}),
        ("sparse_linear", {"sparsity": 3}),
        ("decision_tree", {"depth": 4}),
        ("relu_network", {"width": 100}),
    ],
)
def test_the_published_functions(function: FunctionName, settings: dict[str, int]) -> None:
    task = function_trial(function, PUBLISHED, 0).functions
    points = 41 if function in ("linear", "sparse_linear") else 101
    assert (task.function, task.d_X, task.points, task.predictions) == (function, 20, points, "every")
    assert {name: getattr(task, name) for name in settings} == settings
    # Plain inputs and answers.
    assert task == FunctionClass(function=function, d_X=20, length=points - 1, **settings)
    assert gpt2(function_trial(function, PUBLISHED, 0)).most_points >= points


@pytest.mark.parametrize("function", CLASSES)
def test_the_published_curriculum(function: FunctionName) -> None:
    trial = function_trial(function, PUBLISHED, 0)
    schedule, task = trial.training.schedule, trial.functions
    assert isinstance(schedule, Curriculum)

    def points_and_dimensions(step: int) -> tuple[int, int | None]:
        size = schedule.size(step, dimensions=task.d_X, length=task.length)
        return size.length + 1, size.dimensions

    first, added, last = (11, 2, 41) if function in ("linear", "sparse_linear") else (26, 5, 101)
    assert points_and_dimensions(0) == points_and_dimensions(1999) == (first, 5)
    for increase in range(1, 15):
        assert points_and_dimensions(2000 * increase) == (first + added * increase, 5 + increase)
        assert points_and_dimensions(2000 * increase - 1) == (first + added * (increase - 1), 4 + increase)
    assert points_and_dimensions(30_000) == points_and_dimensions(499_999) == (last, 20)


def test_the_published_tests() -> None:
    assert (PROMPTS, LEVEL, RESAMPLES) == (1280, 0.9, 1000)
    assert dict.fromkeys(("least squares", "3-NN", "averaging"), 1280) == linear.BASELINES
    assert set(sparse_linear.BASELINES) == {
        "least squares",
        *(f"Lasso, α = {alpha}" for alpha in ("1", "0.1", "0.01", "0.001", "0.0001")),
    }
    assert set(decision_tree.BASELINES) == {"greedy tree", "XGBoost"}
    assert set(relu_network.BASELINES) == {"least squares", "3-NN", "two-layer network"}
    for baselines in (linear, sparse_linear, decision_tree, relu_network, other_functions):
        assert max(baselines.BASELINES.values()) <= PROMPTS
    assert set(OOD_BASELINES) == {"least squares"}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains_at_the_full_size_for_a_third_of_the_time(name: str) -> None:
    """A curriculum that does not reach the task's own size would test on what was never trained on."""
    for function in CLASSES:
        trial = function_trial(function, Preset.named(name, paper="garg2022"), 0)
        schedule, task = trial.training.schedule, trial.functions
        assert (schedule is None) == (name == "quick")
        schedule = QUICK_CURRICULUM if schedule is None else schedule
        assert isinstance(schedule, Curriculum)
        reached = [
            step
            for step in range(0, trial.training.steps, schedule.every)
            if schedule.size(step, dimensions=task.d_X, length=task.length) == (task.length, task.d_X)
        ]
        assert reached
        assert reached[0] <= trial.training.steps * 2 / 3
        assert gpt2(trial).most_points >= task.points


@pytest.mark.parametrize("name", PRESETS)
def test_figures_of_linear_functions_share_their_models(name: str) -> None:
    preset = Preset.named(name, paper="garg2022")
    linear_trials = [trial.hash for trial in function_trials("linear", preset)]
    for figure in ("linear", "ood", "other-functions"):
        (experiment,) = experiments_named("garg2022", [figure])
        assert [trial.hash for trial in experiment.trials(preset)] == linear_trials
    everything = {trial.hash for experiment in experiments_of("garg2022") for trial in experiment.trials(preset)}
    # The four classes, and linear functions without a curriculum.
    assert len(everything) == 5 * len(preset.seeds)


@pytest.mark.parametrize("name", PRESETS)
def test_the_curriculum_is_all_that_differs_where_it_is_judged(name: str) -> None:
    preset = Preset.named(name, paper="garg2022")
    (experiment,) = experiments_named("garg2022", ["curriculum"])
    trials = experiment.trials(preset)
    shared, apart = trials[: len(preset.seeds)], trials[len(preset.seeds) :]
    for one, other in zip(shared, apart, strict=True):
        assert (one.task, one.model, one.evaluation, one.seed) == (
            other.task,
            other.model,
            other.evaluation,
            other.seed,
        )
        changed = {name for name, value in one.training if value != getattr(other.training, name)}
        # The one that is trained for this alone stops once it is well below the level that both are timed to.
        assert changed == {"schedule", "target_risk"}
        assert one.training.target_risk is None
        assert other.training.schedule == (QUICK_CURRICULUM if name == "quick" else None)


@pytest.mark.parametrize("function", CLASSES)
def test_the_quick_training_is_by_muon(function: FunctionName) -> None:
    trial = function_trial(function, Preset.named("quick", paper="garg2022"), 0)
    model, training = gpt2(trial), trial.training
    assert (model.layers, model.heads, model.embedding, model.initial, model.final_norm) == (5, 4, 64, "fan_in", False)
    assert (training.optimizer, training.learning_rate, training.adam_rate) == ("muon", 0.02, 5e-3)
    assert (training.rate_decay, training.decay_power, training.weight_decay) == (True, 2.0, 0.0)
    for name in ("lab", "paper"):
        other = function_trial(function, Preset.named(name, paper="garg2022"), 0)
        assert (gpt2(other).final_norm, gpt2(other).initial, other.training.optimizer) == (True, "gpt2", "adam")


def test_the_published_model_takes_its_first_steps() -> None:
    """Twelve layers, for real: two steps of 64 prompts of 11 points."""
    trial = function_trial("linear", PUBLISHED, 0)
    trial = Trial(task=trial.task, model=trial.model, training={**trial.training.model_dump(), "steps": 2}, seed=0)
    losses: list[float] = []
    state = train_trials([trial], on_loss=lambda _step, _live, loss: losses.extend(loss.tolist()))
    assert state.step == 2
    assert state.diverged_at.tolist() == [-1]
    weights = sum(tensor[0].numel() for tensor in state.weights.values())
    assert 9_400_000 < weights < 9_600_000
    # Five of the twenty dimensions are switched on, so predicting about 0 costs about 5; Adam's first step overshoots.
    assert 4 < losses[0] < 7
    assert losses[1] < 20
