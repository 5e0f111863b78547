"""von Oswald et al. 2023: a layer of linear self-attention that takes a step of gradient descent, and its loss.

    L(W) = 1/(2N) Σ_i ‖W x_i − y_i‖²        W ← W − η ∇L(W) = W + (η/N) Σ_i (y_i − W x_i) x_iᵀ

The layer is e_j ← e_j + P W_V Σ_i e_i (W_K e_i)ᵀ W_Q e_j over the context's tokens e_i = (x_i, y_i); the prediction
is minus the query's y. `models.LinearAttention` divides the sum by N, so P is η here where Proposition 1 has η/N.

Losses are half the mean squared error at the query, as in the paper. They are exact means over inputs whose
coordinates are independent, symmetric and alike, with w ~ N(0, τ² I): (I − ηS) with S = (1/N) Σ x_i x_iᵀ maps w to
what one step leaves of it, so everything follows from E S and E S². The derivation is ours; the paper finds η by line
search.
"""

from iclscope.papers.vonoswald2023.theory.best_steps import PUBLISHED_GAMMA, Spectra, line_search, spectra, steps_loss
from iclscope.papers.vonoswald2023.theory.constructed_layers import LayerWeights, construction, gradient_descent
from iclscope.papers.vonoswald2023.theory.one_step import (
    Moments,
    Rates,
    gaussian_moments,
    one_step_loss,
    optimal_step,
    uniform_moments,
)

__all__ = [
    "PUBLISHED_GAMMA",
    "LayerWeights",
    "Moments",
    "Rates",
    "Spectra",
    "construction",
    "gaussian_moments",
    "gradient_descent",
    "line_search",
    "one_step_loss",
    "optimal_step",
    "spectra",
    "steps_loss",
    "uniform_moments",
]
