"""Γ, and where gradient flow ends (Theorem 4.1)."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from iclscope.core.arguments import check_covariance
from iclscope.core.errors import BadRequest, require, require_finite

Square = Float64[np.ndarray, "d d"]


class Limit(NamedTuple):
    """Where gradient flow ends (Theorem 4.1).

    Attributes:
        W_KQ: tr(Γ⁻²)^{−1/4} blockdiag(Γ⁻¹, 0), [d+1, d+1].
        W_PV: tr(Γ⁻²)^{1/4} diag(0_d, 1), [d+1, d+1].
        U: the x-block of W_KQ.
        u: the last entry of W_PV, ‖Γ⁻¹‖_F^{1/2}.
    """

    W_KQ: Float64[np.ndarray, "token token"]
    W_PV: Float64[np.ndarray, "token token"]
    U: Square
    u: float


def gamma(covariance: ArrayLike, train_length: int) -> Square:
    """Γ = (1 + 1/N) Λ + (1/N) tr(Λ) I (Theorem 4.1).

    Args:
        covariance: Λ [d, d].
        train_length: N, at least 1.

    Raises:
        BadRequest: if Λ is not symmetric positive definite, or N < 1.
    """
    Lambda = checked_covariance(covariance)
    require(train_length >= 1, "train-length", train_length, "at least 1")
    Gamma: Square = (1 + 1 / train_length) * Lambda + np.trace(Lambda) / train_length * np.eye(len(Lambda))
    return Gamma


def limit(covariance: ArrayLike, train_length: int) -> Limit:
    """Where gradient flow ends (Theorem 4.1)."""
    return limit_of_product(np.linalg.inv(gamma(covariance, train_length)))


def limit_of_product(product: ArrayLike) -> Limit:
    """The weights with u·U = ``product`` and u² = ‖U‖_F², which gradient flow from the paper's start keeps.

    Args:
        product: Γ⁻¹, or what stands in its place.
    """
    A = checked_square(product, "product")
    require(bool(A.any()), "product", "0", "a matrix with some entry that is not 0")
    u = float(np.linalg.norm(A)) ** 0.5
    W_KQ, W_PV = np.zeros((2, len(A) + 1, len(A) + 1))
    W_KQ[:-1, :-1], W_PV[-1, -1] = A / u, u
    return Limit(W_KQ, W_PV, A / u, u)


def start_condition(covariance: ArrayLike, train_length: int, initial_scale: float) -> float:
    """s² ‖Γ‖_op √d, which Theorem 4.1 wants below 2 (its condition on the start).

    Warns with one line where it is not: the theorem then says nothing, which does not mean that training fails.

    Args:
        covariance: Λ [d, d].
        train_length: N, at least 1.
        initial_scale: s, positive.
    """
    require_finite([("initial-scale", initial_scale)])
    require(initial_scale > 0, "initial-scale", initial_scale, "a positive number")
    Gamma = gamma(covariance, train_length)
    value = float(initial_scale**2 * np.linalg.norm(Gamma, 2) * math.sqrt(len(Gamma)))
    if value >= 2:
        warnings.warn(start_warning(value, initial_scale), stacklevel=2)
    return value


def start_warning(value: float, initial_scale: float) -> str:
    """What is said where the start condition does not hold."""
    return (
        f"initial scale s = {initial_scale:g} breaks s²‖Γ‖√d < 2 (it is {value:.3g}): Theorem 4.1 of Zhang 2024 does "
        "not say where gradient flow ends"
    )


def checked_covariance(covariance: ArrayLike) -> Square:
    """Λ as an array, refused where it is none."""
    Lambda = checked_square(covariance, "covariance")
    check_covariance(tuple(tuple(row) for row in Lambda.tolist()), len(Lambda))
    return Lambda


def checked_square(matrix: ArrayLike, option: str, d: int | None = None) -> Square:
    """A square matrix of finite numbers, of size d if one is given.

    Raises:
        BadRequest: if it is none.
    """
    try:
        square = np.asarray(matrix, dtype=float)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{option}: expected a matrix of numbers") from error
    is_square = square.ndim == 2 and square.shape[0] == square.shape[1] > 0 and d in (None, len(square))
    require(is_square, f"shape of {option}", square.shape, "(d, d)" if d is None else f"({d}, {d})")
    require_finite((option, float(entry)) for entry in square.ravel())
    return square


def checked_weights(weights: ArrayLike | None, d: int) -> Square:
    """Ω = E w wᵀ, the identity if none is given.

    Raises:
        BadRequest: if it is not symmetric, has a negative eigenvalue, or is 0.
    """
    if weights is None:
        return np.eye(d)
    Omega = checked_square(weights, "weights", d)
    require(bool(np.allclose(Omega, Omega.T)), "weights", "given", "a symmetric matrix E w wᵀ; this one is not")
    least, largest = np.linalg.eigvalsh(Omega)[[0, -1]]
    require(bool(largest > 0), "largest eigenvalue of weights", float(largest), "positive: some task must not be 0")
    require(bool(least >= -1e-12 * largest), "smallest eigenvalue of weights", float(least), "0 or more")
    return Omega
