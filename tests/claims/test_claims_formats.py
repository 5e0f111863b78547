"""Numbers are written as a reader would write them."""

import math

import pytest

from iclscope.claims.claim import Region
from iclscope.claims.formats import format_duration, format_interval, format_number, format_region
from iclscope.claims.intervals import Interval, UpperBound


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0012, "0.0012"),
        (1.2e-05, "1.2e-05"),
        (-0.67, "−0.67"),
        (-1.2e-05, "−1.2e-05"),
        (0.0, "0"),
        (-0.0, "0"),
        (1 / 3, "0.333"),
        (999.4, "999"),
        (999.6, "1000"),
        (12345.0, "12300"),
        (999_600.0, "1e+06"),
        (1.234e7, "1.23e+07"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_three_digits(x: float, text: str) -> None:
    assert format_number(x) == text


def test_intervals() -> None:
    assert format_interval(Interval(0.5, -0.1, math.inf, 3)) == "[−0.1, ∞]"
    assert format_interval(UpperBound(0.5, -math.inf, 0.75, 3)) == "at most 0.75"
    assert format_interval(Interval(math.nan, -math.inf, math.inf, 0)) == ""


@pytest.mark.parametrize(
    ("region", "text"),
    [
        (Region(high=0.05), "≤ 0.05"),
        (Region(low=-1), "≥ −1"),
        (Region(0.9, 1.1), "0.9 … 1.1"),
        (Region(), "any number"),
    ],
)
def test_regions(region: Region, text: str) -> None:
    assert format_region(region) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (9.97, "10 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (3900, "1 h 5 min"), (math.nan, "–")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
