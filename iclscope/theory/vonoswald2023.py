"""von Oswald et al. 2023: a layer of linear self-attention that takes a step of gradient descent, and its loss.

    L(W) = 1/(2N) Σ_i ‖W x_i − y_i‖²        W ← W − η ∇L(W) = W + (η/N) Σ_i (y_i − W x_i) x_iᵀ

The layer is e_j ← e_j + P W_V Σ_i e_i (W_K e_i)ᵀ W_Q e_j over the context's tokens e_i = (x_i, y_i); the prediction
is minus the query's y. `models.LinearAttention` divides the sum by N, so P is η here where Proposition 1 has η/N.

Losses are half the mean squared error at the query, as in the paper. They are exact means over inputs whose
coordinates are independent, symmetric and alike, with w ~ N(0, τ² I): (I − ηS) with S = (1/N) Σ x_i x_iᵀ maps w to
what one step leaves of it, so everything follows from E S and E S². The derivation is ours; the paper finds η by line
search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

from iclscope.errors import require, require_finite

PUBLISHED_GAMMA = {10: 0.179, 25: 0.099, 50: 0.056, 100: 0.029}
"""γ of GD++ by the number of examples N, as the paper prints it."""


class LayerWeights(NamedTuple):
    """The four matrices of a layer (Proposition 1), and their two products, in float64.

    Attributes:
        W_K: keys.
        W_Q: queries.
        W_V: values.
        P: projection.
    """

    W_K: Float[Tensor, "d d"]
    W_Q: Float[Tensor, "d d"]
    W_V: Float[Tensor, "d d"]
    P: Float[Tensor, "d d"]

    @property
    def W_KQ(self) -> Float[Tensor, "d d"]:
        """W_Kᵀ W_Q."""
        return self.W_K.T @ self.W_Q

    @property
    def W_PV(self) -> Float[Tensor, "d d"]:
        """P W_V."""
        return self.P @ self.W_V


def construction(
    *, d_X: int, eta: float, gamma: float = 0.0, length: int = 1, W0: Float[Tensor, "d_Y d_X"] | None = None
) -> LayerWeights:
    """The weights that make a layer one step of gradient descent, or of GD++ (Proposition 1 and Section 3).

    The same weights in every one of K layers make K steps. With W0 the query's y must start at −W0 x, as in the paper;
    a model in which it starts at 0 predicts what W0 x lacks.

    Args:
        d_X: dimension of the inputs.
        eta: step size η.
        gamma: γ of GD++: the layer also maps every x to (I − γ Σ_i x_i x_iᵀ) x; 0 is plain gradient descent.
        length: N, of use with γ only, since the model divides its sum by N and γ is not divided.
        W0: where gradient descent starts; None: at 0, one output.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    require_finite([("eta", eta), ("gamma", gamma)])
    require(d_X >= 1, "d_X", d_X, "at least 1")
    require(length >= 1, "length", length, "at least 1")
    W0 = torch.zeros(1, d_X, dtype=torch.float64) if W0 is None else W0.double()
    require(W0.ndim == 2, "axes of W0", W0.ndim, "2: outputs by inputs")
    require(W0.shape[1] == d_X, "columns of W0", W0.shape[1], f"d_X = {d_X}")
    d_Y = len(W0)
    reads = torch.diag(torch.tensor([1.0] * d_X + [0.0] * d_Y, dtype=torch.float64))
    values, projection = torch.zeros_like(reads), torch.eye(d_X + d_Y, dtype=torch.float64) * eta
    values[d_X:, :d_X], values[d_X:, d_X:] = W0, -torch.eye(d_Y, dtype=torch.float64)
    if gamma:
        values[:d_X, :d_X] = -torch.eye(d_X, dtype=torch.float64)
        projection[:d_X, :d_X] = torch.eye(d_X, dtype=torch.float64) * gamma * length
    return LayerWeights(reads, reads, values, projection)


