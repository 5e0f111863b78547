"""The risk of the limit on any distribution of (x, y) with the inputs of training (Theorem 4.2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from iclscope.core.errors import require, require_finite
from iclscope.papers.zhang2024.theory.flow_limit import Square, checked_covariance, checked_weights, gamma


class Moments(NamedTuple):
    """What the risk depends on of a distribution of (x, y), averaged over tasks where there are many.

    Attributes:
        a: E a aᵀ with a = Λ⁻¹ E[x y], the best linear weights of a task.
        Sigma: mean of Σ = Cov(x y).
        best_linear_risk: mean of min_v E(⟨v, x⟩ − y)².
    """

    a: Square
    Sigma: Square
    best_linear_risk: float


class Risk(NamedTuple):
    """Terms of Theorem 4.2; their sum is the risk.

    Attributes:
        best_linear: risk of the best linear predictor.
        variance: (1/M) tr(Σ Γ⁻² Λ), which longer test prompts remove.
        bias: the term in 1/N², which only longer training prompts remove.
    """

    best_linear: float
    variance: float
    bias: float

    @property
    def total(self) -> float:
        """E(ŷ − y)²."""
        return self.best_linear + self.variance + self.bias


class RiskBound(NamedTuple):
    """Terms of Corollary 4.3; their sum is an upper bound of the risk.

    Attributes:
        variance: (d + 1) tr(Λ)/M, which longer test prompts remove.
        bias: (1 + 2d + d²κ) tr(Λ)/N², which only longer training prompts remove.
    """

    variance: float
    bias: float

    @property
    def total(self) -> float:
        """What the risk is at most."""
        return self.variance + self.bias


def linear_moments(covariance: ArrayLike, *, weights: ArrayLike | None = None, noise: float = 0.0) -> Moments:
    """Moments of y = ⟨w, x⟩ + ε, x ~ N(0, Λ), averaged over w: Σ = (tr(ΛΩ) + σ²)Λ + ΛΩΛ with Ω = E w wᵀ (ours).

    Isserlis: E[x xᵀ ⟨w, x⟩²] = (wᵀΛw)Λ + 2Λw wᵀΛ, of which Λw wᵀΛ is the square of the mean.

    Args:
        covariance: Λ [d, d].
        weights: Ω [d, d]; None: the identity, as in training. w wᵀ for one task.
        noise: σ, standard deviation of ε, 0 or more.
    """
    Lambda = checked_covariance(covariance)
    Omega = checked_weights(weights, len(Lambda))
    require_finite([("noise", noise)])
    require(noise >= 0, "noise", noise, "0 or more")
    Sigma = (np.trace(Lambda @ Omega) + noise**2) * Lambda + Lambda @ Omega @ Lambda
    return Moments(Omega, Sigma, float(noise) ** 2)


def risk_terms(covariance: ArrayLike, *, train_length: int, test_length: int, moments: Moments | None = None) -> Risk:
    """The terms of the limit's risk on any distribution of (x, y) with x ~ N(0, Λ) (Theorem 4.2).

    The bias is (1/N²)[‖a‖²_{Γ⁻²Λ³} + 2 tr(Λ) ‖a‖²_{Γ⁻²Λ²} + tr(Λ)² ‖a‖²_{Γ⁻²Λ}].

    Args:
        covariance: Λ [d, d].
        train_length: N, at least 1.
        test_length: M, at least 1.
        moments: of the test distribution; None: the one trained on.

    Raises:
        BadRequest: if Λ is not symmetric positive definite, or a length is not at least 1.
    """
    Lambda = checked_covariance(covariance)
    require(test_length >= 1, "test-length", test_length, "at least 1")
    of = linear_moments(Lambda) if moments is None else moments
    inverse = np.linalg.inv(gamma(Lambda, train_length))
    weighting, trace = inverse @ inverse @ Lambda, np.trace(Lambda)
    metric = weighting @ (Lambda @ Lambda + 2 * trace * Lambda + trace**2 * np.eye(len(Lambda)))
    variance, bias = np.trace(of.Sigma @ weighting) / test_length, np.trace(of.a @ metric) / train_length**2
    return Risk(of.best_linear_risk, float(variance), float(bias))


def risk(
    covariance: ArrayLike,
    *,
    train_length: int,
    test_length: int,
    weights: ArrayLike | None = None,
    noise: float = 0.0,
    moments: Moments | None = None,
) -> float:
    """E(ŷ − y)² of the limit (Theorem 4.2), the query's own noise included.

    Args:
        covariance: Λ [d, d].
        train_length: N, at least 1.
        test_length: M, at least 1.
        weights: E w wᵀ of the test tasks; None: the identity, as in training.
        noise: standard deviation of noise on the answers.
        moments: of any other distribution of (x, y); then neither ``weights`` nor ``noise``.
    """
    both = moments is not None and (weights is not None or noise != 0)
    require(not both, "moments", "given", "without weights and noise: they say the same")
    of = linear_moments(covariance, weights=weights, noise=noise) if moments is None else moments
    return risk_terms(covariance, train_length=train_length, test_length=test_length, moments=of).total


def risk_bound(covariance: ArrayLike, *, train_length: int, test_length: int) -> RiskBound:
    """An upper bound of the limit's risk on noiseless tasks w ~ N(0, I), where `risk_terms` is exact (Corollary 4.3).

    Args:
        covariance: Λ [d, d]; κ is its largest eigenvalue over its smallest.
        train_length: N, at least 1.
        test_length: M, at least 1.

    Raises:
        BadRequest: if Λ is not symmetric positive definite, or a length is not at least 1.
    """
    Lambda = checked_covariance(covariance)
    require(train_length >= 1, "train-length", train_length, "at least 1")
    require(test_length >= 1, "test-length", test_length, "at least 1")
    d, trace, eigenvalues = len(Lambda), float(np.trace(Lambda)), np.linalg.eigvalsh(Lambda)
    kappa = float(eigenvalues[-1] / eigenvalues[0])
    return RiskBound((d + 1) * trace / test_length, (1 + 2 * d + d**2 * kappa) * trace / train_length**2)
