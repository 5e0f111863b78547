"""The look of every figure, and how a figure is written."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.rcsetup import cycler
from numpy.typing import ArrayLike, NDArray

from iclscope.core.files import write_bytes
from iclscope.plotting.inline_svg import inline_svg

# Okabe & Ito's hues ("Color universal design", 2008) without black and yellow. Their orange and sky blue are darkened
# until a line has a contrast of 3:1 on white; every colour also has it on the dark page (#16181d).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#bf8500", "#3b97cc")
"""Line colours, told apart by colour-blind readers, legible on a white and on a dark ground."""

# Seven markers and six colours share no factor: 42 curves before a pair repeats.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Marker shapes, so that curves differ without colour."""

_MOST_MARKERS = 12

INK = "#1f2328"
"""Text, axes and grid. No other element may use this colour: the page replaces it by the reader's text colour."""

GROUND = "#fefdfe"
"""The inside of hollow markers. White on paper; the page replaces it by its own ground."""

STYLE: dict[Any, Any] = {  # matplotlib's own type for the keys differs between its versions
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same picture on every machine
    "font.size": 10.0,
    "grid.alpha": 0.14,
    "grid.color": INK,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "pdf.fonttype": 42,  # TrueType: text stays text, and journals accept it
    "svg.fonttype": "path",  # formulas are set glyph by glyph and fall apart in any other font
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 9.0,
    "ytick.color": INK,
    "ytick.labelsize": 9.0,
}
"""matplotlib settings; used inside ``matplotlib.rc_context`` only, never set globally."""


class _StyledFigure(Figure):
    """A figure whose axes have the style however and whenever they are added."""

    def add_subplot(self, *args: Any, **kwargs: Any) -> Any:
        with matplotlib.rc_context(STYLE):
            return _with_styled_ticks(super().add_subplot(*args, **kwargs))

    def add_axes(self, *args: Any, **kwargs: Any) -> Any:
        with matplotlib.rc_context(STYLE):
            return _with_styled_ticks(super().add_axes(*args, **kwargs))


def _with_styled_ticks(axes: Axes) -> Axes:
    """Ticks are made when they are first drawn, outside the context, so the axes must remember how."""
    axes.tick_params(which="both", color=INK, labelcolor=INK, labelsize=STYLE["xtick.labelsize"])
    axes.tick_params(which="both", grid_color=INK, grid_alpha=STYLE["grid.alpha"])
    return axes


def new_figure(width: float = 6.4, height: float = 3.6) -> Figure:
    """An empty figure in the report's style; add axes with ``figure.add_subplot`` or ``figure.subplots``.

    Args:
        width: inches; 6.4 fills the page's text column, wider figures may stand out of it.
        height: inches.
    """
    with matplotlib.rc_context(STYLE):
        return _StyledFigure(figsize=(width, height), layout="constrained")


