"""The small picture in a claim's row: expected region, interval and estimate on one line."""

from __future__ import annotations

import math
from typing import Protocol

from markupsafe import Markup

WIDTH, HEIGHT = 132, 20  # CSS pixels
_MIDDLE = HEIGHT / 2
_EDGE = 4.0  # left free for the points of arrows


class Ends(Protocol):
    """An interval or a region."""

    @property
    def low(self) -> float:
        """Its lower end."""

    @property
    def high(self) -> float:
        """Its upper end."""


class Estimated(Ends, Protocol):
    """An interval with the estimate in it."""

    @property
    def value(self) -> float:
        """The estimate."""


_COLOURS = Markup(
    "<style>.iclscope .band{fill:#0072b2;fill-opacity:.2}.iclscope .axis{stroke:#888;stroke-opacity:.5}"
    ".iclscope .interval{stroke:currentColor;stroke-width:1.6}.iclscope .dot{fill:currentColor}</style>"
)


def styled_strip(estimate: Estimated, expected: Ends) -> Markup:
    """The strip with colours of its own, for a notebook, which has no style sheet of ours."""
    return Markup('<span class="iclscope">{}{}</span>').format(_COLOURS, strip_svg(estimate, expected))


def strip_svg(estimate: Estimated, expected: Ends) -> Markup:
    """Draw the expected region as a band, the 95 % interval as a line and the estimate as a dot.

    What lies outside the window ends in an arrow at its edge. Colours come from the page's style sheet (classes
    ``band``, ``axis``, ``interval``, ``dot``). Screen readers skip it: the row says the same in numbers.
    """
    window = _window(estimate, expected)
    parts = [f'<line class="axis" x1="0" y1="{_MIDDLE:g}" x2="{WIDTH}" y2="{_MIDDLE:g}"/>']
    left, right = _at(expected.low, window, 0.0, WIDTH), _at(expected.high, window, 0.0, WIDTH)
    # A region of a single number must still be seen.
    left, right = min(left, WIDTH - 2.0), max(right, left + 2.0)
    parts.insert(0, f'<rect class="band" x="{left:.1f}" y="1" width="{right - left:.1f}" height="{HEIGHT - 2}"/>')
    if not math.isnan(estimate.value):
        parts += _measured(estimate, window)
    return Markup(
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )


def _measured(estimate: Estimated, window: tuple[float, float]) -> list[str]:
    low, high = window
    start, end = (_at(x, window, _EDGE, WIDTH - _EDGE) for x in (estimate.low, estimate.high))
    parts = [f'<line class="interval" x1="{start:.1f}" y1="{_MIDDLE:g}" x2="{end:.1f}" y2="{_MIDDLE:g}"/>']
    parts.append(_arrow(left=True) if estimate.low < low else _tick(start))
    parts.append(_arrow(left=False) if estimate.high > high else _tick(end))
    if low <= estimate.value <= high:
        centre = _at(estimate.value, window, _EDGE, WIDTH - _EDGE)
        parts.append(f'<circle class="dot" cx="{centre:.1f}" cy="{_MIDDLE:g}" r="3.6"/>')
    return parts


def _window(estimate: Estimated, expected: Ends) -> tuple[float, float]:
    """The numbers at the two edges: all that matters for the verdict is inside, what is far away is not."""
    ends = [end for end in (expected.low, expected.high) if math.isfinite(end)]
    marks = ends + ([estimate.value] if math.isfinite(estimate.value) else [])
    if not marks:
        return -1.0, 1.0
    low, high = min(marks), max(marks)
    if len(ends) == 2 and ends[0] < ends[1]:
        # A far estimate must not squeeze a bounded region to nothing.
        reach = 2.0 * (ends[1] - ends[0])
        low, high = max(low, ends[0] - reach), min(high, ends[1] + reach)
    span = high - low
    reaches = [end for end in (estimate.low, estimate.high) if math.isfinite(end)]
    if len(reaches) == 2:
        # An estimate close to the border must not make the window narrower than its own interval.
        span = max(span, (reaches[1] - reaches[0]) / 2)
    if span == 0.0:
        span = max((abs(end - low) for end in reaches), default=0.0) or abs(low) or 1.0
    low, high = (
        min([low, *(max(end, low - span) for end in reaches)]),
        max([high, *(min(end, high + span) for end in reaches)]),
    )
    margin = 0.15 * (high - low or span)
    return low - margin, high + margin


def _at(x: float, window: tuple[float, float], left: float, right: float) -> float:
    """Horizontal place of a number, held between ``left`` and ``right``."""
    if math.isinf(x):
        return right if x > 0 else left
    share = (x - window[0]) / (window[1] - window[0])
    return min(max(share * WIDTH, left), right)


def _tick(x: float) -> str:
    return f'<line class="interval" x1="{x:.1f}" y1="{_MIDDLE - 3:g}" x2="{x:.1f}" y2="{_MIDDLE + 3:g}"/>'


def _arrow(*, left: bool) -> str:
    tip, back = (0.5, 7.5) if left else (WIDTH - 0.5, WIDTH - 7.5)
    return f'<path class="dot" d="M{tip:g} {_MIDDLE:g}L{back:g} {_MIDDLE - 5:g}V{_MIDDLE + 5:g}Z"/>'
