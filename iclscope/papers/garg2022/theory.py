"""What can be said exactly of the linear functions of Garg 2022: expected errors of the methods beside the transformer.

The paper itself proves nothing; these are textbook averages over x ~ N(0, I_d), w ~ N(0, I_d) and answers
y = ⟨w, x⟩ with noise of standard deviation σ. All errors are of f(x) itself, divided by
E f(x)² = d, so that predicting 0 scores 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from iclscope.core.errors import require, require_finite


def least_squares_error(*, k: int, d: int, noise: float = 0.0) -> float:
    """Least squares of minimum norm after k examples.

    Without noise 1 − k/d while k < d, then 0. Noise adds σ²/d · k/(d − k − 1) below and σ²/(k − d − 1) above d
    (inverse-Wishart means; Hastie, Montanari, Rosset and Tibshirani, "Surprises in high-dimensional ridgeless least
    squares interpolation", 2022); for k = d − 1, d and d + 1 the mean is infinite.

    Args:
        k: in-context examples, 0 or more.
        d: dimension, at least 1.
        noise: σ, 0 or more.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    _check(k, d, noise)
    missed = max(0.0, 1 - k / d)
    if noise == 0 or k == 0:
        return missed
    if abs(k - d) <= 1:
        return math.inf
    variance = noise**2 / d * k / (d - k - 1) if k < d else noise**2 / (k - d - 1)
    return missed + variance


def averaging_error(*, k: int, d: int, noise: float = 0.0) -> float:
    """Averaging, w̄ = mean of x_i y_i, after k examples: (d + 1 + σ²)/k; 1 without any.

    E(S − I)² = (d + 1)/k · I for the mean S of k products x xᵀ.

    Args:
        k: in-context examples, 0 or more.
        d: dimension, at least 1.
        noise: σ, 0 or more.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    _check(k, d, noise)
    return 1.0 if k == 0 else (d + 1 + noise**2) / k


def orthogonal_query_error(*, k: int, d: int) -> float:
    """The least error where the query is orthogonal to k < d context inputs, which then say nothing of f there: 1.

    As a share of E f(x)² at such queries, which is d − k: their part along the context is missing.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    _check(k, d, 0.0)
    require(k < d, "k", k, f"less than d = {d}, or nothing is orthogonal to the context")
    return 1.0


class Curve(NamedTuple):
    """Expected errors at one context length."""

    k: int
    least_squares: float
    averaging: float


def errors(*, d: int, longest: int, noise: float = 0.0) -> list[Curve]:
    """Expected errors of both methods for k = 0 … longest."""
    return [
        Curve(k, least_squares_error(k=k, d=d, noise=noise), averaging_error(k=k, d=d, noise=noise))
        for k in range(longest + 1)
    ]


def _check(k: int, d: int, noise: float) -> None:
    require_finite([("noise", noise)])
    require(d >= 1, "d", d, "at least 1")
    require(k >= 0, "k", k, "0 or more")
    require(noise >= 0, "noise", noise, "0 or more")
