"""Linear regression in context: refusals, moments of every setting, streams."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.models import GPT2Transformer, LinearAttention
from iclscope.tasks import LinearRegression, stack_tasks, task_from_settings
from iclscope.tasks.prompts import PromptSize

FULL = ((1.5, 0.4), (0.4, 0.8))
SPREAD = 4.5


def drawn(prompts: int = 40_000, **settings: Any) -> Any:
    """Many prompts of one run, in double precision."""
    task = LinearRegression(**{"d_X": 2, "length": 3, "inputs": "gaussian", **settings})
    return task.sampler([0], dtype=torch.float64).prompts(prompts, purpose="test")


def assert_mean(values: torch.Tensor, expected: Any) -> None:
    """The mean over the first axis is as expected, up to chance."""
    flat = values.reshape(len(values), -1).numpy()
    spread = flat.std(axis=0) / math.sqrt(len(flat))
    assert (np.abs(flat.mean(axis=0) - np.asarray(expected, dtype=float).ravel()) <= SPREAD * spread + 1e-12).all()


def second_moment(x: torch.Tensor) -> torch.Tensor:
    """The products x xᵀ of each prompt's point."""
    return x[:, :, None] * x[:, None, :]


@pytest.mark.parametrize(
    ("settings", "context", "query"),
    [
        ({}, np.eye(2), np.eye(2)),
        ({"inputs": "uniform"}, np.eye(2) / 12, np.eye(2) / 12),
        ({"inputs": "uniform", "half_width": 1.0}, np.eye(2) / 3, np.eye(2) / 3),
        ({"covariance": FULL}, FULL, FULL),
        ({"covariance": "exponential"}, np.eye(2), np.eye(2)),
        ({"covariance": FULL, "x_scale": 2.0}, 4 * np.array(FULL), 4 * np.array(FULL)),
        ({"covariance": FULL, "query_scale": 3.0}, FULL, 9 * np.array(FULL)),
        ({"query_covariance": FULL}, np.eye(2), FULL),
        ({"covariance": FULL, "query_covariance": ((4.0, 0.0), (0.0, 0.1)), "x_scale": 0.5}, np.array(FULL) / 4,
         np.diag([1.0, 0.025])),
    ],
)  # fmt: skip
def test_inputs_have_their_covariance(settings: dict[str, Any], context: Any, query: Any) -> None:
    x = drawn(**settings).inputs[0]
    for point in (0, 2):
        assert_mean(x[:, point], np.zeros(2))
        assert_mean(second_moment(x[:, point]), context)
    assert_mean(second_moment(x[:, 3]), query)
    # Points of a prompt are not correlated.
    assert_mean(x[:, 0, :, None] * x[:, 3, None, :], np.zeros((2, 2)))


def test_random_covariances_belong_to_a_prompt() -> None:
    """E λ = 1, E λ² = 2 for Exp(1): E x⁴ = 3 · 2, and between points of a prompt E x² x'² = 2."""
    x = drawn(200_000, covariance="exponential").inputs[0].square()
    assert_mean(x[:, 0].square(), [6, 6])
    assert_mean(x[:, 0] * x[:, 3], [2, 2])
    assert_mean(x[:, 0, 0] * x[:, 3, 1], 1)


def test_prompts_share_a_random_covariance_where_they_should() -> None:
    """With very long prompts the variances can be read off."""
    variances = drawn(7, covariance="exponential", prompts_per_covariance=3, length=4000).inputs[0].square().mean(dim=1)
    ratio = variances[:, None] / variances[None]
    together = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    same = together[:, None] == together[None]
    assert (ratio[same] - 1).abs().max() < 0.2
    assert (ratio[~same] - 1).abs().amax(dim=1).min() > 0.2


@pytest.mark.parametrize(
    ("settings", "mean", "second"),
    [
        ({}, 0, np.eye(2)),
        ({"weight_scale": 3.0}, 0, 9 * np.eye(2)),
        ({"weight": (1.0, -2.0)}, [1, -2], [[1, -2], [-2, 4]]),
        ({"weight": (1.0, -2.0), "weight_scale": 0.5}, [0.5, -1], [[0.25, -0.5], [-0.5, 1]]),
    ],
)
def test_answers_are_linear_in_the_inputs(settings: dict[str, Any], mean: Any, second: Any) -> None:
    prompts = drawn(5000, **settings)
    # Four points of two dimensions say what w is, and that there is one.
    x, y = prompts.inputs[0], prompts.answers[0]
    w = torch.linalg.lstsq(x, y[:, :, None]).solution[:, :, 0]
    assert torch.einsum("bpd,bd->bp", x, w) == pytest.approx(y, abs=1e-9)
    assert_mean(w, np.broadcast_to(mean, 2))
    assert_mean(second_moment(w), second)
    assert torch.equal(prompts.values, prompts.answers)
    assert torch.equal(prompts.labels, prompts.values[:, :, -1])


