"""The trainings of von Oswald 2023: those of the public code at ``paper``."""

from __future__ import annotations

import pytest
import torch

from iclscope.models import FeatureAttentionConfig, InterleavedAttentionConfig, LinearAttention, LinearAttentionConfig
from iclscope.papers.vonoswald2023 import deep, distractors, interleaved, sine
from iclscope.papers.vonoswald2023.settings import linear_trial, optimum
from iclscope.study.experiment import PRESETS, Preset
from iclscope.tasks import LinearRegression, SineRegression

PAPER = Preset.named("paper", 2, paper="vonoswald2023")


@pytest.mark.parametrize(("layers", "rate", "clip"), [(1, 1e-3, 0.001), (2, 1e-3, 0.001), (3, 1e-3, 10), (4, 5e-4, 10)])
@pytest.mark.parametrize("recurrent", [False, True])
def test_the_published_training_of_layers(layers: int, rate: float, clip: float, recurrent: bool) -> None:
    trial = linear_trial(0.5, PAPER, 0, layers, recurrent=recurrent)
    training, model = trial.training, trial.model
    assert isinstance(model, LinearAttentionConfig)
    assert (training.optimizer, training.loss, training.batch_size) == ("adam", "squared", 2048)
    assert (training.learning_rate, training.clip_norm, training.rate_decay) == (rate, clip, False)
    assert training.steps == (5000 if recurrent or layers == 1 else 50_000)
    assert model.initial_scale == 0.002 / layers


def test_the_published_trainings_of_other_tokens_and_of_sine_waves() -> None:
    (trial, _) = interleaved._trials(PAPER)
    model = trial.model
    assert isinstance(model, InterleavedAttentionConfig)
    assert (trial.training.steps, trial.training.learning_rate, trial.training.clip_norm) == (10_000, 1e-3, 10)
    assert model.initial_scale == 0.02 / 2
    for trial in sine._trials(PAPER):
        model, task = trial.model, trial.task
        assert isinstance(model, FeatureAttentionConfig)
        assert isinstance(task, SineRegression)
        rate = 1e-3 if model.rule == "attention" else 3e-4
        assert (trial.training.steps, trial.training.learning_rate, trial.training.clip_norm) == (20_000, rate, 100)
        assert (task.least_amplitude, task.most_amplitude, task.half_width, task.length) == (0.1, 0.5, 5, 10)


@pytest.mark.parametrize("name", PRESETS)
def test_two_to_five_layers_shared_and_not_at_every_preset(name: str) -> None:
    trials = deep.EXPERIMENT.trials(Preset.named(name, 2, paper="vonoswald2023"))
    models = [trial.model for trial in trials if isinstance(trial.model, LinearAttentionConfig)]
    found = {(model.layers, model.recurrent) for model in models}
    assert found == {(1, False)} | {(layers, recurrent) for layers in (2, 3, 4, 5) for recurrent in (False, True)}
    waves = {trial.task.model_dump()["amplitude_sets_phase"] for trial in sine._trials(Preset.named(name, 2))}
    assert waves == {False, True}


@pytest.mark.parametrize("recurrent", [False, True])
def test_activations_are_cut_off_from_four_layers_on(recurrent: bool) -> None:
    task = LinearRegression(d_X=3, length=5)
    prompts = task.sampler([0, 1], dtype=torch.float64).prompts(20, purpose="test")
    for layers in (3, 4):
        config = LinearAttentionConfig(d_X=3, layers=layers, recurrent=recurrent, output_sign=-1, initial_scale=0.4)
        model = LinearAttention(configs=[config] * 2, seeds=2, dtype=torch.float64)
        plain = model.predict(prompts).output.detach()
        torch.testing.assert_close(deep.predictions(model, prompts, most=1e9).detach(), plain)
        cut = deep.predictions(model, prompts, most=0.01).detach()
        assert (float(cut.abs().max()) <= 0.01) is (layers > 3)


def test_distractors_are_those_of_the_public_code() -> None:
    assert distractors.COUNTS == (0, 2, 4, 6, 8)
    plain = LinearRegression()
    # Without any the exact loss is that of the best step; with all answers noise a step does harm.
    assert distractors.expected_loss(plain, 0) == pytest.approx(optimum(plain).loss)
    losses = [distractors.expected_loss(plain, count) for count in range(11)]
    assert losses == sorted(losses)
    assert losses[10] > plain.scale / 2