def curve(
    axes: Axes,
    x: ArrayLike,
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    label: str | None,
    index: int,
    bars: bool = False,
) -> None:
    """Draw measured values with markers and their 95 % interval as a shade, or as bars.

    Where an end of the interval is infinite or undefined (a single seed), none is drawn.

    Args:
        axes: where to draw.
        x: abscissae.
        value: estimates, NaN where nothing was measured.
        low: lower ends of the intervals.
        high: upper ends of the intervals.
        label: text in the legend; None for none.
        index: which colour and marker, counted from 0.
        bars: an upright bar at each value: for few values, and many curves whose shades would cover each other.
    """
    colour, marker = _look(index)
    at = np.asarray(x)
    if bars:
        axes.vlines(at, _finite(low), _finite(high), color=colour, alpha=0.6, linewidth=1.5)
    else:
        axes.fill_between(at, _finite(low), _finite(high), color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        at,
        np.asarray(value, dtype=float),
        color=colour,
        marker=marker,
        # Markers tell curves apart; on a curve of many points every one would hide it.
        markevery=max(1, len(at) // _MOST_MARKERS),
        markeredgecolor=GROUND,
        markeredgewidth=0.7,
        markersize=STYLE["lines.markersize"] + 0.7,
        linewidth=STYLE["lines.linewidth"],
        label=label,
    )


def published(axes: Axes, x: ArrayLike, y: ArrayLike, *, label: str | None, index: int, joined: bool = True) -> None:
    """Draw values that a paper printed: hollow markers, dashed, in the colour of our curve of the same index.

    Args:
        axes: where to draw.
        x: abscissae.
        y: the paper's values.
        label: text in the legend; None for none.
        index: which colour and marker, counted from 0.
        joined: whether to join them; False where only a start and an end are known of a curve.
    """
    colour, marker = _look(index)
    axes.plot(
        np.asarray(x),
        np.asarray(y, dtype=float),
        color=colour,
        marker=marker,
        markerfacecolor=GROUND,
        markeredgewidth=1.3,
        markersize=STYLE["lines.markersize"],
        linestyle=(0, (4, 2.5)) if joined else "none",
        linewidth=1.2,
        label=label,
    )


def reference_line(
    axes: Axes, level: float, *, label: str | None = None, vertical: bool = False, index: int | None = None
) -> None:
    """Draw a level that theory predicts, dotted across the whole axes.

    Args:
        axes: where to draw.
        level: the ordinate, or the abscissa if ``vertical``.
        label: text in the legend; None for none.
        vertical: whether the line stands upright.
        index: the curve it belongs to, whose colour it takes; None for ink.
    """
    draw = axes.axvline if vertical else axes.axhline
    draw(level, color=_reference_colour(index), linestyle=(0, (1, 1.6)), linewidth=1.5, label=label, zorder=1.5)


def reference_curve(
    axes: Axes, x: ArrayLike, y: ArrayLike, *, label: str | None = None, index: int | None = None
) -> None:
    """Draw a curve that theory predicts, dotted and without markers.

    Args:
        axes: where to draw.
        x: abscissae.
        y: predicted values.
        label: text in the legend; None for none.
        index: the measured curve it belongs to, whose colour it takes; None for ink.
    """
    colour = _reference_colour(index)
    at, values = np.asarray(x), np.asarray(y, dtype=float)
    axes.plot(at, values, color=colour, linestyle=(0, (1, 1.6)), linewidth=1.5, label=label)


def symlog_rate(axes: Axes) -> None:
    """Put a rate or risk from 0 to 1 on a logarithmic axis that still shows 0: linear below 0.001."""
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_ylim(0, 0.7)
    axes.set_yticks([0, 1e-3, 1e-2, 1e-1, 0.5], labels=["0", "0.001", "0.01", "0.1", "0.5"])


def legend(axes: Axes, *, outside: bool = False, title: str | None = None) -> Legend | None:
    """Add a legend without a frame.

    Args:
        axes: whose labelled curves are listed.
        outside: put it to the right of all axes instead of where it hides least.
        title: heading of the legend.

    Returns:
        The legend, or None if nothing is labelled.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return None
    with matplotlib.rc_context(STYLE):
        if not outside:
            return axes.legend(handles, labels, title=title)
        figure = axes.get_figure(root=True)
        assert figure is not None, "axes that were removed from their figure have no legend"
        return figure.legend(handles, labels, title=title, loc="outside right upper")


def save_figure(figure: Figure, folder: Path, name: str, *, label: str | None = None) -> str:
    """Write NAME.png (150 dpi, white ground) and NAME.pdf (vector, TrueType fonts), and return the page's SVG.

    Each file appears whole or not at all, and equal figures give equal bytes.

    Args:
        figure: what to write.
        folder: where to; made if it does not exist.
        name: file name without ending, and what makes the SVG's ids unique on a page.
        label: what a screen reader calls the picture; the name if not given.

    Returns:
        An inline ``<svg>`` that follows the page's text colour and ground, and scales.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        png, pdf, svg = io.BytesIO(), io.BytesIO(), io.BytesIO()
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        with without_font_dates():
            figure.savefig(pdf, format="pdf", facecolor="white", metadata={"CreationDate": None})
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    write_bytes(folder / f"{name}.png", png.getvalue())
    write_bytes(folder / f"{name}.pdf", pdf.getvalue())
    # What a caller drew without naming a colour is black, and is ink too.
    recoloured = {INK: "currentColor", "#000000": "currentColor", GROUND: "var(--ground, #fff)"}
    return inline_svg(svg.getvalue().decode(), prefix=name, label=label or name, recoloured=recoloured)


def _look(index: int) -> tuple[str, str]:
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def _reference_colour(index: int | None) -> str:
    return INK if index is None else _look(index)[0]


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    """NaN instead of infinities, which matplotlib would try to scale to."""
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


@contextlib.contextmanager
def without_font_dates() -> Iterator[None]:
    """Keep fontTools from warning that matplotlib's own mathematical fonts were made in 1904."""
    logger = logging.getLogger("fontTools.ttLib.tables._h_e_a_d")

    def other(record: logging.LogRecord) -> bool:
        return "timestamp seems very low" not in record.msg

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)
