"""Γ, the limit and the reduced flow of Zhang 2024 against other derivations, plain loops and automatic gradients."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.models import LinearAttention
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.tasks import LinearRegression

Array = np.ndarray


def covariance(seed: int, d: int) -> Array:
    """A well-conditioned covariance that is not diagonal."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.normal(size=(d, d))).Q
    found = (vectors * rng.uniform(0.5, 1.5, d)) @ vectors.T
    return (found + found.T) / 2


def start(seed: int, d: int, scale: float) -> tuple[Array, float]:
    """The paper's: U = s·TTᵀ/‖TTᵀ‖, u = s."""
    T = np.random.default_rng(seed).normal(size=(d, d))
    return scale * T @ T.T / np.linalg.norm(T @ T.T), scale


def test_gamma_by_hand() -> None:
    # N = 2, tr Λ = 3: 1.5 Λ + 1.5 I.
    assert zhang2024.gamma([[2.0, 0.5], [0.5, 1.0]], 2) == pytest.approx(np.array([[4.5, 0.75], [0.75, 3.0]]))


def test_gamma_is_what_makes_the_second_moment() -> None:
    """E S² = ΓΛ for S = (1/N) Σ x xᵀ, drawn many times."""
    Lambda, N = covariance(0, 3), 4
    x = np.random.default_rng(1).multivariate_normal(np.zeros(3), Lambda, size=(200_000, N))
    S = np.einsum("bni,bnj->bij", x, x) / N
    squares = S @ S
    spread = squares.std(axis=0) / math.sqrt(len(squares))
    assert (np.abs(squares.mean(axis=0) - zhang2024.gamma(Lambda, N) @ Lambda) < 4.5 * spread).all()


def test_the_limit_by_hand() -> None:
    # Λ = I, d = 5, N = 10: Γ = 1.6 I, tr Γ⁻² = 5/2.56.
    found = zhang2024.limit(np.eye(5), 10)
    fourth_root = (5 / 2.56) ** 0.25
    assert found.u == pytest.approx(fourth_root)
    assert pytest.approx(np.diag([1 / 1.6 / fourth_root] * 5 + [0])) == found.W_KQ
    assert pytest.approx(np.diag([0, 0, 0, 0, 0, fourth_root])) == found.W_PV


@given(seed=st.integers(0, 1000), d=st.integers(1, 6), N=st.integers(1, 50))
def test_the_limit_is_balanced_and_stationary(seed: int, d: int, N: int) -> None:
    Lambda = covariance(seed, d)
    found = zhang2024.limit(Lambda, N)
    assert pytest.approx(np.linalg.inv(zhang2024.gamma(Lambda, N))) == found.u * found.U
    assert found.u == pytest.approx(np.linalg.norm(found.U))
    dU, du = zhang2024.flow_direction(found.U, found.u, Lambda, N)
    assert np.abs(dU).max() + abs(du) < 1e-10
    assert found.u == pytest.approx(np.trace(np.linalg.matrix_power(zhang2024.predictor(Lambda, N), 2)) ** 0.25)


@given(seed=st.integers(0, 1000), d=st.integers(1, 4), N=st.integers(1, 20))
def test_the_flow_goes_down_the_loss(seed: int, d: int, N: int) -> None:
    """The direction is minus the loss's gradient, by automatic differentiation of the loss written out in torch."""
    Lambda, rng = covariance(seed, d), np.random.default_rng(seed)
    U, u = rng.normal(size=(d, d)), float(rng.normal())
    L, G = torch.from_numpy(Lambda), torch.from_numpy(zhang2024.gamma(Lambda, N))
    V, v = torch.from_numpy(U).requires_grad_(), torch.tensor(u, dtype=torch.float64, requires_grad=True)
    loss = (v**2 * torch.trace(G @ L @ V @ L @ V.T) - 2 * v * torch.trace(L @ V @ L) + torch.trace(L)) / 2
    assert zhang2024.population_loss(U, u, Lambda, N) == pytest.approx(float(loss.detach()))
    dU, du = zhang2024.flow_direction(U, u, Lambda, N)
    gradients = torch.autograd.grad(loss, (V, v))
    assert dU == pytest.approx(-gradients[0].numpy())
    assert du == pytest.approx(-float(gradients[1]))


