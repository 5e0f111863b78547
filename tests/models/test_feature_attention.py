"""An MLP with a layer of attention on its features, against plain loops and gradient descent on the features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import says
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.models import FeatureAttention, FeatureAttentionConfig, load_model
from iclscope.models.words import model_text
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.tasks import FunctionClass, LinearRegression, SineRegression
from iclscope.tasks.function_classes import FunctionPrompts

RULES = ("attention", "gradient_descent")


def small(rule: str, runs: int = 2, **settings: Any) -> FeatureAttention:
    sizes = {"hidden": 7, "features": 4, "initial_scale": 0.7, **settings}
    return FeatureAttention(seeds=runs, rule=rule, dtype=torch.float64, **sizes)


def drawn(runs: int = 2, length: int = 5) -> FunctionPrompts:
    return SineRegression(length=length).sampler(range(runs), dtype=torch.float64).prompts(3, purpose="test")


def features_of(model: FeatureAttention, run: int, x: Tensor) -> Tensor:
    for layer in (1, 2, 3):
        A, b = (model.state_dict()[f"{letter}_{layer}"][run] for letter in "Ab")
        x = A @ x + b
        x = torch.nn.functional.gelu(x) if layer < 3 else x
    return x


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("length", [0, 1, 5])
def test_predictions_are_those_of_the_formula(rule: str, length: int) -> None:
    model, prompts = small(rule), drawn(length=length)
    found = model.predict(prompts)
    both = [weight.detach() for weight in model.layer_weights()]
    for run in range(2):
        W_KQ, W_PV = (weight[run] for weight in both)
        for b in range(3):
            m = [features_of(model, run, x) for x in prompts.inputs[run, b]]
            query = torch.cat([m[-1], torch.zeros(1, dtype=torch.float64)])
            total = torch.zeros_like(query)
            for feature, y in zip(m[:-1], prompts.answers[run, b, :-1], strict=True):
                token = torch.cat([feature, y[None]])
                total += token * torch.dot(token, W_KQ @ query) / max(length, 1)
            torch.testing.assert_close(found.output[run, b].detach(), -(W_PV @ total)[-1], rtol=1e-11, atol=1e-11)
            torch.testing.assert_close(found.hidden[run, b].detach(), torch.stack(m), rtol=1e-11, atol=1e-11)


def test_the_rule_of_gradient_descent_is_a_step_on_the_features() -> None:
    model, prompts = small("gradient_descent"), drawn()
    found = model.predict(prompts)
    m = found.hidden.detach()
    for run in range(2):
        expected = theory.gradient_descent(
            m[run, :, :-1], prompts.answers[run, :, :-1], m[run, :, -1], eta=float(model.eta[run].detach())
        )
        torch.testing.assert_close(found.output[run].detach(), expected)
    built = theory.construction(d_X=4, eta=float(model.eta[0].detach()))
    W_KQ, W_PV = (weight.detach() for weight in model.layer_weights())
    torch.testing.assert_close(W_KQ[0], built.W_KQ)
    torch.testing.assert_close(W_PV[0], built.W_PV)


@pytest.mark.parametrize("rule", RULES)
def test_runs_do_not_mix_and_the_answer_is_not_read(rule: str) -> None:
    model, prompts = small(rule, 3), drawn(3)
    together = model.predict(prompts).output
    for run in range(3):
        own = FunctionPrompts(
            prompts.inputs[[run]], prompts.answers[[run]], prompts.values[[run]], predict_at_every_point=False
        )
        torch.testing.assert_close(model.run(run).predict(own).output[0], together[run], rtol=1e-11, atol=1e-11)
    told = prompts.answers.clone()
    told[..., -1] = 1e6
    assert torch.equal(together, model.predict(replace(prompts, answers=told)).output)


@pytest.mark.parametrize("rule", RULES)
def test_a_checkpoint_is_read_back_as_it_was(tmp_path: Path, rule: str) -> None:
    model = small(rule)
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, FeatureAttention)
    assert (loaded.seeds, loaded.configs) == (model.seeds, model.configs)
    assert set(loaded.state_dict()) == set(model.state_dict())
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)


def test_it_is_described_in_words() -> None:
    assert model_text(small("attention", 1)) == "an MLP with a layer of attention on its features, 1 run (seed 0)"
    assert "gradient descent" in str(small("gradient_descent").config.summary()["model"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": 0}, ("hidden", "0")),
        ({"features": 0}, ("features", "0")),
        ({"rule": "sgd"}, ("rule", "sgd")),
        ({"initial_scale": float("inf")}, ("initial_scale", "inf", "finite")),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        FeatureAttentionConfig(**settings)
    assert all(says(str(refusal.value), word) for word in words)


@pytest.mark.parametrize("task", [LinearRegression(d_X=2), FunctionClass(d_X=1, length=5)])
def test_tasks_that_are_refused(task: Any) -> None:
    with pytest.raises(BadRequest):
        small("attention").check_task(task)
