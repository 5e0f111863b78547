"""The construction against gradients, losses against Monte Carlo, line searches against grids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import says
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.tasks import LinearRegression

TASKS = 40_000


def drawn(
    d: int, length: int, *, tasks: int = TASKS, half_width: float | None = 0.5, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Context inputs, weights and queries, in float64; normal inputs without a half width."""
    generator = np.random.default_rng(seed)
    shape = (tasks, length + 1, d)
    x = generator.standard_normal(shape) if half_width is None else generator.uniform(-half_width, half_width, shape)
    x = torch.from_numpy(x)
    return x[:, :-1], torch.from_numpy(generator.standard_normal((tasks, d))), x[:, -1]


def answers(x: Tensor, w: Tensor) -> Tensor:
    return torch.einsum("tnd,td->tn", x, w)


def half_squares(prediction: Tensor, w: Tensor, query: Tensor) -> tuple[float, float]:
    """Half the mean squared error and its standard error."""
    errors = (prediction - (w * query).sum(dim=1)).square() / 2
    return float(errors.mean()), float(errors.std()) / math.sqrt(len(errors))


def plain_layer(tokens: Tensor, weights: theory.LayerWeights, length: int) -> Tensor:
    """The paper's formula, token by token, P with its 1/N; the last token is the query's."""
    context = tokens[:-1]
    moved = []
    for token in tokens:
        total = torch.zeros_like(token)
        for other in context:
            total += other * torch.dot(weights.W_K @ other, weights.W_Q @ token)
        moved.append(token + (weights.P / length) @ weights.W_V @ total)
    return torch.stack(moved)


def descended(x: Tensor, y: Tensor, W: Tensor, eta: float, steps: int) -> Tensor:
    """W after steps of gradient descent on L(W), by automatic differentiation."""
    for _ in range(steps):
        W = W.detach().requires_grad_()
        loss = (x @ W.T - y).square().sum() / (2 * len(x))
        (gradient,) = torch.autograd.grad(loss, W)
        W = W - eta * gradient
    return W.detach()


@pytest.mark.parametrize("count", [0, 2, 5, 6])
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_the_loss_with_answers_that_are_noise(count: int, noise: float) -> None:
    """Against prompts of the task itself, at an η that is not the best."""
    task = LinearRegression(d_X=3, length=6, noise_answers=count, noise=noise)
    prompts = task.sampler([0], dtype=torch.float64).prompts(TASKS, purpose="test")
    x, y = prompts.inputs[:, :, :-1], prompts.answers[:, :, :-1]
    errors = theory.gradient_descent(x, y, prompts.inputs[:, :, -1], eta=5.0) - prompts.labels
    losses = errors.square()[0] / 2
    expected = theory.one_step_loss(
        5.0, d=3, length=6, moments=theory.uniform_moments(0.5), noise=noise, noise_answers=count
    )
    assert abs(float(losses.mean()) - expected) < 4 * float(losses.std()) / math.sqrt(TASKS)


@pytest.mark.parametrize("count", [-1, 7])
def test_no_more_noise_answers_than_examples(count: int) -> None:
    with pytest.raises(BadRequest, match="noise_answers"):
        theory.one_step_loss(1.0, d=3, length=6, moments=theory.uniform_moments(0.5), noise_answers=count)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("d_Y", [1, 3])