def test_noise_is_on_answers_only() -> None:
    prompts = drawn(noise=0.7)
    noise = (prompts.answers - prompts.values)[0]
    assert_mean(noise, np.zeros(4))
    assert_mean(noise.square(), [0.49] * 4)
    quiet = drawn()
    assert torch.equal(quiet.values, prompts.values), "noise has a stream of its own"
    assert torch.equal(quiet.labels, prompts.labels), "predictions are compared with f(x) itself"


def test_some_examples_have_answers_that_are_noise() -> None:
    """So many of every context, anywhere in it, each N(0, 1); all else as without them."""
    plain, prompts = drawn(), drawn(noise_answers=2)
    changed = (prompts.answers != plain.answers)[0]
    assert changed.sum(dim=1).tolist() == [2] * len(changed)
    assert not changed[:, 3].any(), "the query's answer is its own"
    assert_mean(changed[:, :3].double(), [2 / 3] * 3)
    noise = prompts.answers[0][changed]
    assert_mean(noise, 0)
    assert_mean(noise.square(), 1)
    assert_mean(noise * plain.answers[0][changed], 0)
    assert torch.equal(prompts.inputs, plain.inputs)
    assert torch.equal(prompts.labels, plain.labels)
    task = LinearRegression(d_X=2, length=3, noise_answers=2)
    assert task.summary()["noise answers"] == 2
    with pytest.raises(BadRequest, match="length of a schedule"):
        task.sampler([0]).prompts(7, purpose="test", size=PromptSize(1))


def test_predictions_at_every_x() -> None:
    plain, every = drawn(50), drawn(50, predictions="every")
    assert torch.equal(plain.inputs, every.inputs)
    assert torch.equal(every.labels, every.values)
    assert torch.equal(every.labels[:, :, -1], plain.labels)
    assert not LinearRegression(predictions="every").query_only
    model = GPT2Transformer(seeds=2, d_X=2, positions=9, layers=1, heads=1, embedding=4)
    task = LinearRegression(d_X=2, length=3, inputs="gaussian", covariance="exponential", predictions="every")
    assert model.predict(task.sampler([0, 1]).prompts(5, purpose="test")).output.shape == (2, 5, 4)
    with pytest.raises(BadRequest, match="linear attention answers one query"):
        LinearAttention(d_X=2).check_task(task)


def test_a_curriculum_leaves_dimensions_out() -> None:
    task = LinearRegression(d_X=3, length=5, inputs="gaussian", covariance="exponential", predictions="every")
    whole, fewer = (task.sampler([0]).prompts(9, purpose="test", size=PromptSize(4, active)) for active in (3, 2))
    assert torch.equal(whole.inputs[..., :2], fewer.inputs[..., :2])
    assert not fewer.inputs[..., 2].any()
    task.check_dimensions(2)
    for other in (task.replace(covariance=((1, 0, 0), (0, 1, 0), (0, 0, 2))), LinearRegression(d_X=3)):
        with pytest.raises(BadRequest, match="dimensions of a curriculum"):
            other.check_dimensions(2)
        with pytest.raises(BadRequest, match="dimensions of a schedule"):
            other.sampler([0]).prompts(9, purpose="test", size=PromptSize(4, 2))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"inputs": "uniform", "half_width": 1.0},
        {"covariance": FULL, "x_scale": 2.0, "weight_scale": 0.5},
        {"covariance": FULL, "weight": (1.0, -2.0)},
        {"covariance": "exponential"},
    ],
)
def test_scale_is_what_predicting_0_errs(settings: dict[str, Any]) -> None:
    prompts = drawn(100_000, **settings)
    task = LinearRegression(**{"d_X": 2, "length": 3, "inputs": "gaussian", **settings})
    assert_mean(prompts.labels[0].square(), task.scale)


@given(seed=st.integers(0, 10**6), step=st.integers(0, 10**6))
def test_a_batch_is_a_function_of_seed_purpose_and_step(seed: int, step: int) -> None:
    task = LinearRegression(d_X=2, length=3, inputs="gaussian", covariance="exponential", noise=1.0)
    both, alone = task.sampler([seed, seed + 1]), task.sampler([seed])
    ours, other = both.prompts(4, purpose="a", step=step), alone.prompts(4, purpose="a", step=step)
    for name in ("inputs", "answers", "values"):
        assert torch.equal(getattr(ours, name)[:1], getattr(other, name))
        assert torch.equal(getattr(both.runs([1]).prompts(4, purpose="a", step=step), name), getattr(ours, name)[1:])
        assert not torch.equal(getattr(ours, name)[0], getattr(ours, name)[1])
        for changed in (alone.prompts(4, purpose="b", step=step), alone.prompts(4, purpose="a", step=step + 1)):
            assert not torch.equal(getattr(changed, name), getattr(other, name))


