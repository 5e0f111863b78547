"""Where the phases of Huang 2024 begin and end, read off a trajectory by a fixed rule.

The rules are ours: the paper bounds the phases and does not measure them. No rate is estimated, so noise of single
steps does not matter, and no constant is chosen but the two levels, attention ½ and loss ε.

- **Growth of A_k ends** when the attention on the query's own feature reaches ½. (For balanced features and long
  prompts A_k is then log(K − 1)(K − 1)/K, the paper's ≈ log K.)
- **Convergence ends** when the loss of the query reaches ε.

Balanced features have these two phases. Under-represented ones have two more before them:

- **Decrease of the dominant feature ends** when A_k + B_{k,1} is least: until then the cross score to the dominant
  feature falls faster than the own score grows, afterwards the own score leads.
- **Switching ends** when the attention on the own feature first exceeds that on the dominant one.

Times of levels are interpolated linearly between records; that of the least point is
a record's own. A mark that is never passed is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[np.float64]

HALF = 0.5
"""The attention on the own feature at which its growth ends."""


class BalancedPhases(NamedTuple):
    """Ends of the two phases, in units of the times given.

    Attributes:
        growth: own attention ½.
        convergence: loss ε.
    """

    growth: float
    convergence: float


class UnderRepresentedPhases(NamedTuple):
    """Ends of the four phases, in units of the times given.

    Attributes:
        decrease: A_k + B_{k,1} at its least.
        switching: own attention above that on the dominant feature.
        growth: own attention ½.
        convergence: loss ε.
    """

    decrease: float
    switching: float
    growth: float
    convergence: float

    def durations(self) -> tuple[float, float, float, float]:
        """How long each phase lasts; negative where marks are passed in another order."""
        return (
            self.decrease,
            self.switching - self.decrease,
            self.growth - self.switching,
            self.convergence - self.growth,
        )


def first_at_least(times: Values, values: Values, level: float) -> float:
    """When a curve first reaches a level from below; NaN if it never does. Points that are not finite are left out."""
    before: tuple[float, float] | None = None
    for time, value in zip(times, values, strict=True):
        if not math.isfinite(value):
            continue
        if value >= level:
            if before is None:
                return float(time)
            return float(before[0] + (time - before[0]) * (level - before[1]) / (value - before[1]))
        before = (float(time), float(value))
    return math.nan


def balanced_phases(times: Values, own_attention: Values, loss: Values, epsilon: float) -> BalancedPhases:
    """The two phases of a balanced feature.

    Args:
        times: increasing, in steps or in η·steps.
        own_attention: on the query's own feature.
        loss: of this query.
        epsilon: the loss at which convergence ends.
    """
    return BalancedPhases(
        first_at_least(times, own_attention, HALF),
        first_at_least(times, -np.asarray(loss, dtype=float), -epsilon),
    )


def under_represented_phases(
    times: Values,
    *,
    own_score: Values,
    dominant_score: Values,
    own_attention: Values,
    dominant_attention: Values,
    loss: Values,
    epsilon: float,
) -> UnderRepresentedPhases:
    """The four phases of a feature beside a dominant one.

    Args:
        times: increasing, in steps or in η·steps.
        own_score: A_k.
        dominant_score: B_{k,1}.
        own_attention: on the query's own feature.
        dominant_attention: on the dominant feature.
        loss: of this query.
        epsilon: the loss at which convergence ends.
    """
    last = balanced_phases(times, own_attention, loss, epsilon)
    lead = np.asarray(own_attention, dtype=float) - np.asarray(dominant_attention, dtype=float)
    return UnderRepresentedPhases(_least_at(times, own_score, dominant_score), first_at_least(times, lead, 0.0), *last)


def _least_at(times: Values, own_score: Values, dominant_score: Values) -> float:
    """When A_k + B_{k,1} is least; NaN if it still falls at the last record, or nothing is known."""
    total = np.asarray(own_score, dtype=float) + np.asarray(dominant_score, dtype=float)
    known = np.flatnonzero(np.isfinite(total))
    if len(known) < 2:
        return math.nan
    least = known[np.argmin(total[known])]
    return math.nan if least == known[-1] else float(times[least])
