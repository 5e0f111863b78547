"""The formulas of Huang 2024 against derivations of their own: Monte Carlo, finite differences, brute force, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import says

from iclscope.claims.slopes import log_log_slope
from iclscope.core.errors import BadRequest
from iclscope.papers.huang2024 import theory as huang2024

P = (0.5, 0.3, 0.2)
N = 5
SCORES = np.random.default_rng(0).normal(size=(3, 3))


def by_listing_every_prompt(scores: np.ndarray, length: int) -> np.ndarray:
    """Loss per query over all K^N ordered contexts, by the definition of the model with softmax over examples."""
    K = len(scores)
    total = np.zeros(K)
    for context in product(range(K), repeat=length):
        chance = math.prod(P[j] for j in context)
        for query in range(K):
            weights = np.exp([scores[j, query] for j in context])
            weights /= weights.sum()
            # ŷ − y = Σ_i softmax_i w_{j_i} − w_query, w ~ N(0, I): the sum of the squared coefficients of w.
            coefficients = np.zeros(K)
            np.add.at(coefficients, list(context), weights)
            coefficients[query] -= 1
            total[query] += chance * (coefficients**2).sum()
    return total


def test_the_loss_is_that_of_all_prompts_in_every_order() -> None:
    assert huang2024.population_loss(SCORES, P, N) == pytest.approx(by_listing_every_prompt(SCORES, N), rel=1e-12)


def test_the_loss_is_the_mean_over_drawn_prompts_and_functions() -> None:
    random = np.random.default_rng(1)
    draws = 40_000
    counts = random.multinomial(N, P, size=draws)
    w = random.normal(size=(draws, 3))
    weights = counts[:, :, None] * np.exp(SCORES)
    answers = np.einsum("bj,bjk->bk", w, weights / weights.sum(axis=1, keepdims=True))
    errors = (answers - w) ** 2
    off = (errors.mean(axis=0) - huang2024.population_loss(SCORES, P, N)) / (errors.std(axis=0) / math.sqrt(draws))
    assert np.abs(off).max() < 4


def test_the_gradient_is_that_of_the_loss() -> None:
    gradient = huang2024.population_gradient(SCORES, P, N)
    step = 1e-5
    for j, k in product(range(3), range(3)):
        moved = np.zeros((3, 3))
        moved[j, k] = step
        ends = [np.dot(P, huang2024.population_loss(SCORES + sign * moved, P, N)) for sign in (1, -1)]
        assert gradient[j, k] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-9)


def test_the_scores_of_a_query_sum_to_zero_at_all_times() -> None:
    """Σ_j ∂/∂S_jk = 0: adding a constant to all scores of a query changes no attention. So B averages −A/(K − 1)."""
    assert huang2024.population_gradient(SCORES, P, N).sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-14)
    flow = huang2024.gradient_flow(P, 1, [0.0, 5.0, 50.0])
    assert flow.scores.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-7)


def test_count_vectors_are_all_there_and_their_probabilities_sum_to_one() -> None:
    vectors = huang2024.count_vectors(3, N)
    wanted = {tuple(np.bincount(context, minlength=3)) for context in product(range(3), repeat=N)}
    assert {tuple(row) for row in vectors} == wanted
    assert len(vectors) == len(wanted)
    assert huang2024.count_probabilities(vectors, P).sum() == pytest.approx(1)


def test_long_prompts_are_the_limit_of_finite_ones() -> None:
    """The difference falls as 1/N, as that of a smooth function of sample means does."""
    scores = 0.3 * SCORES  # large ones need longer prompts before the limit is near
    limit = huang2024.long_prompt_gradient(scores[:, 1], P, 1)
    differences = [
        np.abs(huang2024.population_gradient(scores, P, length)[:, 1] - limit).max() for length in (20, 40, 80)
    ]
    assert log_log_slope((20, 40, 80), differences) == pytest.approx(-1, abs=0.1)


def test_the_flow_is_gradient_descent_with_small_steps() -> None:
    eta, steps = 0.01, 2000
    S = np.zeros(3)
    for _ in range(steps):
        S -= eta * huang2024.long_prompt_gradient(S, P, 2)
    flow = huang2024.gradient_flow(P, 2, [eta * steps])
    assert flow.scores[:, 0] == pytest.approx(S, rel=2e-3)
    a = np.array(P) * np.exp(S)
    a /= a.sum()
    assert flow.attention[:, 0] == pytest.approx(a, rel=5e-3)
    assert flow.loss[0] == pytest.approx(((a - [0, 0, 1]) ** 2).sum(), rel=5e-3)


@pytest.mark.parametrize("query", [0, 1])
def test_times_of_flow_are_where_the_flow_passes_the_marks(query: int) -> None:
    p = [0.5] + [0.5 / 9] * 9
    times = huang2024.times_of_flow(p, query, 0.1)
    flow = huang2024.gradient_flow(p, query, [t for t in times if t > 0])
    assert flow.loss[-1] == pytest.approx(0.1, rel=1e-5)
    if query == 1:
        assert flow.attention[1, 0] == pytest.approx(0.5, rel=1e-5)
    else:
        assert times.half == 0


def test_the_growth_of_balanced_features_takes_half_of_k_squared() -> None:
    """For large K, dA/dt ≈ 2 e^A/K² until A ≈ log K, so e^{−A} = 1 − 2t/K²: no log K in the exact time."""
    times = [huang2024.times_of_flow([1 / K] * K, 0, 0.5).half / K**2 for K in (100, 1000, 10_000)]
    assert times[0] > times[1] > times[2] > 0.5
    assert times[2] == pytest.approx(0.5, rel=0.02)


def test_the_second_phase_takes_k_over_four_epsilon() -> None:
    """With attention 1 − δ, dδ/dt ≈ −2δ³/K, and the loss is δ²: t ≈ K/(4 ε) for small ε, without a logarithm."""
    K, epsilon = 50, 1e-4
    times = huang2024.times_of_flow([1 / K] * K, 0, epsilon)
    assert (times.converged - times.half) * 4 * epsilon / K == pytest.approx(1, rel=0.05)


def test_a_fall_comes_first_beside_a_dominant_feature() -> None:
    p = [0.5] + [0.5 / 19] * 19
    flow = huang2024.gradient_flow(p, 1, np.linspace(0, 1400, 281).tolist())
    early = int(np.argmax(flow.scores[1] > 0.5))
    assert -flow.scores[0, early] > 1.5 * flow.scores[1, early]
    assert np.all(np.diff(flow.scores[0]) < 0)


@pytest.mark.parametrize("K", [3, 10, 40])
def test_the_own_score_at_half_of_the_attention(K: int) -> None:
    A = huang2024.score_at_half(K)
    B = -A / (K - 1)
    assert math.exp(A) / (math.exp(A) + (K - 1) * math.exp(B)) == pytest.approx(0.5)
    half = huang2024.times_of_flow([1 / K] * K, 0, 0.01).half
    assert huang2024.gradient_flow([1 / K] * K, 0, [half]).scores[0, 0] == pytest.approx(A, rel=1e-4)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=6))
def test_attention_lies_in_the_range_of_its_loss(parts: list[float]) -> None:
    a = np.array(parts) / sum(parts)
    loss = float((1 - a[0]) ** 2 + (a[1:] ** 2).sum())
    low, high = huang2024.attention_range(loss=loss, K=len(a))
    assert low - 1e-12 <= a[0] <= high + 1e-12


def test_the_ends_of_the_range_are_reached() -> None:
    for others, end in (([0.1, 0.1, 0.1], 0), ([0.3, 0.0, 0.0], 1)):
        loss = 0.3**2 + sum(a**2 for a in others)
        assert huang2024.attention_range(loss=loss, K=4)[end] == pytest.approx(0.7)


def test_no_scores_get_below_the_least_loss() -> None:
    floor = huang2024.least_loss(P, N)
    for size in (0, 5, 20):
        scores = size * np.eye(3) - size / 2 * (1 - np.eye(3))
        assert np.dot(P, huang2024.population_loss(scores, P, N)) > floor
    # Only two features are left where the own one is missing, and both may not be there: it is no more than a bound.
    assert floor == pytest.approx(1.5 * sum(p * (1 - p) ** N for p in P))


def test_convergence_times() -> None:
    steps = huang2024.balanced_steps(K=10, eta=0.5, epsilon=0.04)
    assert steps.growth == pytest.approx(100 * math.log(10) / 0.5)
    assert steps.convergence == pytest.approx(10 * math.log(50) / 0.02)
    assert steps.total == steps.growth + steps.convergence
    assert huang2024.dominant_steps(eta=0.5, epsilon=0.04).total == pytest.approx(math.log(5) / 0.02)
    assert huang2024.promised_attention(0.04) == pytest.approx(0.8)


@given(st.integers(2, 200), st.floats(0.01, 10), st.floats(0.001, 0.9))
def test_times_are_inverse_to_eta_and_grow_with_k(K: int, eta: float, epsilon: float) -> None:
    one = huang2024.balanced_steps(K=K, eta=eta, epsilon=epsilon)
    assert huang2024.balanced_steps(K=K, eta=2 * eta, epsilon=epsilon).total == pytest.approx(one.total / 2)
    assert huang2024.balanced_steps(K=K + 1, eta=eta, epsilon=epsilon).total > one.total


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: huang2024.balanced_steps(K=1, eta=1, epsilon=0.1), ("K", "1", "at least 2")),
        (lambda: huang2024.balanced_steps(K=5, eta=0, epsilon=0.1), ("eta", "0", "positive")),
        (lambda: huang2024.balanced_steps(K=5, eta=math.nan, epsilon=0.1), ("eta", "nan", "finite")),
        (lambda: huang2024.dominant_steps(eta=1, epsilon=1), ("epsilon", "1", "(0, 1)")),
        (lambda: huang2024.promised_attention(0.0), ("epsilon", "0.0", "(0, 1)")),
        (lambda: huang2024.attention_range(loss=3, K=5), ("loss", "3", "0 to 2")),
        (lambda: huang2024.least_loss((0.5, 0.6), 3), ("sum of probabilities", "1.1", "1")),
        (lambda: huang2024.least_loss((1.5, -0.5), 3), ("probabilities", "-0.5", "positive")),
        (lambda: huang2024.least_loss((0.5, 0.5), 0), ("length", "0", "at least 1")),
        (lambda: huang2024.count_vectors(20, 40), ("count vectors", str(math.comb(59, 19)), "at most 200000")),
        (lambda: huang2024.gradient_flow(P, 3, [1.0]), ("query", "3", "0 to 2")),
        (lambda: huang2024.gradient_flow(P, 0, [1.0, 0.5]), ("times", "increasing")),
        (lambda: huang2024.times_of_flow(P, 0, 1e-9), ("epsilon", "1e-09", "1e-06")),
    ],
)
def test_refusals(call: Callable[[], object], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        call()
    assert all(says(str(refusal.value), word) for word in words), refusal.value
    assert "\n" not in str(refusal.value)