def test_a_query_shift_leaves_the_context_as_it_is() -> None:
    plain, shifted = drawn(8), drawn(8, query_covariance=FULL)
    assert torch.equal(plain.inputs[:, :, :-1], shifted.inputs[:, :, :-1])
    assert not torch.equal(plain.inputs[:, :, -1], shifted.inputs[:, :, -1])


def test_sizes() -> None:
    task = LinearRegression(d_X=3, length=5)
    prompts = task.sampler([0, 1]).prompts(7, purpose="test", size=PromptSize(2))
    assert prompts.inputs.shape == (2, 7, 3, 3)
    assert prompts.inputs.dtype == torch.float32
    assert bool((prompts.examples().query_at == 2).all())
    assert (task.length_range, task.d_Y, task.query_only, task.real_answers) == ((5, 5), 1, True, True)
    with pytest.raises(BadRequest, match="dimensions of a schedule"):
        task.sampler([0]).prompts(7, purpose="test", size=PromptSize(2, 2))


def test_settings_survive_a_round_trip_and_are_described() -> None:
    task = LinearRegression(d_X=2, inputs="gaussian", covariance=FULL, query_covariance=FULL, weight=(1.0, 2.0))
    assert task_from_settings(task.model_dump(mode="json")) == task
    assert task.summary() == {
        "functions": "linear", "d": 2, "N": 10, "x": "N(0, Λ)", "Λ": "given", "Λ of the query": "given"
    }  # fmt: skip
    assert task.replace(noise=0.5).summary()["noise"] == 0.5
    assert stack_tasks([task, task], [0, 1]).prompts(3, purpose="test").inputs.shape == (2, 3, 11, 2)
    with pytest.raises(BadRequest, match="equal tasks"):
        stack_tasks([task, task.replace(length=3)], [0, 1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"covariance": ((1.0, 0.5), (0.0, 1.0))}, ("covariance", "symmetric")),
        ({"covariance": ((1.0, 2.0), (2.0, 1.0))}, ("eigenvalue of covariance", "-1", "positive definite")),
        ({"covariance": ((1.0, 1.0), (1.0, 1.0))}, ("eigenvalue of covariance", "positive definite")),
        ({"covariance": ((1.0,),)}, ("rows of covariance", "[1]", "d_X = 2")),
        ({"covariance": ((1.0, 0.0), (0.0, math.nan))}, ("covariance", "nan", "finite")),
        ({"covariance": ((1.0, 0.0), (0.0, math.inf))}, ("covariance", "inf", "finite")),
        ({"covariance": "wishart"}, ("covariance", "wishart")),
        ({"query_covariance": ((1.0, 2.0), (2.0, 1.0))}, ("eigenvalue of query_covariance", "positive definite")),
        ({"query_covariance": ((1.0,),)}, ("rows of query_covariance",)),
        ({"inputs": "uniform", "covariance": FULL}, ("covariance", "gaussian")),
        ({"inputs": "uniform", "query_covariance": FULL}, ("query_covariance", "gaussian")),
        ({"prompts_per_covariance": 0}, ("prompts_per_covariance", "0")),
        ({"prompts_per_covariance": 4}, ("prompts_per_covariance", "4", "exponential")),
        ({"weight": (1.0,)}, ("entries of weight", "1", "d_X = 2")),
        ({"weight": (1.0, math.nan)}, ("weight", "nan", "finite")),
        ({"x_scale": 0.0}, ("x_scale", "0")),
        ({"query_scale": 0.0}, ("query_scale", "0")),
        ({"weight_scale": 0.0}, ("weight_scale", "0")),
        ({"x_scale": math.inf}, ("x_scale", "inf", "finite")),
        ({"half_width": 0.0}, ("half_width", "0")),
        ({"noise": -1.0}, ("noise", "-1")),
        ({"noise": math.nan}, ("noise", "nan")),
        ({"length": -1}, ("length", "-1")),
        ({"d_X": 0}, ("d_X", "0")),
        ({"noise_answers": 11}, ("noise_answers", "11", "at most length = 10")),
        ({"noise_answers": -1}, ("noise_answers", "-1")),
        ({"predictions": "every", "query_scale": 2.0}, ("predictions", "every", "query")),
        ({"predictions": "every", "query_covariance": FULL}, ("predictions", "every", "query")),
        ({"predictions": "some"}, ("predictions", "some")),
        ({"nosuch": 1}, ("nosuch",)),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        LinearRegression(**{"d_X": 2, "inputs": "gaussian", **settings})
    assert all(says(str(refusal.value), word) for word in words), str(refusal.value)
    assert "\n" not in str(refusal.value)