@pytest.mark.parametrize("from_zero", [True, False])
def test_layers_of_the_construction_are_steps_of_gradient_descent(steps: int, d_Y: int, from_zero: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    x, y, query = (torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in ((6, 4), (6, d_Y), (4,)))
    W0 = torch.zeros(d_Y, 4, dtype=torch.float64)
    if not from_zero:
        W0 = torch.randn(d_Y, 4, dtype=torch.float64, generator=generator)
    weights = theory.construction(d_X=4, eta=0.3, W0=W0)
    tokens = torch.cat([torch.cat([x, y], dim=1), torch.cat([query, -W0 @ query])[None]])
    for _ in range(steps):
        tokens = plain_layer(tokens, weights, 6)
    W = descended(x, y, W0, 0.3, steps)
    torch.testing.assert_close(-tokens[-1, 4:], W @ query, rtol=1e-12, atol=1e-12)
    # Context tokens hold what is left to explain, up to W0, from which the paper starts.
    torch.testing.assert_close(tokens[:-1, 4:], y - x @ (W - W0).T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_predictions_of_gradient_descent_are_those_of_gradients(steps: int) -> None:
    x, w, query = drawn(4, 6, tasks=3, half_width=None)
    y = answers(x, w)
    found = theory.gradient_descent(x, y, query, eta=0.2, steps=steps)
    zero = torch.zeros(1, 4, dtype=torch.float64)
    for i in range(3):
        W = descended(x[i], y[i][:, None], zero, 0.2, steps)
        assert float(found[i]) == pytest.approx(float(W @ query[i]), rel=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_layers_of_the_construction_with_gamma_are_gd_plus_plus(steps: int) -> None:
    """Also the identity (I − γXXᵀ)x of the paper, written out."""
    x, w, query = drawn(3, 5, tasks=1, half_width=None)
    y, gamma, eta = answers(x, w), 0.03, 0.4
    weights = theory.construction(d_X=3, eta=eta, gamma=gamma, length=5)
    tokens = torch.cat(
        [torch.cat([x[0], y[0][:, None]], dim=1), torch.cat([query[0], torch.zeros(1, dtype=torch.float64)])[None]]
    )
    for _ in range(steps):
        moments = tokens[:-1, :3].T @ tokens[:-1, :3]
        expected = tokens[:, :3] @ (torch.eye(3, dtype=torch.float64) - gamma * moments)
        tokens = plain_layer(tokens, weights, 5)
        torch.testing.assert_close(tokens[:, :3], expected, rtol=1e-12, atol=1e-12)
    found = theory.gradient_descent(x, y, query, eta=eta, steps=steps, gamma=gamma)
    assert float(found[0]) == pytest.approx(-float(tokens[-1, 3]), rel=1e-12)


def test_gamma_after_the_last_step_is_not_read() -> None:
    x, w, query = drawn(3, 5, tasks=4)
    one, other = (theory.gradient_descent(x, answers(x, w), query, eta=2.0, gamma=gamma) for gamma in (0.0, 0.3))
    assert torch.equal(one, other)


CASES: list[dict[str, Any]] = [
    {"d": 10, "length": 10, "half_width": 0.5},
    {"d": 10, "length": 10, "half_width": 1.0},
    {"d": 1, "length": 3, "half_width": 1.0},
    {"d": 3, "length": 1, "half_width": 0.7},
    {"d": 6, "length": 17, "half_width": 2.0},
    {"d": 5, "length": 8, "half_width": None},
    {"d": 6, "length": 8, "half_width": 1.0, "relevant": 2},
    {"d": 4, "length": 7, "half_width": 1.0, "weight_scale": 2.0},
    {"d": 4, "length": 7, "half_width": 1.0, "noise": 0.8},
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.6])
def test_the_loss_of_one_step_is_the_mean_over_tasks(case: dict[str, Any], factor: float) -> None:
    changes = {name: value for name, value in case.items() if name in ("relevant", "weight_scale", "noise")}
    d, length, h = case["d"], case["length"], case["half_width"]
    moments = theory.gaussian_moments() if h is None else theory.uniform_moments(h)
    x, w, query = drawn(d, length, half_width=h)
    w = w * changes.get("weight_scale", 1.0)
    w[:, changes.get("relevant", d) :] = 0.0
    y = answers(x, w)
    y = y + changes.get("noise", 0.0) * torch.randn(*y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))
    eta = factor * theory.optimal_step(d=d, length=length, moments=moments, **changes).eta
    mean, spread = half_squares(theory.gradient_descent(x, y, query, eta=eta), w, query)
    found = theory.one_step_loss(eta, d=d, length=length, moments=moments, **changes)
    assert found == pytest.approx(mean, abs=4.5 * spread)


@pytest.mark.parametrize(("half_width", "eta", "loss"), [(0.5, 6.06, 0.2062), (1.0, 1.515, 0.825)])
def test_the_values_of_the_paper_and_its_code(half_width: float, eta: float, loss: float) -> None:
    settings = {"d": 10, "length": 10, "moments": theory.uniform_moments(half_width)}
    assert theory.optimal_step(**settings).eta == pytest.approx(eta, rel=1e-3)
    assert theory.optimal_step(**settings).loss == pytest.approx(loss, rel=1e-3)


sizes = st.integers(1, 30)
positive = st.floats(0.05, 20)


@given(d=sizes, length=sizes, half_width=positive, weight_scale=positive, noise=st.floats(0, 5))
def test_no_eta_is_better_than_the_optimal_one(
    d: int, length: int, half_width: float, weight_scale: float, noise: float
) -> None:
    settings: dict[str, Any] = {
        "d": d,
        "length": length,
        "moments": theory.uniform_moments(half_width),
        "weight_scale": weight_scale,
        "noise": noise,
    }
    eta = theory.optimal_step(**settings).eta
    best = theory.optimal_step(**settings).loss
    assert eta > 0
    assert best == pytest.approx(theory.one_step_loss(eta, **settings))
    for factor in (0.0, 0.9, 1.1, 2.0):
        assert best <= theory.one_step_loss(factor * eta, **settings) * (1 + 1e-9)


@given(d=sizes, length=sizes, half_width=positive)
def test_without_noise_the_optimum_has_a_closed_form(d: int, length: int, half_width: float) -> None:
    moments = theory.uniform_moments(half_width)
    m, M = moments
    settings = {"d": d, "length": length, "moments": moments}
    below = (length + d - 2) * m**2 + M
    assert theory.optimal_step(**settings).eta == pytest.approx(length * m / below, rel=1e-6)
    assert theory.optimal_step(**settings).loss == pytest.approx(0.5 * d * m * (1 - length * m**2 / below), rel=1e-6)


def test_more_examples_help_and_the_scale_of_inputs_goes_into_eta() -> None:
    losses = [
        theory.optimal_step(d=10, length=length, moments=theory.uniform_moments(0.5)).loss
        for length in (1, 5, 10, 100, 100_000)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.001 * losses[0]
    one, other = (
        theory.optimal_step(d=10, length=10, moments=theory.uniform_moments(1.0).scaled(factor)).eta
        for factor in (1.0, 3.0)
    )
    assert other == pytest.approx(one / 9)


@pytest.mark.parametrize(("steps", "gamma"), [(1, 0.0), (3, 0.0), (2, 0.17), (4, 0.1)])
def test_the_loss_of_k_steps_is_that_of_their_predictions(steps: int, gamma: float) -> None:
    x, w, query = drawn(5, 7, tasks=500)
    prediction = theory.gradient_descent(x, answers(x, w), query, eta=5.0, steps=steps, gamma=gamma)
    found = theory.steps_loss(theory.spectra(x, w, query), eta=5.0, steps=steps, gamma=gamma)
    assert found == pytest.approx(half_squares(prediction, w, query)[0], rel=1e-10)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_line_searches_find_what_a_grid_finds(steps: int) -> None:
    tasks = theory.spectra(*drawn(10, 10, tasks=1000))
    plain, plus = (theory.line_search(tasks, steps=steps, plus=plus) for plus in (False, True))
    etas, gammas = np.linspace(0.5, 40, 80), np.linspace(0.0, 0.3, 31)
    assert plain.loss <= min(theory.steps_loss(tasks, eta=eta, steps=steps) for eta in etas) * (1 + 1e-6)
    grid = [theory.steps_loss(tasks, eta=eta, steps=steps, gamma=gamma) for eta in etas for gamma in gammas]
    assert plus.loss <= min(grid) * (1 + 1e-6)
    assert plus.loss == theory.steps_loss(tasks, eta=plus.eta, steps=steps, gamma=plus.gamma)
    assert (plus.loss < 0.9 * plain.loss) if steps > 1 else plus == plain


def test_the_line_search_of_one_step_finds_the_exact_rate() -> None:
    found = theory.line_search(theory.spectra(*drawn(10, 10, tasks=10_000)), steps=1)
    settings = {"d": 10, "length": 10, "moments": theory.uniform_moments(0.5)}
    assert found.eta == pytest.approx(theory.optimal_step(**settings).eta, rel=0.03)
    assert found.loss == pytest.approx(theory.optimal_step(**settings).loss, rel=0.05)


def test_the_published_gamma_belongs_to_the_inputs_of_the_public_code() -> None:
    """0.179 at N = 10 is what U(−1/2, 1/2) gives; U(−1, 1) of the paper's text gives a quarter of that."""
    code, text = (
        theory.line_search(theory.spectra(*drawn(10, 10, tasks=5000, half_width=h)), steps=2, plus=True).gamma
        for h in (0.5, 1.0)
    )
    assert code == pytest.approx(theory.PUBLISHED_GAMMA[10], rel=0.1)
    assert text == pytest.approx(code / 4, rel=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.uniform_moments(0.0), ("half_width", "0.0", "positive")),
        (lambda: theory.uniform_moments(math.nan), ("half_width", "nan", "finite")),
        (lambda: theory.gaussian_moments(-1.0), ("deviation", "-1.0", "positive")),
        (lambda: theory.optimal_step(d=0, length=3, moments=theory.uniform_moments(1.0)), ("d", "0", "at least 1")),
        (
            lambda: theory.optimal_step(d=2, length=0, moments=theory.uniform_moments(1.0)).eta,
            ("length", "0", "at least 1"),
        ),
        (
            lambda: theory.optimal_step(d=2, length=2, relevant=3, moments=theory.uniform_moments(1.0)),
            ("relevant", "3", "d = 2"),
        ),
        (lambda: theory.construction(d_X=2, eta=math.inf), ("eta", "inf", "finite")),
        (lambda: theory.construction(d_X=0, eta=1.0), ("d_X", "0", "at least 1")),
        (lambda: theory.construction(d_X=2, eta=1.0, length=0), ("length", "0", "at least 1")),
        (lambda: theory.construction(d_X=2, eta=1.0, W0=torch.zeros(1, 3)), ("W0", "3", "d_X = 2")),
        (lambda: theory.line_search(theory.spectra(*drawn(2, 2, tasks=3)), steps=0), ("steps", "0", "at least 1")),
    ],
)
def test_refusals(call: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        call()
    assert all(says(str(refusal.value), word) for word in words)