def test_the_gradient_of_the_full_matrices_is_the_reduced_one() -> None:
    """On very many prompts: half the mean squared error pulls at U and u as the flow says, and at nothing else."""
    d, N, runs, batch = 2, 4, 64, 8192
    Lambda = covariance(3, d)
    rows = tuple(tuple(row) for row in Lambda.tolist())
    task = LinearRegression(d_X=d, length=N, inputs="gaussian", covariance=rows)
    model = LinearAttention(
        seeds=[0], d_X=d, query_in_context=True, initial="zhang", initial_scale=0.7, dtype=torch.float64
    )
    W_KQ, W_PV = (weight.detach().expand(runs, -1, -1, -1) for weight in (model.W_KQ, model.W_PV))
    many = LinearAttention(seeds=runs, d_X=d, query_in_context=True, dtype=torch.float64).with_weights(W_KQ, W_PV)
    prompts = task.sampler(range(runs), dtype=torch.float64).prompts(batch, purpose="training")
    loss = (many.predict(prompts).output - prompts.labels).square().mean(dim=1).sum() / 2
    pulls = [-gradient[:, 0].numpy() for gradient in torch.autograd.grad(loss, (many.W_KQ, many.W_PV))]
    dU, du = zhang2024.flow_direction(W_KQ[0, 0, :d, :d].numpy(), float(W_PV[0, 0, d, d]), Lambda, N)
    expected = [np.zeros((d + 1, d + 1)), np.zeros((d + 1, d + 1))]
    expected[0][:d, :d], expected[1][d, d] = dU, du
    for pull, flow in zip(pulls, expected, strict=True):
        spread = pull.std(axis=0, ddof=1) / math.sqrt(runs)
        assert (np.abs(pull.mean(axis=0) - flow) <= 4.5 * spread + 1e-12).all()
        assert spread.max() < 0.01


@pytest.mark.parametrize(("seed", "d", "N"), [(0, 1, 3), (1, 3, 10), (2, 5, 20)])
def test_the_flow_ends_at_the_limit(seed: int, d: int, N: int) -> None:
    Lambda = covariance(seed, d)
    U, u = start(seed, d, 0.3)
    flow = zhang2024.gradient_flow(Lambda, N, U=U, u=u, times=np.linspace(0, 150, 40).tolist())
    end = zhang2024.limit(Lambda, N)
    assert flow.U[-1] == pytest.approx(end.U, abs=1e-6)
    assert flow.u[-1] == pytest.approx(end.u, abs=1e-6)
    # What the flow keeps from a balanced start, and what it lowers.
    assert flow.u**2 == pytest.approx(np.square(flow.U).sum(axis=(1, 2)))
    assert (np.diff(flow.loss) <= 1e-9).all()
    assert (flow.U[0], flow.u[0]) == (pytest.approx(U), pytest.approx(u))
    least = np.trace(Lambda) - np.trace(Lambda @ zhang2024.predictor(Lambda, N) @ Lambda)
    assert flow.loss[-1] == pytest.approx(least / 2)


def test_the_flow_against_small_steps() -> None:
    Lambda, N, step = covariance(4, 3), 6, 5e-4
    U, u = start(5, 3, 0.5)
    flow = zhang2024.gradient_flow(Lambda, N, U=U, u=u, times=[0.0, 0.5, 1.0])
    for k in range(2000):
        if k == 1000:
            assert flow.U[1] == pytest.approx(U, abs=2e-3)
        dU, du = zhang2024.flow_direction(U, u, Lambda, N)
        U, u = U + step * dU, u + step * du
    assert flow.U[2] == pytest.approx(U, abs=2e-3)
    assert flow.u[2] == pytest.approx(u, abs=2e-3)


def test_an_unbalanced_start_ends_elsewhere() -> None:
    """u·U tends to Γ⁻¹ all the same, but u not to ‖Γ⁻¹‖^{1/2}: the test above could fail."""
    Lambda, N = covariance(6, 3), 8
    flow = zhang2024.gradient_flow(Lambda, N, U=start(6, 3, 0.3)[0], u=2.0, times=[0.0, 150.0])
    assert flow.u[-1] * flow.U[-1] == pytest.approx(zhang2024.predictor(Lambda, N), abs=1e-6)
    assert abs(flow.u[-1] - zhang2024.limit(Lambda, N).u) > 0.2


