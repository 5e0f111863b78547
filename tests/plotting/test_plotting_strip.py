"""The small picture of a claim shows what its verdict rests on, whatever the numbers."""

import itertools
import math
import re

import pytest

from iclscope.claims.claim import Region
from iclscope.claims.intervals import Interval
from iclscope.plotting.strip import WIDTH, strip_svg

INF, NAN = math.inf, math.nan
ESTIMATES = [
    Interval(0.5, 0.4, 0.6, 5),
    Interval(0.5, 0.5, 0.5, 5),
    Interval(0.0, 0.0, 0.0, 5),
    Interval(1e9, 0.9e9, 1.1e9, 5),
    Interval(-1e-9, -1.1e-9, -0.9e-9, 5),
    Interval(0.5, -INF, INF, 1),
    Interval(INF, INF, INF, 1),
    Interval(NAN, -INF, INF, 0),
]
REGIONS = [Region(0.4, 0.6), Region(high=0.05), Region(low=-1.0), Region(0.5, 0.5), Region(0.0, 0.0), Region()]


@pytest.mark.parametrize(("estimate", "expected"), list(itertools.product(ESTIMATES, REGIONS)))
def test_everything_lies_in_the_picture(estimate: Interval, expected: Region) -> None:
    svg = str(strip_svg(estimate, expected))
    places = [float(x) for x in re.findall(r' (?:x|x1|x2|cx)="([^"]+)"', svg)]
    assert all(0 <= place <= WIDTH for place in places)
    band = re.search(r'class="band" x="([\d.]+)" y="1" width="([\d.]+)"', svg)
    assert band is not None
    assert float(band[2]) >= 2
    assert float(band[1]) + float(band[2]) <= WIDTH


def test_dot_stands_in_the_band_if_the_estimate_is_expected() -> None:
    svg = str(strip_svg(Interval(0.5, 0.45, 0.55, 5), Region(0.4, 0.6)))
    band = re.search(r'class="band" x="([\d.]+)" y="1" width="([\d.]+)"', svg)
    dot = re.search(r'cx="([\d.]+)"', svg)
    assert band is not None
    assert dot is not None
    assert float(dot[1]) == pytest.approx(float(band[1]) + float(band[2]) / 2, abs=0.1)


def test_a_far_estimate_becomes_an_arrow_and_leaves_the_band_visible() -> None:
    svg = str(strip_svg(Interval(12345, 12000, 12700, 5), Region(0.9, 1.1)))
    assert "<circle" not in svg
    assert svg.count("<path") == 1


def test_an_unbounded_interval_has_an_arrow_on_both_sides() -> None:
    assert str(strip_svg(Interval(0.3, -INF, INF, 1), Region(0.2, 0.4))).count("<path") == 2


def test_nothing_measured_shows_the_region_only() -> None:
    svg = str(strip_svg(Interval(NAN, -INF, INF, 0), Region(0.2, 0.4)))
    assert "dot" not in svg
    assert "band" in svg
