"""Numbers as a reader would write them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from iclscope.claims.intervals import UpperBound

if TYPE_CHECKING:
    # Types only: experiments draw with this room, so it must not import them when it is loaded.
    from iclscope.claims.claim import Region
    from iclscope.claims.intervals import Interval

ANSWERS = {"holds": "yes", "fails": "no", "inconclusive": "open"}
"""How the verdict on a question of ours is told to people: no theorem holds or fails by it."""


def format_number(x: float) -> str:
    """Three significant digits with a true minus: ``0.0012``, ``1.2e-05``, ``−0.67``; ``–`` for NaN, ``∞``.

    Numbers from a thousand up to a million are written out (``12300``), larger ones with an exponent.
    """
    if math.isnan(x):
        return "–"
    sign = "−" if x < 0 else ""
    size = abs(x)
    if math.isinf(size):
        return f"{sign}∞"
    digits = f"{size:.3g}"
    # The decision needs the rounded number: 999.6 is printed as 1e+03 although it is below a thousand.
    if 1e3 <= float(digits) < 1e6:
        digits = f"{float(digits):.0f}"
    return sign + digits


def format_interval(interval: Interval) -> str:
    """The ends of an interval, ``[0.12, 0.34]``, or of a bound, ``at most 0.34``; empty if nothing was measured."""
    if math.isnan(interval.value):
        return ""
    if isinstance(interval, UpperBound):
        return f"at most {format_number(interval.high)}"
    return f"[{format_number(interval.low)}, {format_number(interval.high)}]"


def format_region(region: Region) -> str:
    """An expected region: ``≤ 0.05``, ``≥ −1`` or ``0.9 … 1.1``."""
    if math.isinf(region.low) and math.isinf(region.high):
        return "any number"
    if math.isinf(region.low):
        return f"≤ {format_number(region.high)}"
    if math.isinf(region.high):
        return f"≥ {format_number(region.low)}"
    return f"{format_number(region.low)} … {format_number(region.high)}"


def format_duration(seconds: float) -> str:
    """A duration in its two largest units: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 5 min``."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
