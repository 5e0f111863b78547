"""How one quantity grows with another: slopes on log-log axes, and where a curve crosses a level."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy

from iclscope.claims.intervals import Interval, mean_interval


def log_log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least-squares slope of log y against log x; NaN with fewer than three positive finite points or one x."""
    kept = [(a, b) for a, b in zip(x, y, strict=True) if a > 0 and b > 0 and math.isfinite(a) and math.isfinite(b)]
    if len(kept) < 3 or len({a for a, _ in kept}) < 2:
        return math.nan
    log_x, log_y = np.log(np.asarray(kept, dtype=float)).T
    return float(scipy.stats.linregress(log_x, log_y).slope)


def slope_over_seeds(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Interval:
    """Log-log slope fitted to each seed's curve (x, y), with an interval over seeds."""
    return mean_interval([log_log_slope(x, y) for x, y in curves])


def first_below(x: Sequence[float], y: Sequence[float], level: float) -> float:
    """Where a curve first reaches ``level`` from above, interpolating log y linearly in x; NaN if it never does.

    Args:
        x: increasing positions.
        y: the curve; NaN and infinite points are passed over, non-positive values count as far below the level.
        level: the level to reach, positive.
    """
    floor = level * 1e-12
    before: tuple[float, float] | None = None
    for position, value in zip(x, y, strict=True):
        if not math.isfinite(value):
            continue
        if value <= level:
            if before is None:
                return float(position)
            above, below = math.log(before[1] / level), math.log(max(value, floor) / level)
            return float(before[0] + (position - before[0]) * above / (above - below))
        before = (position, value)
    return math.nan