def gradient_descent(
    x: Float[Tensor, "*batch length d_X"],
    y: Float[Tensor, "*batch length"],
    query: Float[Tensor, "*batch d_X"],
    *,
    eta: float,
    steps: int = 1,
    gamma: float = 0.0,
) -> Float[Tensor, "*batch"]:
    """The prediction of K steps of gradient descent from W = 0, or of GD++, at each prompt's query.

    GD++ alternates with γ: after each step every x becomes (I − γ Σ_i x_i x_iᵀ) x, and the next step is taken on the
    residuals with these inputs. Both moves of a layer read the inputs before it.

    Args:
        x: inputs of the context.
        y: its answers.
        query: where to predict.
        eta: step size η.
        steps: number of steps K.
        gamma: γ of GD++; 0 is plain gradient descent.
    """
    residual, prediction = y, torch.zeros_like(query[..., 0])
    for _ in range(steps):
        step = eta * torch.einsum("...i,...id->...d", residual, x) / x.shape[-2]
        residual = residual - torch.einsum("...d,...id->...i", step, x)
        prediction = prediction + torch.einsum("...d,...d->...", step, query)
        if gamma:
            moments = x.transpose(-1, -2) @ x
            x, query = x - gamma * x @ moments, query - gamma * (moments @ query[..., None])[..., 0]
    return prediction


class Rates(NamedTuple):
    """The best rates of K steps, and their loss.

    Attributes:
        eta: step size η.
        gamma: γ of GD++; 0 for gradient descent.
        loss: half the mean squared error.
    """

    eta: float
    gamma: float
    loss: float


class Moments(NamedTuple):
    """Moments of one coordinate of the inputs, which is symmetric around 0.

    Attributes:
        second: E x².
        fourth: E x⁴.
    """

    second: float
    fourth: float

    def scaled(self, factor: float) -> Moments:
        """The moments of ``factor`` times the coordinate."""
        return Moments(self.second * factor**2, self.fourth * factor**4)


def uniform_moments(half_width: float) -> Moments:
    """h²/3 and h⁴/5 of U(−h, h).

    Raises:
        BadRequest: if h is not positive and finite.
    """
    require_finite([("half_width", half_width)])
    require(half_width > 0, "half_width", half_width, "a positive number")
    return Moments(half_width**2 / 3, half_width**4 / 5)


def gaussian_moments(deviation: float = 1.0) -> Moments:
    """s² and 3s⁴ of N(0, s²).

    Raises:
        BadRequest: if s is not positive and finite.
    """
    require_finite([("deviation", deviation)])
    require(deviation > 0, "deviation", deviation, "a positive number")
    return Moments(deviation**2, 3 * deviation**4)


