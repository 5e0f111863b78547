"""Risks and shifts of Zhang 2024 against Monte Carlo at fixed seeds, and against each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from papers.test_theory_zhang2024 import covariance
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.papers.zhang2024 import theory as zhang2024

Array = np.ndarray
PROMPTS = 120_000


def predictions(product: Array, context: Array, answers: Array, query: Array) -> Array:
    """ŷ = x_qᵀ A (1/M) Σ y_i x_i, written out."""
    return np.einsum("bi,ij,bj->b", query, product, (answers[:, :, None] * context).mean(axis=1))


def is_the_mean_of(expected: float, values: Array) -> bool:
    return abs(values.mean() - expected) < 4 * values.std() / math.sqrt(len(values))


def draw(seed: int, Lambda: Array, M: int) -> Array:
    """M examples and a query per prompt."""
    root = np.linalg.cholesky(Lambda)
    return np.random.default_rng(seed).normal(size=(PROMPTS, M + 1, len(Lambda))) @ root.T


FIXED = np.array([1.5, -1.0, 0.5])


@pytest.mark.parametrize("M", [2, 12])
@pytest.mark.parametrize("noise", [0.0, 0.8])
@pytest.mark.parametrize("tasks", ["as trained", "twice as large", "one task", "with a mean"])
def test_the_risk_of_linear_tasks(M: int, noise: float, tasks: str) -> None:
    Lambda, N = covariance(0, 3), 6
    rng = np.random.default_rng(1)
    normal = rng.normal(size=(PROMPTS, 3))
    w = {
        "as trained": normal,
        "twice as large": 2 * normal,
        "one task": np.tile(FIXED, (PROMPTS, 1)),
        "with a mean": normal + FIXED,
    }[tasks]
    second = {
        "as trained": None,
        "twice as large": 4 * np.eye(3),
        "one task": np.outer(FIXED, FIXED),
        "with a mean": np.eye(3) + np.outer(FIXED, FIXED),
    }[tasks]
    x = draw(2, Lambda, M)
    y = np.einsum("bni,bi->bn", x, w) + noise * rng.normal(size=x.shape[:2])
    errors = (predictions(zhang2024.predictor(Lambda, N), x[:, :-1], y[:, :-1], x[:, -1]) - y[:, -1]) ** 2
    assert is_the_mean_of(zhang2024.risk(Lambda, train_length=N, test_length=M, weights=second, noise=noise), errors)
    # Without the query's own noise: the second way to the same number.
    shifted = zhang2024.shifted_risk(zhang2024.predictor(Lambda, N), Lambda, test_length=M, weights=second, noise=noise)
    assert shifted + noise**2 == pytest.approx(
        zhang2024.risk(Lambda, train_length=N, test_length=M, weights=second, noise=noise)
    )


def test_the_risk_where_y_is_not_linear() -> None:
    """With y = x₁ + x₂² − 1, x ~ N(0, I): a = e₁, best risk 2, E x xᵀ y² = diag(5, 11, 3) by moments to the sixth."""
    a = np.array([1.0, 0.0, 0.0])
    moments = zhang2024.Moments(np.outer(a, a), np.diag([5.0, 11.0, 3.0]) - np.outer(a, a), 2.0)
    N, M = 5, 4
    x = draw(7, np.eye(3), M)
    y = x[:, :, 0] + x[:, :, 1] ** 2 - 1
    errors = (predictions(zhang2024.predictor(np.eye(3), N), x[:, :-1], y[:, :-1], x[:, -1]) - y[:, -1]) ** 2
    expected = zhang2024.risk(np.eye(3), train_length=N, test_length=M, moments=moments)
    assert is_the_mean_of(expected, errors)
    wrong = zhang2024.risk(np.eye(3), train_length=N, test_length=M, noise=math.sqrt(2), weights=np.outer(a, a))
    assert not is_the_mean_of(wrong, errors), "a linear task of equal a and best risk has another Σ"


def test_the_risk_by_hand() -> None:
    # Λ = I, d = 5, N = 10: Γ = 1.6 I. Σ = 6 I: 30/2.56/M; bias 5·(1 + 10 + 25)/100/2.56.
    for M in (5, 20, 100):
        terms = zhang2024.risk_terms(np.eye(5), train_length=10, test_length=M)
        assert terms == (0, pytest.approx(30 / 2.56 / M), pytest.approx(1.8 / 2.56))
        assert terms.total == pytest.approx(zhang2024.risk(np.eye(5), train_length=10, test_length=M))


@given(seed=st.integers(0, 500), N=st.integers(1, 40), M=st.integers(1, 40))
def test_the_risk_falls_with_both_lengths_and_is_the_loss_where_they_agree(seed: int, N: int, M: int) -> None:
    Lambda = covariance(seed, 3)
    here = zhang2024.risk(Lambda, train_length=N, test_length=M)
    assert zhang2024.risk(Lambda, train_length=N, test_length=M + 1) < here
    end = zhang2024.limit(Lambda, N)
    trained = zhang2024.risk(Lambda, train_length=N, test_length=N)
    assert trained == pytest.approx(2 * zhang2024.population_loss(end.U, end.u, Lambda, N))


@given(seed=st.integers(0, 500), d=st.integers(1, 6), N=st.integers(1, 10**6), M=st.integers(1, 10**6))
def test_the_risk_is_within_its_bound(seed: int, d: int, N: int, M: int) -> None:
    """Term by term, and close to it at Λ = I and long prompts: (d + 1)²d/(N + d + 1)² against (d + 1)²d/N²."""
    Lambda = covariance(seed, d)
    terms, bound = (one(Lambda, train_length=N, test_length=M) for one in (zhang2024.risk_terms, zhang2024.risk_bound))
    assert terms.variance <= bound.variance * (1 + 1e-12)
    assert terms.bias <= bound.bias * (1 + 1e-12)
    assert bound.total == bound.variance + bound.bias
    of_unit = zhang2024.risk_bound(np.eye(d), train_length=N, test_length=M)
    assert of_unit == (pytest.approx((d + 1) * d / M), pytest.approx((d + 1) ** 2 * d / N**2))
    exact = zhang2024.risk_terms(np.eye(d), train_length=N, test_length=M).bias
    assert exact == pytest.approx(of_unit.bias * (N / (N + d + 1)) ** 2)


SHIFTS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "none": lambda L: (L, L),
    "context and query three times as large": lambda L: (9 * L, 9 * L),
    "another covariance": lambda _: (covariance(9, 3), covariance(9, 3)),
    "another query": lambda L: (L, np.diag([4.0, 0.1, 0.1])),
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_slope_and_risk_under_shifts(shift: str) -> None:
    Lambda, N, M = covariance(0, 3), 6, 5
    context, query = SHIFTS[shift](Lambda)
    A = zhang2024.predictor(Lambda, N)
    x, w = draw(3, context, M)[:, :-1], np.random.default_rng(4).normal(size=(PROMPTS, 3))
    x_query = draw(5, query, 0)[:, 0]
    value = np.einsum("bi,bi->b", x_query, w)
    answers = np.einsum("bni,bi->bn", x, w)
    found = predictions(A, x, answers, x_query)
    # The mean of (ŷ − slope·value)·value is 0 for the least-squares slope.
    slope = zhang2024.slope(A, context, query_covariance=query)
    assert is_the_mean_of(0.0, (found - slope * value) * value)
    expected = zhang2024.shifted_risk(A, context, test_length=M, query_covariance=query)
    assert is_the_mean_of(expected, (found - value) ** 2)


def test_the_slope_grows_with_the_square_of_the_inputs_and_tends_to_one() -> None:
    Lambda = covariance(0, 3)
    A = zhang2024.predictor(Lambda, 6)
    for c in (0.5, 2.0, 3.0):
        assert zhang2024.slope(A, c**2 * Lambda) == pytest.approx(c**2 * zhang2024.slope(A, Lambda))
    assert zhang2024.slope(zhang2024.predictor(Lambda, 10**7), Lambda) == pytest.approx(1, abs=1e-5)
    one_task = np.outer(FIXED, FIXED)
    assert zhang2024.slope(zhang2024.predictor(Lambda, 10**7), Lambda, weights=one_task) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("d", "N"), [(1, 4), (2, 10), (3, 40)])
def test_random_covariances(d: int, N: int) -> None:
    """The closed form for Exp(1) against Gauss–Laguerre quadrature, exact for these powers."""
    nodes, weights = np.polynomial.laguerre.laggauss(4)
    rows, chances = (np.array(list(itertools.product(values, repeat=d))) for values in (nodes, weights))
    chance = chances.prod(axis=1)[:, None, None]
    each = [np.diag(row) for row in rows]
    cubes = sum(chance * np.array([zhang2024.gamma(Lambda, N) @ Lambda @ Lambda for Lambda in each]))
    squares = sum(chance * np.array([Lambda @ Lambda for Lambda in each]))
    assert np.linalg.inv(cubes) @ squares == pytest.approx(zhang2024.exponential_product(d, N))


def test_the_product_of_given_covariances() -> None:
    first, second, N = np.diag([1.0, 2.0]), np.diag([3.0, 0.5]), 5
    expected = [
        (a**2 + b**2) / (((1.2 * a + 3.0 / 5) * a**2) + ((1.2 * b + 3.5 / 5) * b**2)) for a, b in ((1, 3), (2, 0.5))
    ]
    assert zhang2024.random_covariance_product([first, second], N) == pytest.approx(np.diag(expected))
    # No covariance but one: Γ⁻¹ again.
    Lambda = covariance(2, 3)
    assert zhang2024.random_covariance_product([Lambda], N) == pytest.approx(zhang2024.predictor(Lambda, N))


def test_random_covariances_shrink_predictions_to_a_third() -> None:
    for d in (1, 5, 20):
        assert zhang2024.exponential_product(d, 10**9) == pytest.approx(np.eye(d) / 3)
    # Not the best that linear attention could do on one covariance: there it would be 1.
    assert zhang2024.slope(zhang2024.exponential_product(3, 10**9), np.eye(3)) == pytest.approx(1 / 3)


def test_the_random_limit_minimises_the_mean_loss() -> None:
    """Over diagonal U and the same covariances: the mean of the losses has no slope there."""
    drawn = np.random.default_rng(1).exponential(size=(300, 3))
    end = zhang2024.limit_of_product(zhang2024.random_covariance_product([np.diag(row) for row in drawn], 8))
    pulls = [zhang2024.flow_direction(end.U, end.u, np.diag(row), 8) for row in drawn]
    assert np.abs(np.mean([dU for dU, _ in pulls], axis=0)).max() < 1e-10
    assert abs(np.mean([du for _, du in pulls])) < 1e-10
    assert end.u == pytest.approx(np.linalg.norm(end.U))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: zhang2024.slope(np.eye(3), np.eye(2)), ("shape of product", "(3, 3)", "(2, 2)")),
        (lambda: zhang2024.slope(np.eye(2), np.eye(2), weights=np.zeros((2, 2))), ("weights", "positive")),
        (lambda: zhang2024.slope(np.eye(2), np.eye(2), query_covariance=np.eye(3)), ("query-covariance", "(3, 3)")),
        (lambda: zhang2024.risk(np.eye(2), train_length=5, test_length=5, weights=-np.eye(2)), ("weights", "-1")),
        (
            lambda: zhang2024.risk(np.eye(2), train_length=5, test_length=5, weights=[[1, 1], [0, 1]]),
            ("weights", "symmetric"),
        ),
        (lambda: zhang2024.risk_bound(np.eye(2), train_length=0, test_length=5), ("train-length", "0")),
        (lambda: zhang2024.risk_bound(np.eye(2), train_length=5, test_length=0), ("test-length", "0")),
        (lambda: zhang2024.gamma([[1, 2], [3]], 5), ("covariance", "a matrix of numbers")),
        (lambda: zhang2024.gamma("identity", 5), ("covariance", "a matrix of numbers")),
        (lambda: zhang2024.limit_of_product(np.zeros((2, 2))), ("product", "not 0")),
        (lambda: zhang2024.population_loss(np.eye(3), 1.0, np.eye(2), 5), ("shape of U", "(3, 3)")),
        (lambda: zhang2024.random_covariance_product([np.eye(2), np.eye(3)], 5), ("sizes", "one size")),
        (
            lambda: zhang2024.random_covariance_product([[[2, 0], [0, 1]], [[2, 1], [1, 2]]], 5),
            ("covariances", "commute"),
        ),
        (
            lambda: zhang2024.gradient_flow(np.eye(2), 5, U=np.eye(2), u=1.0, times=[0.0, np.inf]),
            ("times", "finite"),
        ),
    ],
)
def test_what_is_no_setting_is_refused_in_one_line(call: Callable[[], object], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        call()
    assert all(says(str(refusal.value), word) for word in words), str(refusal.value)
    assert "\n" not in str(refusal.value)
