"""What callers of the Python interface give by mistake is refused in one line that says what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from refusals import says

import iclscope as icl
from iclscope.tasks import LinearRegression

TASK = LinearRegression(d_X=3, length=5)


@pytest.fixture(autouse=True)
def as_for_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types are not checked at run time, as outside of these tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def model(**settings: Any) -> Any:
    return icl.models.LinearAttention(d_X=3, **settings)


def trained() -> Any:
    return icl.train(model(), TASK, steps=1, batch_size=2)


class Mine(torch.nn.Module):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens


class WithPredict(torch.nn.Module):
    def predict(self, prompts: list[int]) -> torch.Tensor:
        return torch.zeros(1, len(prompts))


NOWHERE = "nowhere/at-all"
API: Any = icl  # nothing that is wrong here would pass a check of types
LLM: Any = icl.language_models

CASES: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "train: swapped": (lambda: API.train(TASK, TASK), ("LinearRegression", "train(model, task)")),
    "evaluate: swapped": (lambda: API.evaluate(TASK, model()), ("LinearRegression", "evaluate(model, task)")),
    "train: a module": (lambda: API.train(Mine(), TASK), ("model", "Mine")),
    "evaluate: a module": (lambda: API.evaluate(Mine(), TASK), ("model", "Mine")),
    "evaluate: a module with predict": (lambda: API.evaluate(WithPredict(), TASK), ("model", "WithPredict")),
    "evaluate: a class": (lambda: API.evaluate(API.models.LinearAttention, TASK), ("model", "class LinearAttention")),
    "train: a class of task": (lambda: API.train(model(), LinearRegression), ("task", "class LinearRegression")),
    "train: weights": (lambda: API.train(model().state_dict(), TASK), ("model", "OrderedDict")),
    "train: loss": (lambda: API.train(model(), TASK, loss="mse"), ("loss", "'mse'", "squared")),
    "train: loss in capitals": (lambda: API.train(model(), TASK, loss="Squared"), ("loss", "'Squared'", "squared")),
    "train: a loss of torch": (
        lambda: API.train(model(), TASK, loss=torch.nn.MSELoss()),
        ("loss", "MSELoss", "squared"),
    ),
    "train: optimizer": (lambda: API.train(model(), TASK, optimizer="adamw"), ("optimizer", "'adamw'", "adam")),
    "train: steps": (lambda: API.train(model(), TASK, steps="3"), ("steps", "'3'")),
    "train: half a step": (lambda: API.train(model(), TASK, steps=2.5), ("steps", "2.5")),
    "train: steps before the first": (lambda: API.train(model(), TASK, steps=-1), ("steps", "-1")),
    "train: steps true": (lambda: API.train(model(), TASK, steps=True), ("steps", "True")),
    "train: rate": (lambda: API.train(model(), TASK, learning_rate="0.1"), ("learning_rate", "'0.1'")),
    "train: rate below 0": (lambda: API.train(model(), TASK, learning_rate=-0.1, steps=1), ("learning_rate", "-0.1")),
    "train: rate no number": (
        lambda: API.train(model(), TASK, learning_rate=np.nan, steps=1),
        ("learning_rate", "nan"),
    ),
    "train: a result": (lambda: API.train(trained(), TASK), ("TrainingResult", ".model")),
    "evaluate: a baseline": (
        lambda: API.evaluate(API.baselines.Baseline("least squares"), TASK),
        ("Baseline", "predict"),
    ),
    "evaluate: prompts": (lambda: API.evaluate(model(), TASK, prompts="16"), ("prompts", "'16'")),
    "evaluate: seeds": (lambda: API.evaluate(model(), TASK, prompts=4, seeds="2"), ("seeds", "'2'")),
    "evaluate: no task": (lambda: API.evaluate(model(), None), ("task", "None")),
    "model: seeds": (lambda: model(seeds="2"), ("seeds", "'2'")),
    "model: seeds as text in a list": (lambda: model(seeds=["0", "1"]), ("seeds", "'0'")),
    "model: seeds 2.0": (lambda: model(seeds=2.0), ("seeds", "2.0")),
    "model: no seed": (lambda: model(seeds=[]), ("seeds",)),
    "model: gpt2": (lambda: API.models.GPT2Transformer(d_X=3, seeds="2"), ("seeds", "'2'")),
    "predict: a task": (lambda: model().predict(TASK), ("prompts", "LinearRegression")),
    "predict: a tensor": (lambda: model().predict(torch.zeros(1, 5, 4)), ("prompts", "Tensor")),
    "predict: one layer": (
        lambda: API.models.SoftmaxReLUTransformer(d_X=8, d_Y=8, width=4).predict(API.tasks.PatternClassification()),
        ("prompts", "PatternClassification"),
    ),
    "baseline: a tensor": (lambda: API.baselines.Baseline("averaging").predict(torch.zeros(2)), ("prompts", "Tensor")),
    "baseline: name": (lambda: API.baselines.Baseline("OLS"), ("'OLS'", "least squares")),
    "sweep: a mapping": (lambda: API.sweep({"papers": "li2024"}), ("papers",)),
    "llm: shots as text": (lambda: LLM.evaluate(NOWHERE, shots="four"), ("shots",)),
    "llm: shots of attention": (lambda: LLM.attention(NOWHERE, shots=[4, 8]), ("shots", "[4, 8]")),
    "llm: half a shot": (lambda: LLM.evaluate(NOWHERE, shots=1.5), ("shots", "1.5")),
    "llm: unknown setting": (lambda: LLM.evaluate(NOWHERE, query=3), ("query", "queries")),
    "llm: a model of ours": (lambda: LLM.evaluate(model()), ("MODEL", "LinearAttention")),
    "llm: settings": (lambda: LLM.measure_pruning(NOWHERE, settings={"rates": [0.1]}), ("settings", "PruneSettings")),
    "llm: one unknown selector": (lambda: LLM.compare_selectors(NOWHERE, selectors="bm52"), ("bm52", "bm25")),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused_in_one_line_that_names_it(case: str) -> None:
    call, words = CASES[case]
    with pytest.raises(icl.BadRequest) as refused:
        call()
    told = str(refused.value)
    assert "\n" not in told
    for word in words:
        assert says(told, word)


@pytest.mark.parametrize("shots", [4, [4], (4,), np.int64(4)], ids=str)
def test_one_number_of_shots_is_enough(shots: Any) -> None:
    with pytest.raises(icl.BadRequest, match="MODEL"):  # all else is right
        LLM.evaluate(NOWHERE, shots=shots)


@pytest.mark.parametrize("seeds", [2, [0, 1], range(2), np.arange(2), torch.arange(2), (np.int64(0), 1)], ids=repr)
def test_seeds_of_every_kind_are_the_same_runs(seeds: Any) -> None:
    assert model(seeds=seeds).run_count == 2
    for one, other in zip(model(seeds=seeds).parameters(), model(seeds=2).parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_training_is_the_same_whatever_is_around_the_call(around: Any) -> None:
    plain = API.train(model(), TASK, steps=3, batch_size=4).model
    with around():
        inside = API.train(model(), TASK, steps=3, batch_size=4).model
        assert torch.is_grad_enabled() == (around is torch.enable_grad)
    assert any(
        not torch.equal(one, other) for one, other in zip(inside.parameters(), model().parameters(), strict=True)
    )
    for one, other in zip(inside.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.requires_grad


def test_what_inference_mode_trained_can_be_trained_on() -> None:
    with torch.inference_mode():
        first = API.train(model(), TASK, steps=2, batch_size=4).model
    again = API.train(first, TASK, steps=2, batch_size=4).model
    plain = API.train(API.train(model(), TASK, steps=2, batch_size=4).model, TASK, steps=2, batch_size=4).model
    for one, other in zip(again.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