def test_the_start_condition() -> None:
    # Γ = 1.6 I at d = 5, N = 10.
    assert zhang2024.start_condition(np.eye(5), 10, 0.5) == pytest.approx(0.25 * 1.6 * math.sqrt(5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zhang2024.start_condition(np.eye(5), 10, 0.74)
    with pytest.warns(UserWarning, match=r"initial scale s = 0\.75 breaks .* < 2 \(it is 2\.01\)") as caught:
        zhang2024.start_condition(np.eye(5), 10, 0.75)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)


def test_the_theory_is_where_scripts_expect_it() -> None:
    assert icl.theory.zhang2024.risk(np.eye(2), train_length=4, test_length=4) > 0


BAD_COVARIANCES = {
    "not symmetric": [[1.0, 0.5], [0.0, 1.0]],
    "indefinite": [[1.0, 2.0], [2.0, 1.0]],
    "singular": [[1.0, 1.0], [1.0, 1.0]],
    "not finite": [[1.0, 0.0], [0.0, math.nan]],
    "not square": [[1.0, 0.0]],
    "no matrix": [1.0, 1.0],
    "empty": np.zeros((0, 0)),
}


@pytest.mark.parametrize("name", BAD_COVARIANCES)
def test_what_is_no_covariance_is_refused(name: str) -> None:
    bad = BAD_COVARIANCES[name]
    for ask in (
        lambda: zhang2024.gamma(bad, 5),
        lambda: zhang2024.limit(bad, 5),
        lambda: zhang2024.risk(bad, train_length=5, test_length=5),
        lambda: zhang2024.shifted_risk(np.eye(2), bad, test_length=5),
        lambda: zhang2024.random_covariance_product([np.eye(2), bad], 5),
    ):
        with pytest.raises(BadRequest, match="covariance") as refusal:
            ask()
        assert "\n" not in str(refusal.value)


def test_other_bad_settings_are_refused_by_name() -> None:
    eye = np.eye(2)
    for name, ask in (
        ("train-length", lambda: zhang2024.gamma(eye, 0)),
        ("test-length", lambda: zhang2024.risk(eye, train_length=1, test_length=0)),
        ("noise", lambda: zhang2024.risk(eye, train_length=1, test_length=1, noise=-1.0)),
        ("noise", lambda: zhang2024.shifted_risk(eye, eye, test_length=1, noise=math.inf)),
        ("initial-scale", lambda: zhang2024.start_condition(eye, 5, 0.0)),
        ("initial-scale", lambda: zhang2024.start_condition(eye, 5, math.nan)),
        ("shape of U", lambda: zhang2024.gradient_flow(eye, 5, U=np.eye(3), u=1.0, times=[0.0])),
        ("times", lambda: zhang2024.gradient_flow(eye, 5, U=eye, u=1.0, times=[1.0, 0.0])),
        ("times", lambda: zhang2024.gradient_flow(eye, 5, U=eye, u=1.0, times=[])),
        ("shape of weights", lambda: zhang2024.linear_moments(eye, weights=np.eye(3))),
        ("covariances", lambda: zhang2024.random_covariance_product([], 5)),
        ("d", lambda: zhang2024.exponential_product(0, 5)),
        (
            "moments",
            lambda: zhang2024.risk(
                eye, train_length=1, test_length=1, noise=1.0, moments=zhang2024.linear_moments(eye)
            ),
        ),
    ):
        with pytest.raises(BadRequest, match=f"^{name}: expected "):
            ask()


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), c=st.floats(0.3, 3))
def test_scaling_inputs_scales_the_theory(seed: int, c: float) -> None:
    """Λ → c²Λ: Γ → c²Γ, predictions and risks → c² times as large."""
    Lambda = covariance(seed, 3)
    assert zhang2024.gamma(c**2 * Lambda, 7) == pytest.approx(c**2 * zhang2024.gamma(Lambda, 7))
    ours, theirs = (zhang2024.risk(L, train_length=7, test_length=9) for L in (Lambda, c**2 * Lambda))
    assert theirs == pytest.approx(c**2 * ours)
