"""Expected errors on linear functions: formulas against Monte Carlo, limits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.papers.garg2022 import theory as garg2022

PROMPTS = 20_000


def drawn(k: int, d: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Contexts, noisy answers, weights and queries of many prompts."""
    generator = np.random.default_rng(k * 100 + d)
    x, w = generator.standard_normal((PROMPTS, k, d)), generator.standard_normal((PROMPTS, d))
    y = np.einsum("pkd,pd->pk", x, w) + noise * generator.standard_normal((PROMPTS, k))
    return x, y, w, generator.standard_normal((PROMPTS, d))


def measured(estimates: np.ndarray, w: np.ndarray, query: np.ndarray) -> tuple[float, float]:
    """Mean normalised error and its standard error."""
    errors = np.einsum("pd,pd->p", estimates - w, query) ** 2 / w.shape[1]
    return float(errors.mean()), float(errors.std() / math.sqrt(len(errors)))


@pytest.mark.parametrize(("k", "d"), [(1, 5), (3, 5), (4, 5), (5, 5), (9, 5)])
def test_least_squares_without_noise_is_the_mean_over_prompts(k: int, d: int) -> None:
    x, y, w, query = drawn(k, d, 0.0)
    mean, spread = measured(np.einsum("pdk,pk->pd", np.linalg.pinv(x), y), w, query)
    assert garg2022.least_squares_error(k=k, d=d) == pytest.approx(mean, abs=4 * spread + 1e-9)


@pytest.mark.parametrize(("k", "d"), [(2, 8), (4, 8), (13, 5), (20, 5)])
def test_least_squares_with_noise_is_the_mean_over_prompts(k: int, d: int) -> None:
    x, y, w, query = drawn(k, d, 0.7)
    mean, spread = measured(np.einsum("pdk,pk->pd", np.linalg.pinv(x), y), w, query)
    assert garg2022.least_squares_error(k=k, d=d, noise=0.7) == pytest.approx(mean, abs=4 * spread)


@pytest.mark.parametrize(("k", "noise"), [(1, 0.0), (4, 0.0), (12, 0.5)])
def test_averaging_is_the_mean_over_prompts(k: int, noise: float) -> None:
    x, y, w, query = drawn(k, 5, noise)
    mean, spread = measured(np.einsum("pkd,pk->pd", x, y) / k, w, query)
    assert garg2022.averaging_error(k=k, d=5, noise=noise) == pytest.approx(mean, abs=4 * spread)


@given(d=st.integers(1, 60), k=st.integers(0, 120), noise=st.floats(0, 3))
def test_noise_never_helps_and_no_context_says_nothing(d: int, k: int, noise: float) -> None:
    assert garg2022.least_squares_error(k=k, d=d, noise=noise) >= garg2022.least_squares_error(k=k, d=d)
    assert garg2022.averaging_error(k=k, d=d, noise=noise) >= garg2022.averaging_error(k=k, d=d)
    assert garg2022.least_squares_error(k=0, d=d, noise=noise) == garg2022.averaging_error(k=0, d=d) == 1


def test_noise_has_no_finite_mean_at_the_interpolation_threshold() -> None:
    assert [math.isinf(garg2022.least_squares_error(k=k, d=5, noise=0.1)) for k in range(3, 8)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_an_orthogonal_context_leaves_everything_open() -> None:
    assert garg2022.orthogonal_query_error(k=4, d=5) == 1
    with pytest.raises(BadRequest, match="less than d = 5"):
        garg2022.orthogonal_query_error(k=5, d=5)


def test_a_curve_has_every_length() -> None:
    curves = garg2022.errors(d=4, longest=8)
    assert [curve.k for curve in curves] == list(range(9))
    assert [curve.least_squares for curve in curves] == [1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"k": -1, "d": 5}, "k"), ({"k": 1, "d": 0}, "d"), ({"k": 1, "d": 5, "noise": -1.0}, "noise")],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, float], name: str) -> None:
    with pytest.raises(BadRequest, match=f"^{name}: expected "):
        garg2022.least_squares_error(**settings)
    with pytest.raises(BadRequest, match="finite"):
        garg2022.averaging_error(k=1, d=5, noise=math.nan)
