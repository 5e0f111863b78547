"""The exact loss of one step of gradient descent, and the step size that makes it least."""

from __future__ import annotations

from typing import NamedTuple

from iclscope.core.errors import require, require_finite


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
    noise_answers: int = 0,
) -> float:
    """Half the mean squared error of one step from W = 0.

    With m = E x², M = E x⁴ and S = (1/N) Σ x xᵀ: E S = m I and E S² = s I with s = [(N + d − 2) m² + M]/N, since
    E ‖x‖² x xᵀ = (M + (d − 1) m²) I. So the loss is ½ r m [τ² (1 − 2ηm + η²s)] + ½ η² d m² σ²/N: r of the d
    coordinates carry weight. Where k answers are N(0, 1), the sum runs over n = N − k examples and is divided by N still:
    n/N · m takes the place of m in 2ηm and n[(n + d − 2) m² + M]/N² that of s, and (nσ² + k)/N² that of σ²/N.

    Args:
        eta: step size η.
        d: dimension of the inputs.
        length: examples N.
        moments: of each coordinate.
        relevant: how many coordinates the answers depend on; None: all.
        weight_scale: τ, standard deviation of the entries of w.
        noise: σ, standard deviation of noise on the answers of the context.
        noise_answers: k, how many of these are N(0, 1) and say nothing of w (`LinearRegression.noise_answers`).

    Raises:
        BadRequest: if a setting is not allowed.
    """
    require_finite([("eta", eta)])
    relevant = _checked_tasks(d, relevant, weight_scale, noise)
    require(0 <= noise_answers <= length, "noise_answers", noise_answers, f"0 … length = {length}")
    m, s = moments.second, _second_of_covariance(d, length, moments, noise_answers)
    clean = length - noise_answers
    missed = relevant * m * weight_scale**2 * (1 - 2 * eta * m * clean / length + eta**2 * s)
    variance = (clean * noise**2 + noise_answers) / length**2
    return 0.5 * (missed + eta**2 * d * m**2 * variance)


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


def _second_of_covariance(d: int, length: int, moments: Moments, left_out: int = 0) -> float:
    """The s of `one_step_loss`: E S² = s I; of the N examples in S so many are left out."""
    require(d >= 1, "d", d, "at least 1")
    require(length >= 1, "length", length, "at least 1")
    require_finite([("second moment", moments.second), ("fourth moment", moments.fourth)])
    require(moments.second > 0, "second moment", moments.second, "a positive number")
    allowed = f"at least the square of the second, {moments.second**2:g}"
    require(moments.fourth >= moments.second**2 * (1 - 1e-12), "fourth moment", moments.fourth, allowed)
    kept = length - left_out
    return kept * ((kept + d - 2) * moments.second**2 + moments.fourth) / length**2
