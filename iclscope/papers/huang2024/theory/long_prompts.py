"""Gradient flow in the limit of long prompts, where every feature stands in the context in its exact share (ours).

The paper's phases follow from it without noise. Queries do not influence each other: column k of the scores moves on
its own. Time is step size times steps, t = η·steps, of gradient descent on E(ŷ − y)².
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from iclscope.core.errors import require, require_finite
from iclscope.papers.huang2024.theory.formulas import checked_probabilities

Floats = NDArray[np.float64]

LEAST_LOSS = 1e-6
"""Smaller losses are refused: the flow would have to be followed for very long."""


class Flow(NamedTuple):
    """The way of one query feature.

    Attributes:
        scores: S_jk of every context feature j, [feature, time].
        attention: on every feature, [feature, time].
        loss: E(ŷ − y)² for this query, [time].
    """

    scores: Floats
    attention: Floats
    loss: Floats


class Times(NamedTuple):
    """When the flow passes two marks, in t = η·steps.

    Attributes:
        half: own attention ½, the end of the growth of A_k.
        converged: loss ε.
    """

    half: float
    converged: float


def long_prompt_gradient(column: ArrayLike, probabilities: Sequence[float], query: int) -> Floats:
    """Gradient of E(ŷ − y)² in the scores S_jk of one query k: p_k times that of its own loss.

    Args:
        column: S_jk of every context feature j.
        probabilities: p_1 … p_K.
        query: which feature is asked for, counted from 0.
    """
    p = checked_probabilities(probabilities)
    _check_query(query, len(p))
    S = np.asarray(column, dtype=float)
    weights = p * np.exp(S - S.max())
    a = weights / weights.sum()
    off = a - np.eye(len(p))[query]
    slope: Floats = 2 * p[query] * a * (off - (a * off).sum())
    return slope


def gradient_flow(probabilities: Sequence[float], query: int, times: Sequence[float]) -> Flow:
    """Scores, attention and loss of one query at given times, from Q = 0.

    Args:
        probabilities: p_1 … p_K, positive, summing to one.
        query: which feature is asked for, counted from 0.
        times: increasing, 0 or more.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    p = checked_probabilities(probabilities)
    _check_query(query, len(p))
    at = np.asarray(times, dtype=float)
    require_finite(("times", float(time)) for time in at)
    require(bool(len(at) and (np.diff(at) > 0).all() and at[0] >= 0), "times", list(times)[:3], "increasing, from 0 on")
    groups = _Groups.of(p, query)
    S = np.zeros((len(groups.p), 1)) if at[-1] == 0 else _solved(groups, float(at[-1]), at).y
    a = groups.attention(S)
    return Flow(S[groups.of_feature], a[groups.of_feature], groups.total(groups.off(a) ** 2))


def times_of_flow(probabilities: Sequence[float], query: int, epsilon: float) -> Times:
    """When the own attention is ½ and when the loss is ε; 0 where it is so from the start.

    Args:
        probabilities: p_1 … p_K, positive, summing to one.
        query: which feature is asked for, counted from 0.
        epsilon: the loss of this query to reach, from `LEAST_LOSS` to below 1.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    p = checked_probabilities(probabilities)
    _check_query(query, len(p))
    require_finite([("epsilon", epsilon)])
    require(LEAST_LOSS <= epsilon < 1, "epsilon", epsilon, f"from {LEAST_LOSS:g} to below 1")
    groups = _Groups.of(p, query)

    def half(_t: float, S: Floats) -> float:
        return float(groups.attention(S)[0]) - 0.5

    def converged(_t: float, S: Floats) -> float:
        # Logarithms, so that the solver finds the crossing as well for a small ε as for a large one.
        return math.log(epsilon / max(float(groups.total(groups.off(groups.attention(S)) ** 2)), 1e-300))

    def both(t: float, S: Floats) -> float:
        return min(half(t, S), converged(t, S))

    both.terminal = True  # type: ignore[attr-defined]
    start = np.zeros(len(groups.p))
    marks: tuple[Callable[[float, Floats], float], ...] = (half, converged, both)
    # Loss falls like 1/(4 p_k t) at the end and A_k has grown by 1/p_k²: far more than enough time.
    latest = 100 / p[query] ** 2 + 100 / (p[query] * epsilon)
    found = None if both(0.0, start) >= 0 else _solved(groups, float(latest), None, marks)

    def passed(index: int) -> float:
        if marks[index](0.0, start) >= 0:
            return 0.0
        if found is None or len(found.t_events[index]) == 0:
            return math.inf
        return float(found.t_events[index][0])

    return Times(half=passed(0), converged=passed(1))


class _Groups(NamedTuple):
    """Features that move alike from Q = 0: the query's own, and the others by their probability.

    Attributes:
        p: probability of a feature of each group; the own feature is the first group.
        many: how many features each group has.
        of_feature: the group of each feature.
    """

    p: Floats
    many: Floats
    of_feature: NDArray[np.int64]

    @classmethod
    def of(cls, p: Floats, query: int) -> _Groups:
        """The groups of a query."""
        others = np.delete(p, query)
        values, which, many = np.unique(others, return_inverse=True, return_counts=True)
        of_feature = np.insert(which.ravel() + 1, query, 0).astype(np.int64)
        return cls(np.append(p[query], values), np.append(1.0, many), of_feature)

    def attention(self, S: Floats) -> Floats:
        """On each single feature of each group."""
        shape = (-1, *(1,) * (S.ndim - 1))
        weights = self.p.reshape(shape) * np.exp(S - S.max(axis=0))
        shares: Floats = weights / (self.many.reshape(shape) * weights).sum(axis=0)
        return shares

    def off(self, a: Floats) -> Floats:
        """Attention less what it should be, 1 on the own feature."""
        off = a.copy()
        off[0] -= 1
        return off

    def total(self, values: Floats) -> Floats:
        """Sum over all features."""
        summed: Floats = np.tensordot(self.many, values, axes=1)
        return summed

    def velocity(self, S: Floats) -> Floats:
        """Minus the gradient, for a feature of each group."""
        a = self.attention(S)
        off = self.off(a)
        rate: Floats = -2 * self.p[0] * a * (off - self.total(a * off))
        return rate


def _solved(
    groups: _Groups, end: float, times: Floats | None, events: Sequence[Callable[[float, Floats], float]] = ()
) -> Any:
    """The flow of one query up to ``end``."""
    return scipy.integrate.solve_ivp(
        lambda _t, S: groups.velocity(S),
        (0.0, end),
        np.zeros(len(groups.p)),
        method="LSODA",
        t_eval=times,
        events=list(events) or None,
        rtol=1e-8,
        atol=1e-10,
    )


def _check_query(query: int, K: int) -> None:
    require(0 <= query < K, "query", query, f"0 to {K - 1}")
