"""What the limit says of prompts unlike those it was trained on, and its limit on random covariances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from iclscope.core.errors import require, require_finite
from iclscope.papers.zhang2024.theory.flow_limit import (
    Square,
    checked_covariance,
    checked_square,
    checked_weights,
    gamma,
)


def predictor(covariance: ArrayLike, train_length: int) -> Square:
    """Γ⁻¹, the matrix of the prediction ŷ = x_qᵀ Γ⁻¹ (1/M) Σ y_i x_i of the limit (Theorem 4.1)."""
    return np.linalg.inv(gamma(covariance, train_length))


def slope(
    product: ArrayLike,
    covariance: ArrayLike,
    *,
    query_covariance: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Slope of ŷ on ⟨w, x_q⟩, least squares through 0, for ŷ = x_qᵀ A (1/M) Σ y_i x_i (ours).

    Given w and x_q the mean of ŷ is x_qᵀ A Λ w, whatever M is. The slope is tr(Λ_q A Λ Ω) / tr(Λ_q Ω): for A = Γ⁻¹
    it is 1 as N grows, and c² times as large where every input is c times as large (covariate shift).

    Args:
        product: A, for instance `predictor`.
        covariance: Λ of the context [d, d].
        query_covariance: Λ_q of the query; None: that of the context.
        weights: Ω = E w wᵀ; None: the identity.
    """
    Lambda = checked_covariance(covariance)
    A = checked_square(product, "product", len(Lambda))
    of_query = Lambda if query_covariance is None else checked_covariance(query_covariance)
    require(of_query.shape == Lambda.shape, "shape of query-covariance", of_query.shape, f"that of Λ, {Lambda.shape}")
    Omega = checked_weights(weights, len(Lambda))
    return float(np.trace(of_query @ A @ Lambda @ Omega) / np.trace(of_query @ Omega))


def shifted_risk(
    product: ArrayLike,
    covariance: ArrayLike,
    *,
    test_length: int,
    query_covariance: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    noise: float = 0.0,
) -> float:
    """E(ŷ − ⟨w, x_q⟩)² for ŷ = x_qᵀ A (1/M) Σ y_i x_i and any Λ of the test prompts (ours); without the query's noise.

    From E[S Ω S] = ΛΩΛ + (1/M)[ΛΩΛ + tr(ΛΩ)Λ] for S = (1/M) Σ x_i x_iᵀ (Isserlis).

    Args:
        product: A, for instance `predictor` of the training prompts.
        covariance: Λ of the test context [d, d].
        test_length: M, at least 1.
        query_covariance: Λ_q of the query; None: that of the context.
        weights: Ω = E w wᵀ; None: the identity.
        noise: standard deviation of noise on the context's answers, 0 or more.
    """
    require(test_length >= 1, "test-length", test_length, "at least 1")
    require_finite([("noise", noise)])
    require(noise >= 0, "noise", noise, "0 or more")
    Lambda = checked_covariance(covariance)
    A = checked_square(product, "product", len(Lambda))
    of_query = Lambda if query_covariance is None else checked_covariance(query_covariance)
    require(of_query.shape == Lambda.shape, "shape of query-covariance", of_query.shape, f"that of Λ, {Lambda.shape}")
    Omega = checked_weights(weights, len(Lambda))
    mixed = Lambda @ Omega @ Lambda
    squared = mixed + (mixed + (np.trace(Lambda @ Omega) + noise**2) * Lambda) / test_length
    predicted = np.trace(A @ squared @ A.T @ of_query)
    return float(predicted - 2 * np.trace(of_query @ A @ Lambda @ Omega) + np.trace(of_query @ Omega))


def random_covariance_product(covariances: Sequence[ArrayLike], train_length: int) -> Square:
    """(E Γ_t Λ_t²)⁻¹ E Λ_t², to which u·U tends where every prompt has a covariance of its own (Theorem 4.5).

    Args:
        covariances: equally likely Λ_t that commute, diagonal ones for instance.
        train_length: N, at least 1.
    """
    require(len(covariances) > 0, "covariances", "none", "at least one")
    each = [checked_covariance(covariance) for covariance in covariances]
    sizes = sorted({len(Lambda) for Lambda in each})
    require(len(sizes) == 1, "sizes of covariances", sizes, "one size")
    commute = all(np.allclose(each[0] @ Lambda, Lambda @ each[0]) for Lambda in each[1:])
    require(commute, "covariances", "given", "matrices that commute, diagonal ones for instance")
    cubes = np.mean([gamma(Lambda, train_length) @ Lambda @ Lambda for Lambda in each], axis=0)
    squares = np.mean([Lambda @ Lambda for Lambda in each], axis=0)
    product: Square = np.linalg.solve(cubes, squares)
    return product


def exponential_product(d: int, train_length: int) -> Square:
    """`random_covariance_product` of diagonal covariances with Exp(1) entries, 1/(3 + (d + 5)/N) · I (ours).

    E λ = 1, E λ² = 2 and E λ³ = 6 give E Λ² = 2I and E ΓΛ² = [6(1 + 1/N) + (6 + 2(d − 1))/N] I. As N → ∞ it is I/3, so
    that predictions on unit covariance shrink to a third (stated beside Theorem 4.5).

    Args:
        d: dimension, at least 1.
        train_length: N, at least 1.
    """
    require(d >= 1, "d", d, "at least 1")
    require(train_length >= 1, "train-length", train_length, "at least 1")
    return np.eye(d) / (3 + (d + 5) / train_length)
