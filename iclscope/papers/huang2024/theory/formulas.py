"""Convergence times, and what a loss says of the attention.

The times are upper bounds, from our recollection of the paper; that the bound is quadratic in K is what a public
review says. Their constants are not known to us and are 1 here. The relations of loss, attention and
scores are exact and ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from iclscope.core.errors import require, require_finite


class Steps(NamedTuple):
    """Steps of gradient descent until the loss is ε, up to the constants.

    Attributes:
        growth: until the attention has turned to the query's own feature.
        convergence: from there until the loss is ε.
    """

    growth: float
    convergence: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.growth + self.convergence


def balanced_steps(*, K: int, eta: float, epsilon: float) -> Steps:
    """K² log K/η, then K log(K ε^{−1/2})/(ε η): balanced features, and under-represented ones beside a dominant one.

    Our recollection of the theorems on balanced and on imbalanced features, constants 1: so many steps are enough.

    Args:
        K: number of features, at least 2.
        eta: step size η, positive.
        epsilon: loss ε of one query feature, in (0, 1).

    Raises:
        BadRequest: if a setting is not allowed.
    """
    _check(K, eta, epsilon)
    return Steps(K**2 * math.log(K) / eta, K * math.log(K / math.sqrt(epsilon)) / (epsilon * eta))


def dominant_steps(*, eta: float, epsilon: float) -> Steps:
    """log(ε^{−1/2})/(ε η), in one phase: the dominant feature, whose probability does not fall with K.

    Our recollection of the theorem on imbalanced features, constant 1.

    Args:
        eta: step size η, positive.
        epsilon: loss ε of the dominant query, in (0, 1).

    Raises:
        BadRequest: if a setting is not allowed.
    """
    _check(2, eta, epsilon)
    return Steps(0.0, math.log(1 / math.sqrt(epsilon)) / (epsilon * eta))


def promised_attention(epsilon: float) -> float:
    """1 − √ε: the attention on the query's own feature at loss ε (our recollection: 1 − O(√ε), constant 1).

    Raises:
        BadRequest: if ε is not in (0, 1).
    """
    _check(2, 1.0, epsilon)
    return 1 - math.sqrt(epsilon)


def attention_range(*, loss: float, K: int) -> tuple[float, float]:
    """Least and most attention on the own feature that one prompt's loss leaves room for (ours, exact).

    With attention a on the own feature and 1 − a on K − 1 others, E_w (ŷ − y)² = (1 − a)² + Σ_others a_m², which lies
    between (1 − a)² K/(K − 1), spread evenly, and 2 (1 − a)², all on one. Over many prompts of mean loss ε, Jensen's
    inequality leaves the lower end true of the mean attention.

    Args:
        loss: E_w (ŷ − y)² of one query feature, in [0, 2].
        K: number of features, at least 2.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    _check(K, 1.0, 0.5)
    require_finite([("loss", loss)])
    require(0 <= loss <= 2, "loss", loss, "0 to 2")
    return max(0.0, 1 - math.sqrt(loss * (K - 1) / K)), 1 - math.sqrt(loss / 2)


def score_at_half(K: int) -> float:
    """The own score A at which balanced features get half of the attention, for long prompts (ours, exact).

    Cross scores are −A/(K − 1), since the scores of a query sum to zero at all times; e^{A − B} = K − 1 then gives
    A = log(K − 1) (K − 1)/K, close to log K.

    Args:
        K: number of features, at least 2.

    Raises:
        BadRequest: if K is less than 2.
    """
    _check(K, 1.0, 0.5)
    return math.log(K - 1) * (K - 1) / K


def least_loss(probabilities: Sequence[float], length: int) -> float:
    """A loss that no Q can get below: the query's own feature may be missing from the context (ours).

    With probability (1 − p_k)^N it is, and then the loss is at least 1 + 1/(K − 1).

    Args:
        probabilities: p_1 … p_K, positive, summing to one.
        length: context length N, at least 1.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    p = checked_probabilities(probabilities)
    require(length >= 1, "length", length, "at least 1")
    return float(np.sum(p * (1 - p) ** length)) * (1 + 1 / (len(p) - 1))


def checked_probabilities(probabilities: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The probabilities as an array.

    Raises:
        BadRequest: if there are fewer than two, one is not positive, or they do not sum to one.
    """
    p = np.asarray(probabilities, dtype=float)
    require(p.ndim == 1 and len(p) >= 2, "probabilities", list(probabilities), "at least two numbers")
    positive = bool(np.isfinite(p).all() and (p > 0).all())
    require(positive, "probabilities", list(probabilities), "positive numbers")
    require(abs(float(p.sum()) - 1) < 1e-9, "sum of probabilities", float(p.sum()), "1")
    return p


def _check(K: int, eta: float, epsilon: float) -> None:
    require_finite([("eta", eta), ("epsilon", epsilon)])
    require(K >= 2, "K", K, "at least 2")
    require(eta > 0, "eta", eta, "a positive number")
    require(0 < epsilon < 1, "epsilon", epsilon, "(0, 1)")
