"""Interleaved tokens: the batched forward pass against the formula, token by token; checkpoints and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import says
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.models import InterleavedAttention, InterleavedAttentionConfig, load_model
from iclscope.models.words import model_text
from iclscope.tasks import FunctionClass, LinearRegression, PatternClassification
from iclscope.tasks.function_classes import FunctionPrompts

D, LONGEST = 3, 6


def random_model(runs: int = 2) -> InterleavedAttention:
    return InterleavedAttention(seeds=runs, d_X=D, length=LONGEST, initial_scale=0.5, dtype=torch.float64)


def drawn(runs: int = 2, length: int = 4) -> FunctionPrompts:
    task = LinearRegression(d_X=D, length=length, half_width=1.0)
    return task.sampler(range(runs), dtype=torch.float64).prompts(3, purpose="test")


def by_the_formula(model: InterleavedAttention, run: int, inputs: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """One prompt, whose last input is the query: the prediction and the first layer's attention."""
    N = len(inputs) - 1
    tokens = []
    for place in range(2 * N + 1):
        token = torch.zeros(model.config.d, dtype=torch.float64)
        if place % 2 == 0:
            token[:D] = inputs[place // 2]
        else:
            token[D] = answers[place // 2]
        token[D + 1 + place] = 1.0
        tokens.append(token)
    context = tokens[: 2 * N]
    (first, second), (first_PV, second_PV) = model.W_KQ[run].detach(), model.W_PV[run].detach()
    attention = torch.zeros(2 * N + 1, 2 * N + 1, dtype=torch.float64)
    moved = []
    for j, token in enumerate(tokens):
        total = torch.zeros_like(token)
        if N:
            weights = torch.stack([torch.dot(other, first @ token) for other in context]).softmax(dim=0)
            attention[j, : 2 * N] = weights
            for weight, other in zip(weights, context, strict=True):
                total += weight * other
        moved.append(token + first_PV @ total)
    query, total = moved[-1], torch.zeros_like(moved[-1])
    for other in moved[: 2 * N]:
        total += other * torch.dot(other, second @ query) / N
    return -(query + second_PV @ total)[D], attention


@pytest.mark.parametrize("length", [0, 1, 4, LONGEST])
def test_predictions_are_those_of_the_formula(length: int) -> None:
    model, prompts = random_model(), drawn(length=length)
    found = model.predict(prompts)
    for run in range(2):
        for b in range(3):
            output, attention = by_the_formula(model, run, prompts.inputs[run, b], prompts.answers[run, b])
            torch.testing.assert_close(found.output[run, b].detach(), output, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(found.attention[run, b].detach(), attention, rtol=1e-12, atol=1e-12)


def test_gradients_are_finite_without_context_too() -> None:
    for length in (0, 2):
        model, prompts = random_model(), drawn(length=length)
        gradients = torch.autograd.grad(model.predict(prompts).output.sum(), list(model.parameters()))
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_prompts_longer_than_the_places_are_refused() -> None:
    model = random_model()
    assert bool(model.predict(drawn(length=LONGEST)).output.isfinite().all())
    with pytest.raises(BadRequest, match=rf"length: expected .*at most {LONGEST}.*, got {LONGEST + 1}"):
        model.predict(drawn(length=LONGEST + 1))


def test_the_answer_to_the_query_is_never_read() -> None:
    model, prompts = random_model(), drawn()
    told = prompts.answers.clone()
    told[..., -1] = 1e6
    assert torch.equal(model.predict(prompts).output, model.predict(replace(prompts, answers=told)).output)


def test_runs_do_not_mix() -> None:
    model, prompts = random_model(3), drawn(3)
    together = model.predict(prompts).output
    for run in range(3):
        own = FunctionPrompts(
            prompts.inputs[[run]], prompts.answers[[run]], prompts.values[[run]], predict_at_every_point=False
        )
        torch.testing.assert_close(model.run(run).predict(own).output[0], together[run], rtol=1e-12, atol=1e-12)
    alone = InterleavedAttention(seeds=(2,), d_X=D, length=LONGEST, initial_scale=0.5, dtype=torch.float64)
    assert torch.equal(alone.W_PV[0], model.W_PV[2])


def test_a_checkpoint_is_read_back_as_it_was(tmp_path: Path) -> None:
    model = random_model()
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, InterleavedAttention)
    assert (loaded.seeds, loaded.configs) == (model.seeds, model.configs)
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)


def test_it_is_described_in_words() -> None:
    assert model_text(random_model(1)) == "two layers of attention on interleaved tokens, 1 run (seed 0)"
    assert random_model(1).config.summary()["layers"] == "2, softmax in the first"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"d_X": 0}, ("d_X", "0")),
        ({"length": 0}, ("length", "0")),
        ({"initial_scale": float("nan")}, ("initial_scale", "nan")),
        ({"layers": 3}, ("layers", "3", "initial_scale")),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        InterleavedAttentionConfig(**settings)
    assert all(says(str(refusal.value), word) for word in words)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (LinearRegression(d_X=2), ("(2, 1)", "(3, 1)")),
        (LinearRegression(d_X=D, length=7), ("length", "7", "at most 6")),
        (FunctionClass(d_X=D, length=5), ("predictions", "the query alone")),
        (PatternClassification(), ("(d_X, d_Y)", "(3, 1)")),
    ],
)
def test_tasks_that_are_refused(task: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        random_model().check_task(task)
    assert all(says(str(refusal.value), word) for word in words)
