"""The Lasso, against scikit-learn fitted one prompt and α at a time."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Lasso
from torch import Tensor

from iclscope.baselines.regression import LASSO_ALPHAS, lasso, lasso_path_predictions
from iclscope.core.errors import BadRequest

# The package's own name "lasso" is the function.
module: Any = importlib.import_module("iclscope.baselines.regression.lasso_paths")

Prompts = tuple[Tensor, Tensor, Tensor]


def make_prompts(batch: int, k: int, d: int = 8, *, signs: bool = False, seed: int = 0) -> Prompts:
    """Functions of two coordinates, observed with noise, at normal inputs; or linear functions of ties, at ±1."""
    draw = torch.Generator().manual_seed(seed)
    inputs, query = (torch.randn(batch, *shape, generator=draw, dtype=torch.float64) for shape in ((k, d), (d,)))
    noise, weights = torch.randn(batch, k, generator=draw), torch.randn(d, generator=draw, dtype=torch.float64)
    if signs:
        return inputs.sign(), inputs.sign() @ weights, query
    return inputs, 2 * inputs[..., 0] - inputs[..., 1] + 0.3 * noise, query


def one_at_a_time(inputs: Tensor, targets: Tensor, query: Tensor, alpha: float) -> list[float]:
    answers = []
    for x, y, q in zip(inputs.numpy(), targets.numpy(), query.numpy(), strict=True):
        model = Lasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(x, y)
        answers.append(float(q @ model.coef_))
    return answers


def objective(inputs: Tensor, targets: Tensor, weights: Tensor, alpha: float) -> Tensor:
    residuals = targets - (inputs @ weights[..., None])[..., 0]
    return residuals.square().mean(-1) / 2 + alpha * weights.abs().sum(-1)


def coefficients(inputs: Tensor, targets: Tensor, alpha: float) -> Tensor:
    """The weights behind the answers, read off with one query per coordinate."""
    d = inputs.shape[-1]
    queries = torch.eye(d, dtype=inputs.dtype)
    return torch.stack([lasso(inputs, targets, q.expand(len(inputs), -1), alpha=alpha) for q in queries], -1)


def test_the_alphas_of_the_paper() -> None:
    assert LASSO_ALPHAS == (1, 0.1, 0.01, 0.001, 0.0001)


@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_against_single_fits(k: int) -> None:
    prompts = make_prompts(6, k)
    answers = lasso_path_predictions(*prompts, (1.0, 0.1, 0.01))
    for alpha, of_alpha in zip((1.0, 0.1, 0.01), answers, strict=True):
        np.testing.assert_allclose(of_alpha, one_at_a_time(*prompts, alpha), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.001, 0.0001])
def test_small_alphas_against_single_fits(alpha: float) -> None:
    prompts = make_prompts(6, 24)
    np.testing.assert_allclose(lasso(*prompts, alpha=alpha), one_at_a_time(*prompts, alpha), rtol=1e-6)


def test_the_path_equals_single_alphas_in_any_order() -> None:
    prompts = make_prompts(5, 6)
    alphas = (0.01, 1.0, 0.1, 1.0)
    path = lasso_path_predictions(*prompts, alphas)
    for alpha, of_alpha in zip(alphas, path, strict=True):
        torch.testing.assert_close(of_alpha, lasso(*prompts, alpha=alpha), rtol=1e-9, atol=1e-9)


def test_the_optimality_conditions_hold() -> None:
    """At the minimum, inputs correlate with the residual by αk at most, and by exactly that where a weight is not 0."""
    inputs, targets, _ = make_prompts(20, 6)
    for alpha in LASSO_ALPHAS:
        weights = coefficients(inputs, targets, alpha)
        residuals = targets - (inputs @ weights[..., None])[..., 0]
        slopes = (inputs.mT @ residuals[..., None])[..., 0] / 6
        assert (slopes.abs() <= alpha * (1 + 1e-6) + 1e-12).all()
        used = weights.abs() > 1e-9
        torch.testing.assert_close(slopes[used], alpha * weights[used].sign(), rtol=1e-5, atol=1e-12)
        assert used.any()
        assert alpha < 0.1 or not used.all()


@pytest.mark.parametrize("k", [2, 4, 6])
def test_tied_inputs_go_to_coordinate_descent(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be several minimizers, so that the objective is compared, and not the answers."""
    calls = []
    by_coordinates = module._by_coordinates
    monkeypatch.setattr(module, "_by_coordinates", lambda *args: calls.append(1) or by_coordinates(*args))
    inputs, targets, _ = make_prompts(12, k, 16, signs=True)
    for alpha in (0.1, 0.001):
        found = objective(inputs, targets, coefficients(inputs, targets, alpha), alpha)
        for i, (x, y) in enumerate(zip(inputs, targets, strict=True)):
            model = Lasso(alpha=alpha, fit_intercept=False, tol=1e-10, max_iter=10**6).fit(x.numpy(), y.numpy())
            best = objective(x, y, torch.from_numpy(model.coef_), alpha)
            assert abs(float(found[i] - best)) <= 1e-8 * float(y.square().mean())
    assert calls