def one_step_loss(
    eta: float,
    *,
    d: int,
    length: int,
    moments: Moments,
    relevant: int | None = None,
    weight_scale: float = 1.0,
    noise: float = 0.0,
) -> float:
    """Half the mean squared error of one step from W = 0.

    With m = E x², M = E x⁴ and S = (1/N) Σ x xᵀ: E S = m I and E S² = s I with s = [(N + d − 2) m² + M]/N, since
    E ‖x‖² x xᵀ = (M + (d − 1) m²) I. So the loss is ½ r m [τ² (1 − 2ηm + η²s)] + ½ η² d m² σ²/N: r of the d
    coordinates carry weight.

    Args:
        eta: step size η.
        d: dimension of the inputs.
        length: examples N.
        moments: of each coordinate.
        relevant: how many coordinates the answers depend on; None: all.
        weight_scale: τ, standard deviation of the entries of w.
        noise: σ, standard deviation of noise on the answers of the context.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    require_finite([("eta", eta)])
    relevant = _checked_tasks(d, relevant, weight_scale, noise)
    m, s = moments.second, _second_of_covariance(d, length, moments)
    missed = relevant * m * weight_scale**2 * (1 - 2 * eta * m + eta**2 * s)
    return 0.5 * (missed + eta**2 * d * m**2 * noise**2 / length)


def optimal_step(
    *,
    d: int,
    length: int,
    moments: Moments,
    relevant: int | None = None,
    weight_scale: float = 1.0,
    noise: float = 0.0,
) -> Rates:
    """The η at which `one_step_loss` is least, and that loss; the arguments are its own.

    Without noise η = m/s = N m / [(N + d − 2) m² + M], and the loss is ½ r m τ² (1 − m²/s).
    """
    relevant = _checked_tasks(d, relevant, weight_scale, noise)
    m, s = moments.second, _second_of_covariance(d, length, moments)
    eta = relevant * m * weight_scale**2 / (relevant * s * weight_scale**2 + d * m * noise**2 / length)
    loss = one_step_loss(
        eta, d=d, length=length, moments=moments, relevant=relevant, weight_scale=weight_scale, noise=noise
    )
    return Rates(eta, 0.0, loss)


def _checked_tasks(d: int, relevant: int | None, weight_scale: float, noise: float) -> int:
    """How many coordinates the answers depend on; settings of no task are refused."""
    require(d >= 1, "d", d, "at least 1")
    relevant = d if relevant is None else relevant
    require(1 <= relevant <= d, "relevant", relevant, f"1 … d = {d}")
    require_finite([("weight_scale", weight_scale), ("noise", noise)])
    require(weight_scale != 0, "weight_scale", weight_scale, "any number but 0: every answer would be 0")
    require(noise >= 0, "noise", noise, "0 or more")
    return relevant


def _second_of_covariance(d: int, length: int, moments: Moments) -> float:
    """The s of `one_step_loss`: E S² = s I."""
    require(d >= 1, "d", d, "at least 1")
    require(length >= 1, "length", length, "at least 1")
    require_finite([("second moment", moments.second), ("fourth moment", moments.fourth)])
    require(moments.second > 0, "second moment", moments.second, "positive")
    allowed = f"at least the square of the second, {moments.second**2:g}"
    require(moments.fourth >= moments.second**2 * (1 - 1e-12), "fourth moment", moments.fourth, allowed)
    return ((length + d - 2) * moments.second**2 + moments.fourth) / length


class Spectra(NamedTuple):
    """What K steps need to know of noiseless tasks, in the eigenvectors u_j of each task's S = (1/N) Σ x xᵀ.

    Attributes:
        eigenvalues: of S.
        parts: ⟨w, u_j⟩ ⟨u_j, x_query⟩, whose sum is the query's answer.
        length: N.
    """

    eigenvalues: NDArray[np.float64]
    parts: NDArray[np.float64]
    length: int


def spectra(x: Float[Tensor, "task length d"], w: Float[Tensor, "task d"], query: Float[Tensor, "task d"]) -> Spectra:
    """Spectra of tasks y = ⟨w, x⟩ without noise."""
    x, w, query = x.double(), w.double(), query.double()
    eigenvalues, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x / x.shape[1])
    along_w, along_query = (torch.einsum("tdj,td->tj", vectors, vector) for vector in (w, query))
    return Spectra(eigenvalues.numpy(), (along_w * along_query).numpy(), x.shape[1])


def steps_loss(tasks: Spectra, *, eta: float, steps: int, gamma: float = 0.0) -> float:
    """Half the mean squared error of K steps over the tasks.

    All matrices of a task commute: a step multiplies what w lacks along u_j by 1 − ημ_j, and GD++ then maps μ_j to
    μ_j (1 − γNμ_j)², with μ_j the eigenvalue of S at first.
    """
    mu, left = tasks.eigenvalues, tasks.parts
    for _ in range(steps):
        left = left * (1 - eta * mu)
        mu = mu * (1 - gamma * tasks.length * mu) ** 2
    return 0.5 * float(np.mean(left.sum(axis=1) ** 2))


def line_search(tasks: Spectra, *, steps: int, plus: bool = False) -> Rates:
    """The one η, and for GD++ the one γ, that is best for all K steps (the paper: line search over 10⁴ tasks).

    Args:
        tasks: what to search on.
        steps: number of steps K.
        plus: whether γ is searched for too.

    Raises:
        BadRequest: if there is not at least one step.
    """
    require(steps >= 1, "steps", steps, "at least 1")
    mean, largest = float(tasks.eigenvalues.mean()), float(tasks.eigenvalues.max())
    # In units of 1/mean and 1/(N·largest), in which both rates are of order 1.
    unit_eta, unit_gamma = 1 / mean, 1 / (tasks.length * largest)

    def loss(rates: NDArray[np.float64]) -> float:
        return steps_loss(tasks, eta=float(rates[0]) * unit_eta, steps=steps, gamma=float(rates[1]) * unit_gamma)

    found = minimize_scalar(
        lambda eta: steps_loss(tasks, eta=eta * unit_eta, steps=steps),
        bounds=(0.0, 2.0),
        method="bounded",
        options={"xatol": 1e-6},
    )
    plain = Rates(float(found.x) * unit_eta, 0.0, float(found.fun))
    if not plus or steps == 1:  # what the last layer makes of x is not read
        return plain
    # Several starts, since there are local minima.
    starts = [(float(found.x), 0.2), (float(found.x), 0.8), (0.6 * float(found.x), 1.0)]
    searches = [
        minimize(loss, np.array(start), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
        for start in starts
    ]
    best = searches[int(np.argmin([search.fun for search in searches]))]
    eta, gamma = float(best.x[0]) * unit_eta, float(best.x[1]) * unit_gamma
    return Rates(eta, gamma, steps_loss(tasks, eta=eta, steps=steps, gamma=gamma))
