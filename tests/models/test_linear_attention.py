"""Linear self-attention: the batched forward pass against the papers' formulas, token by token, in float64."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import says
from torch import Tensor

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.models import GPT2Transformer, LinearAttention, LinearAttentionConfig, load_model
from iclscope.models.linear_attention import LinearAttentionPrediction
from iclscope.models.words import model_text
from iclscope.papers.zhang2024.theory import start_condition
from iclscope.tasks import FunctionClass, InContextExamples, LinearRegression, PatternClassification
from iclscope.tasks.function_classes import FunctionPrompts
from iclscope.tasks.prompts import PromptSize

D = 4


def random_model(runs: int = 2, **settings: Any) -> LinearAttention:
    """A model far from its initial values."""
    model = LinearAttention(seeds=runs, d_X=D, dtype=torch.float64, **settings)
    generator = torch.Generator().manual_seed(5)
    shape = model.W_KQ.shape
    W_KQ, W_PV = (torch.randn(shape, generator=generator, dtype=torch.float64) * 0.4 for _ in range(2))
    return model.with_weights(W_KQ, W_PV)


def drawn(runs: int = 2, batch: int = 3, length: int = 5, **settings: Any) -> FunctionPrompts:
    task = LinearRegression(d_X=D, length=length, half_width=1.0, **settings)
    return task.sampler(range(runs), dtype=torch.float64).prompts(batch, purpose="test")


def by_the_formula(
    model: LinearAttention, run: int, inputs: Tensor, answers: Tensor, query_at: int
) -> tuple[Tensor, Tensor, Tensor]:
    """One prompt: e_j ← e_j + W_PV Σ_i e_i (e_iᵀ W_KQ e_j) / N, all tokens one after the other."""
    N, config = query_at, model.config
    tokens = [torch.cat([x, y]) for x, y in zip(inputs, answers, strict=True)]
    for j in range(query_at, len(tokens)):
        tokens[j] = torch.cat([inputs[j], torch.zeros_like(answers[j])])
    attended = range(N + 1) if config.query_in_context else range(N)
    scores = torch.zeros(len(tokens), dtype=torch.float64)
    for layer in range(config.layers):
        index = 0 if config.recurrent else layer
        W_KQ, W_PV = model.W_KQ[run, index].detach(), model.W_PV[run, index].detach()
        for i in attended:
            scores[i] = torch.dot(tokens[i], W_KQ @ tokens[query_at]) / max(N, 1)
        moved = []
        for token in tokens:
            total = torch.zeros_like(token)
            for i in attended:
                total += tokens[i] * torch.dot(tokens[i], W_KQ @ token)
            moved.append(token + W_PV @ total / max(N, 1))
        tokens = moved
    return config.output_sign * tokens[query_at][-1], scores, torch.stack(tokens)


SETTINGS: list[dict[str, Any]] = [
    {"output_sign": -1},
    {"query_in_context": True},
    {"layers": 3, "output_sign": -1},
    {"layers": 3, "recurrent": True, "output_sign": -1},
    {"layers": 2, "query_in_context": True},
    {"layers": 2, "recurrent": True, "query_in_context": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("length", [0, 1, 5])
def test_predictions_are_those_of_the_formula(settings: dict[str, Any], length: int) -> None:
    model, prompts = random_model(**settings), drawn(length=length)
    found = model.predict(prompts)
    for run in range(2):
        for b in range(3):
            output, scores, tokens = by_the_formula(
                model, run, prompts.inputs[run, b], prompts.answers[run, b][:, None], length
            )
            torch.testing.assert_close(found.output[run, b].detach(), output, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(found.attention[run, b].detach(), scores, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(found.hidden[run, b].detach(), tokens[length], rtol=1e-12, atol=1e-12)


class Padded:
    """Prompts whose queries stand at different places, with padding behind them."""

    def __init__(self, prompts: FunctionPrompts, query_at: Tensor) -> None:
        self._prompts, self._query_at = prompts, query_at

    @property
    def labels(self) -> Tensor:
        return self._prompts.values.gather(2, self._query_at[..., None])[..., 0]

    def examples(self) -> InContextExamples:
        return InContextExamples(self._prompts.inputs, self._prompts.answers[..., None], self._query_at)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_what_stands_behind_a_query_is_padding(settings: dict[str, Any]) -> None:
    model, prompts = random_model(**settings), drawn()
    query_at = torch.tensor([[5, 2, 1], [3, 4, 1]])
    found = model.predict(Padded(prompts, query_at))
    for run in range(2):
        for b, at in enumerate(query_at[run].tolist()):
            output, scores, _ = by_the_formula(model, run, prompts.inputs[run, b], prompts.answers[run, b][:, None], at)
            torch.testing.assert_close(found.output[run, b].detach(), output, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(found.attention[run, b].detach(), scores, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_answer_to_the_query_is_never_read(settings: dict[str, Any]) -> None:
    model, prompts = random_model(**settings), drawn()
    told = prompts.answers.clone()
    told[..., -1] = 1e6
    assert torch.equal(model.predict(prompts).output, model.predict(replace(prompts, answers=told)).output)


@given(order=st.permutations(range(5)))
def test_the_order_of_the_context_does_not_matter(order: list[int]) -> None:
    model, prompts = random_model(layers=2), drawn()
    at = [*order, 5]
    shuffled = replace(prompts, inputs=prompts.inputs[:, :, at], answers=prompts.answers[:, :, at])
    torch.testing.assert_close(model.predict(prompts).output, model.predict(shuffled).output, rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_the_formula() -> None:
    """Numerically, in the weights and in the inputs of the query."""
    model, prompts = random_model(runs=1, layers=2, output_sign=-1), drawn(runs=1, batch=1)
    inputs = prompts.inputs.clone().requires_grad_()

    def output(W_KQ: Tensor, W_PV: Tensor, x: Tensor) -> Tensor:
        weights = {"W_KQ": W_KQ, "W_PV": W_PV}
        read: LinearAttentionPrediction = torch.func.functional_call(model, weights, (replace(prompts, inputs=x),))
        return read.output

    assert torch.autograd.gradcheck(output, (model.W_KQ, model.W_PV, inputs))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_runs_do_not_mix(settings: dict[str, Any]) -> None:
    model, prompts = random_model(runs=3, **settings), drawn(runs=3)
    together = model.predict(prompts).output
    for run in range(3):
        own = FunctionPrompts(
            prompts.inputs[[run]], prompts.answers[[run]], prompts.values[[run]], predict_at_every_point=False
        )
        torch.testing.assert_close(model.run(run).predict(own).output[0], together[run], rtol=1e-12, atol=1e-12)
    swapped = model.runs([2, 0])
    assert swapped.seeds == (2, 0)
    assert torch.equal(swapped.W_KQ, model.W_KQ[[2, 0]])


def test_initial_weights_are_a_function_of_the_seed_alone() -> None:
    together = LinearAttention(seeds=(4, 9), d_X=30, layers=3, initial_scale=0.05)
    alone = LinearAttention(seeds=(9,), d_X=30, layers=3, initial_scale=0.05)
    for name, weight in alone.state_dict().items():
        assert torch.equal(together.state_dict()[name][1], weight[0])
        assert float(weight.std()) == pytest.approx(0.05, rel=0.05)
        assert abs(float(weight.mean())) < 0.005
    assert not torch.equal(alone.W_KQ, alone.W_PV)
    assert torch.equal(together.untrained().W_KQ, together.W_KQ)
    assert LinearAttention(d_X=3, layers=4, recurrent=True).W_KQ.shape == (1, 1, 4, 4)


def test_zhangs_initial_weights() -> None:
    """Assumption 3.3: s·blockdiag(TTᵀ, 0) with ‖TTᵀ‖ = 1, and s in the last entry."""
    model = LinearAttention(seeds=2, d_X=D, initial="zhang", initial_scale=0.3, dtype=torch.float64)
    for run in range(2):
        W_KQ, W_PV = model.W_KQ[run, 0].detach(), model.W_PV[run, 0].detach()
        assert not W_KQ[D].any()
        assert not W_KQ[:, D].any()
        assert float(torch.linalg.matrix_norm(W_KQ[:D, :D])) == pytest.approx(0.3)
        assert float(torch.linalg.eigvalsh(W_KQ[:D, :D])[0]) > -1e-12
        expected = torch.zeros(D + 1, D + 1, dtype=torch.float64)
        expected[D, D] = 0.3
        assert torch.equal(W_PV, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_checkpoint_is_read_back_as_it_was(tmp_path: Path, dtype: torch.dtype) -> None:
    model = LinearAttention(seeds=(3, 5), d_X=D, layers=2, output_sign=-1, dtype=dtype)
    model.trained_on = (LinearRegression(d_X=D),) * 2
    model.save_pretrained(tmp_path)
    for loaded in (LinearAttention.from_pretrained(tmp_path), load_model(tmp_path)):
        assert isinstance(loaded, LinearAttention)
        assert (loaded.seeds, loaded.configs, loaded.trained_on) == (model.seeds, model.configs, model.trained_on)
        for name, weight in model.state_dict().items():
            assert loaded.state_dict()[name].dtype == dtype
            assert torch.equal(loaded.state_dict()[name], weight)
    with pytest.raises(BadRequest, match="LinearAttention"):
        GPT2Transformer.from_pretrained(tmp_path)


def test_a_copy_with_other_weights_leaves_the_model_as_it_is() -> None:
    model = LinearAttention(seeds=2, d_X=D, layers=2)
    before = model.W_KQ.clone()
    other = model.with_weights(torch.ones_like(model.W_KQ), torch.zeros_like(model.W_PV))
    assert torch.equal(model.W_KQ, before)
    assert bool((other.W_KQ == 1).all())
    assert (other.seeds, other.configs) == (model.seeds, model.configs)


def test_it_is_described_in_words() -> None:
    assert model_text(LinearAttention(d_X=D)) == "linear attention with 1 layer, 1 run (seed 0)"
    summary = LinearAttentionConfig(layers=3, recurrent=True).summary()
    assert summary["layers"] == "3, shared weights"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"d_X": 0}, ("d_X", "0")),
        ({"d_Y": 2}, ("d_Y", "2")),
        ({"layers": 0}, ("layers", "0")),
        ({"initial_scale": 0.0}, ("initial_scale", "0")),
        ({"initial_scale": float("inf")}, ("initial_scale", "inf", "finite")),
        ({"output_sign": 2}, ("output_sign", "2")),
        ({"initial": "zhang", "layers": 2}, ("layers", "2", "1 with initial = 'zhang'")),
        ({"heads": 2}, ("heads", "2", "output_sign")),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        LinearAttentionConfig(**settings)
    assert all(says(str(refusal.value), word) for word in words)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (LinearRegression(d_X=3), ("(3, 1)", "(4, 1)")),
        (PatternClassification(), ("(d_X, d_Y)", "(4, 1)")),
        (FunctionClass(d_X=D, length=5), ("predictions", "the query alone")),
    ],
)
def test_tasks_that_are_refused(task: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        LinearAttention(d_X=D).check_task(task)
    assert all(says(str(refusal.value), word) for word in words)


def test_any_length_will_do() -> None:
    model, sampler = random_model(runs=1), LinearRegression(d_X=D).sampler([0], dtype=torch.float64)
    for length in (1, 3, 40):
        model.check_task(LinearRegression(d_X=D, length=length))
        assert model.predict(sampler.prompts(2, purpose="test", size=PromptSize(length))).output.shape == (1, 2)


def test_configs_of_other_shapes_are_not_stacked() -> None:
    configs = [LinearAttentionConfig(d_X=D), LinearAttentionConfig(d_X=D, output_sign=-1)]
    with pytest.raises(BadRequest, match="equal sizes"):
        LinearAttention(configs=configs, seeds=(0, 1))


def test_a_start_that_breaks_the_condition_of_zhang_is_warned_of() -> None:
    task = LinearRegression(d_X=D, length=5, inputs="gaussian")
    size = 1e4 * start_condition(np.eye(D), 5, 0.01)
    small, large = (1.9 / size) ** 0.5, (2.1 / size) ** 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearAttention(d_X=D, initial="zhang", initial_scale=small).check_task(task)
        LinearAttention(d_X=D, initial_scale=large).check_task(task)
    with pytest.warns(UserWarning, match=r"breaks s²‖Γ‖√d < 2 \(it is 2\.1\)"):
        icl.train(LinearAttention(d_X=D, initial="zhang", initial_scale=large), task, steps=1, batch_size=2)