def test_a_path_that_nobody_finds_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Any, y: Any, alphas: Any) -> Any:
        return np.full((x.shape[1], len(alphas)), 9.0)

    monkeypatch.setattr(module, "_by_angles", wrong)
    monkeypatch.setattr(module, "_by_coordinates", wrong)
    with pytest.raises(RuntimeError, match="duality gap"):
        lasso(*make_prompts(2, 3), alpha=0.1)


def test_a_wrong_path_is_noticed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = make_prompts(4, 12)
    expected = lasso_path_predictions(*prompts, LASSO_ALPHAS)
    by_angles = module._by_angles

    def right_only_for_the_first_alpha(x: Any, y: Any, alphas: Any) -> Any:
        found = by_angles(x, y, alphas)
        found[:, 1:] += 0.1
        return found

    monkeypatch.setattr(module, "_by_angles", right_only_for_the_first_alpha)
    found = lasso_path_predictions(*prompts, LASSO_ALPHAS)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@given(scale=st.floats(0.01, 100), k=st.integers(1, 10), seed=st.integers(0, 10**6))
def test_targets_and_alpha_scale_together(scale: float, k: int, seed: int) -> None:
    inputs, targets, query = make_prompts(2, k, 5, seed=seed)
    expected = scale * lasso(inputs, targets, query, alpha=0.1)
    torch.testing.assert_close(
        lasso(inputs, scale * targets, query, alpha=0.1 * scale), expected, rtol=1e-6, atol=1e-6 * scale
    )


def test_a_large_alpha_uses_nothing_and_a_tiny_one_all() -> None:
    inputs, targets, query = make_prompts(5, 12)
    assert (lasso(inputs, targets, query, alpha=1e6) == 0).all()
    least_squares = torch.linalg.lstsq(inputs, targets[..., None]).solution[..., 0]
    torch.testing.assert_close(lasso(inputs, targets, query, alpha=1e-12), (least_squares * query).sum(-1))


def test_zero_targets_and_zero_inputs_are_answered_with_zero() -> None:
    inputs, targets, query = make_prompts(3, 4)
    assert (lasso(inputs, torch.zeros_like(targets), query, alpha=0.1) == 0).all()
    assert (lasso(torch.zeros_like(inputs), targets, query, alpha=0.1) == 0).all()


@pytest.mark.parametrize("alphas", [[], [0.0], [0.1, -1.0], [math.nan], [math.inf]])
def test_bad_alphas_are_refused(alphas: list[float]) -> None:
    with pytest.raises(BadRequest, match="alphas"):
        lasso_path_predictions(*make_prompts(1, 2), alphas)


def test_a_path_that_scikit_learn_loses_is_found_by_coordinates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two coordinates leave at one knot, ``lars_path`` raises: one prompt in ten thousand of sparse functions."""

    def lost(*_arguments: Any, **_settings: Any) -> None:
        raise ValueError("shapes (22,4) and (3,) not aligned: 4 (dim 1) != 3 (dim 0)")

    prompts = make_prompts(4, 12)
    expected = lasso_path_predictions(*prompts, LASSO_ALPHAS)
    monkeypatch.setattr("sklearn.linear_model.lars_path", lost)
    torch.testing.assert_close(lasso_path_predictions(*prompts, LASSO_ALPHAS), expected, rtol=1e-4, atol=1e-4)
