"""Answers in words to questions of ours, which papers leave open."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from iclscope.claims.families import Verdict
from iclscope.claims.intervals import Interval


def signed(power: float) -> str:
    """A power with one digit and a true minus sign."""
    return f"{power:.1f}".replace("-", "−")


Answer = Callable[[Interval, Verdict], str]

OPEN = "open"
"""The answer where what was measured does not decide."""


def answered(*, holds: str, fails: str) -> Answer:
    """An answer by the verdict alone."""
    words = {"holds": holds, "fails": fails, "inconclusive": OPEN}
    return lambda _estimate, verdict: words[verdict]


def tightness(exponent: float, symbol: str, *, limit: Literal["large", "small"]) -> Answer:
    """How a need that was measured grows beside the law that bounds it.

    Args:
        exponent: the law's power of ``symbol``.
        symbol: the setting, as in the law.
        limit: whether the law is about large or small values of the setting.

    Returns:
        Exponent measured and verdict → "tight", "looser by β^1.3" (the law asks for that many times more than is
        needed, but for a constant), or that what is needed grows faster than the law over the range that was tried.
    """

    def answer(estimate: Interval, verdict: Verdict) -> str:
        if verdict == "inconclusive" or math.isnan(estimate.value):
            return OPEN
        if verdict == "holds":
            return "tight"
        gap = exponent - estimate.value  # the law over the need grows as this power
        base = symbol if len(symbol) <= 2 else f"({symbol})"
        if (gap > 0) == (limit == "large"):
            return f"looser by {base}^{signed(gap)}"
        return f"what is needed grows faster than the law, by {base}^{signed(-gap)} over this range"

    return answer
