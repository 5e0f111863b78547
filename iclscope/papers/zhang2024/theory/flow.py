"""The reduced gradient flow in (U, u), to which that of the full matrices comes down (behind Theorem 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float64
from numpy.typing import ArrayLike

from iclscope.core.errors import require, require_finite
from iclscope.papers.zhang2024.theory.flow_limit import Square, checked_covariance, checked_square, gamma


class Flow(NamedTuple):
    """A solution of the reduced gradient flow.

    Attributes:
        times: when.
        U: the x-block of W_KQ.
        u: the last entry of W_PV.
        loss: half the mean squared error on training prompts.
    """

    times: Float64[np.ndarray, " time"]
    U: Float64[np.ndarray, "time d d"]
    u: Float64[np.ndarray, " time"]
    loss: Float64[np.ndarray, " time"]


def population_loss(U: Square, u: float, covariance: ArrayLike, train_length: int) -> float:
    """Half the mean squared error on training prompts, (u² tr(ΓΛUΛUᵀ) − 2u tr(ΛUΛ) + tr Λ)/2.

    From E S² = ΓΛ for S = (1/N) Σ x_i x_iᵀ; the right-hand side of the flow is minus its gradient.
    """
    Lambda, Gamma = checked_covariance(covariance), gamma(covariance, train_length)
    U = checked_square(U, "U", len(Lambda))
    quadratic = u**2 * np.trace(Gamma @ Lambda @ U @ Lambda @ U.T)
    return float(quadratic - 2 * u * np.trace(Lambda @ U @ Lambda) + np.trace(Lambda)) / 2


def flow_direction(U: Square, u: float, covariance: ArrayLike, train_length: int) -> tuple[Square, float]:
    """dU/dt = −u² ΓΛUΛ + uΛ² and du/dt = −tr(u ΓΛUΛUᵀ − Λ²Uᵀ) (behind Theorem 4.1)."""
    Lambda, Gamma = checked_covariance(covariance), gamma(covariance, train_length)
    return _direction(checked_square(U, "U", len(Lambda)), u, Gamma @ Lambda, Lambda)


def gradient_flow(covariance: ArrayLike, train_length: int, *, U: ArrayLike, u: float, times: Sequence[float]) -> Flow:
    """Solve the reduced gradient flow.

    Args:
        covariance: Λ [d, d].
        train_length: N, at least 1.
        U: the x-block of W_KQ at time 0.
        u: the last entry of W_PV at time 0.
        times: when the solution is wanted, not decreasing, from 0 on.

    Raises:
        BadRequest: if Λ, N, the start or the times are not allowed.
    """
    Lambda, at = checked_covariance(covariance), np.asarray(times, dtype=float)
    start = checked_square(U, "U", len(Lambda))
    require_finite([("u", u), *(("times", float(time)) for time in at)])
    allowed = "times from 0 on, not decreasing"
    require(len(at) > 0 and at[0] >= 0 and bool((np.diff(at) >= 0).all()), "times", list(at[:3]), allowed)
    d, mixed = len(Lambda), gamma(covariance, train_length) @ Lambda

    def velocity(_time: float, state: Float64[np.ndarray, " entries"]) -> Float64[np.ndarray, " entries"]:
        dU, du = _direction(state[:-1].reshape(d, d), float(state[-1]), mixed, Lambda)
        return np.append(dU.ravel(), du)

    # Turns implicit by itself where a badly conditioned Λ makes the flow stiff.
    first = np.append(start.ravel(), u)
    span = (0.0, max(float(at[-1]), 1e-12))
    solved = scipy.integrate.solve_ivp(velocity, span, first, "LSODA", at, rtol=1e-9, atol=1e-11)
    require(bool(solved.success), "start", "given", f"one from which the flow can be followed ({solved.message})")
    path = solved.y.T
    U_at, u_at = path[:, :-1].reshape(-1, d, d), path[:, -1]
    losses = [population_loss(one, float(other), Lambda, train_length) for one, other in zip(U_at, u_at, strict=True)]
    return Flow(at, U_at, u_at, np.asarray(losses))


def _direction(U: Square, u: float, mixed: Square, Lambda: Square) -> tuple[Square, float]:
    """The flow with ΓΛ given."""
    pull, push = mixed @ U @ Lambda, Lambda @ Lambda
    return -(u**2) * pull + u * push, float(-np.sum((u * pull - push) * U))
