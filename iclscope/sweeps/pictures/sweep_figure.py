"""A figure of a sweep: means over seeds with their intervals, a panel per test."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclscope.claims.intervals import Interval
from iclscope.plotting.setting_text import METRICS, listed, plain_text, setting_label, value_text
from iclscope.plotting.style import COLOURS, INK, MARKERS, STYLE, curve, new_figure
from iclscope.sweeps.results import STOPPED_AT
from iclscope.sweeps.summary import RATES, Mixture, Point, Section, is_numeric, mixture, points

MOST_COLOURS = 12
"""Curves that are told apart by colour and marker. More need a numeric setting, and get a colour bar."""

_PANELS_IN_A_ROW = 3
_MOST_TICKS = 8
_LONGEST_TICK = 24
_LONGEST_LABEL = 32
"""Letters of the abscissa's label in a line, where panels stand side by side."""

_LETTERS_PER_INCH = 15.5
_SHARED_SCALE = 20
"""Panels have one scale unless the largest values differ by more than this factor."""


class Shown(NamedTuple):
    """What a figure shows.

    Attributes:
        name: of the sweep.
        x: the setting along the abscissa.
        y: the metric.
        hue: the setting that tells curves apart, or None.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        drawn: whether the points of the sweep were drawn and are no grid.
    """

    name: str
    x: str
    y: str
    hue: str | None = None
    log: str = ""
    drawn: bool = False

    @property
    def by(self) -> list[str]:
        """The settings that tell points apart."""
        return list(dict.fromkeys([self.x, *([self.hue] if self.hue is not None else [])]))


class _Panel(NamedTuple):
    section: Section
    points: Sequence[Point]
    mixed: Mixture


class _Colours(NamedTuple):
    """How curves are told apart: each its own colour, or a colour scale."""

    values: Sequence[Any]
    scale: ScalarMappable | None

    def of(self, value: Any) -> tuple[str, str]:
        """Colour and marker."""
        if self.scale is not None:
            red, green, blue, _ = self.scale.to_rgba(np.array([value]))[0]
            return matplotlib.colors.to_hex((red, green, blue)), "o"
        place = self.values.index(value)
        return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def sweep_figure(sections: Sequence[Section], shown: Shown) -> Figure:
    """Draw a metric against a setting.

    A point is the mean over seeds, a band or a bar its 95 % interval. What is averaged over, differs from point to
    point, or was left out is said below.

    Args:
        sections: one panel each; each has the settings and the metric.
        shown: what to draw.
    """
    panels = [_Panel(each, points(each, shown.by)[0], mixture(each, shown.by)) for each in sections]
    columns = min(len(panels), _PANELS_IN_A_ROW)
    rows = math.ceil(len(panels) / columns)
    colours = _colours(panels, shown)
    beside = 0.0 if shown.hue is None else 1.5
    caption = _caption(panels, shown)
    width = (5.4 if columns == 1 else 3.5 * columns) + beside
    lines = textwrap.wrap(caption, int(width * _LETTERS_PER_INCH))
    figure = new_figure(width, (3.7 if columns == 1 else 3.1) * rows + 0.16 * len(lines))
    one_scale = _is_one_scale(panels, shown.y)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=one_scale).flat
    label = _literal(setting_label(shown.x))
    for place, panel in enumerate(panels):
        _draw_panel(axes[place], panel, shown, colours)
        axes[place].set_xlabel(label if columns == 1 else textwrap.fill(label, _LONGEST_LABEL))
        if "y" in shown.log:
            _log_ordinate(axes[place], panels if one_scale else [panel], shown.y)
        if panel.section.test is not None:
            axes[place].set_title(_literal(panel.section.test), fontsize=STYLE["font.size"])
        if place % columns == 0:
            axes[place].set_ylabel(_literal(METRICS.get(shown.y, shown.y)))
    for unused in axes[len(panels) :]:
        unused.remove()
    _say_colours(figure, list(axes[: len(panels)]), shown, colours)
    figure.supxlabel("\n".join(map(_literal, lines)), x=0.01, ha="left", fontsize=8, color=INK, linespacing=1.35)
    return figure


def hue_values(sections: Sequence[Section], hue: str) -> list[Any]:
    """The values of the setting that tells curves apart: numbers in their order, others in that of the sweep."""
    values = list(dict.fromkeys(value for section in sections for value in section.rows[hue].to_list()))
    return sorted(values) if all(is_numeric(section.rows, hue) for section in sections) else values


def _colours(panels: Sequence[_Panel], shown: Shown) -> _Colours:
    if shown.hue is None:
        return _Colours([None], None)
    values = hue_values([panel.section for panel in panels], shown.hue)
    if len(values) <= MOST_COLOURS:
        return _Colours(values, None)
    wide = values[0] > 0 and values[-1] / values[0] > 5
    norm = LogNorm(values[0], values[-1]) if wide else Normalize(values[0], values[-1])
    return _Colours(values, ScalarMappable(norm, _dark_cividis()))


def _dark_cividis() -> Colormap:
    """Without the light end, which cannot be seen on white."""
    shades = matplotlib.colormaps["cividis"](np.linspace(0, 0.85, 256))
    return matplotlib.colors.ListedColormap(shades)


def _draw_panel(axes: Axes, panel: _Panel, shown: Shown, colours: _Colours) -> None:
    rows = panel.section.rows
    numeric = is_numeric(rows, shown.x)
    # Points that were drawn at random have other settings each: a line between them would mean nothing.
    scattered = shown.drawn and bool(panel.mixed.moving or panel.mixed.uneven)
    names = list(dict.fromkeys(rows[shown.x].to_list()))
    present = [value for value in colours.values if shown.hue is None or value in set(rows[shown.hue].to_list())]
    for place, value in enumerate(present):
        own = [each for each in panel.points if shown.hue is None or each.values[shown.hue] == value]
        own = sorted(own, key=lambda each: each.values[shown.x]) if numeric else own
        estimates = [_visible(each.estimates[shown.y], shown) for each in own]
        label = None if shown.hue is None else _literal(value_text(value))
        colour, marker = colours.of(value)
        if not numeric:
            aside = (place - (len(present) - 1) / 2) * 0.6 / max(len(present), 1)
            _bars(axes, [names.index(each.values[shown.x]) + aside for each in own], estimates, colour, marker, label)
        elif scattered or len(own) == 1:
            _bars(axes, [each.values[shown.x] for each in own], estimates, colour, marker, label)
        elif colours.scale is not None:
            axes.plot([e.values[shown.x] for e in own], [e.value for e in estimates], color=colour, linewidth=1.2)
        else:
            ends = ([e.value for e in estimates], [e.low for e in estimates], [e.high for e in estimates])
            index = colours.values.index(value)
            curve(axes, [each.values[shown.x] for each in own], *ends, label=label, index=index)
    if numeric and "x" in shown.log:
        axes.set_xscale("log")
        if len(names) <= _MOST_TICKS:
            axes.set_xticks(names, [f"{name:.4g}" for name in names])
            axes.minorticks_off()
    elif numeric and rows[shown.x].dtype.is_integer():
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif not numeric:
        texts = [_literal(textwrap.shorten(value_text(name), _LONGEST_TICK, placeholder="…")) for name in names]
        turned = sum(map(len, texts)) > 40
        axes.set_xticks(range(len(names)), texts, rotation=30 if turned else 0, ha="right" if turned else "center")
        axes.grid(visible=False, axis="x")


def _log_ordinate(axes: Axes, panels: Sequence[_Panel], metric: str) -> None:
    """A logarithmic axis that ends near the smallest mean: lower ends of intervals may be 0 or less."""
    found = [each.estimates[metric] for panel in panels for each in panel.points]
    above = [e.value for e in found if math.isfinite(e.value) and e.value > 0]
    axes.set_yscale("log", nonpositive="clip")
    if above:
        highs = [e.high for e in found if math.isfinite(e.high)]
        axes.set_ylim(min(above) / 2.5, max([*above, *highs]) * 1.4)


def _bars(
    axes: Axes, x: Sequence[float], estimates: Sequence[Interval], colour: str, marker: str, label: str | None
) -> None:
    """Points with upright bars, unjoined."""
    value = np.array([e.value for e in estimates])
    ends = np.array([[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]])
    ends = np.where(np.isfinite(ends), np.maximum(ends, 0), 0)  # one seed alone has no interval
    size = STYLE["lines.markersize"] + 0.7
    axes.errorbar(
        x, value, yerr=ends, fmt=marker, color=colour, elinewidth=1.4, markersize=size, markeredgewidth=0, label=label
    )


def _visible(estimate: Interval, shown: Shown) -> Interval:
    """An estimate that the axis has a place for; else NaN."""
    hidden = "y" in shown.log and not estimate.value > 0
    return estimate._replace(value=math.nan, low=math.nan, high=math.nan) if hidden else estimate


def _is_one_scale(panels: Sequence[_Panel], metric: str) -> bool:
    """Whether panels can have one ordinate without one of them looking flat."""
    tops = [max((p.estimates[metric].value for p in panel.points), default=math.nan, key=_or_least) for panel in panels]
    tops = [top for top in tops if math.isfinite(top)]
    return not tops or (min(tops) > 0 and max(tops) / min(tops) <= _SHARED_SCALE)


def _or_least(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _say_colours(figure: Figure, axes: Sequence[Axes], shown: Shown, colours: _Colours) -> None:
    """A legend of all panels, or a colour bar."""
    if shown.hue is None:
        return
    title = "\n".join(textwrap.wrap(_literal(setting_label(shown.hue)), 24))
    with matplotlib.rc_context(STYLE):
        if colours.scale is not None:
            bar = figure.colorbar(colours.scale, ax=list(axes), pad=0.02)
            bar.set_label(title)
            bar.outline.set_visible(False)
            return
        found: dict[str, Any] = {}
        for each in axes:
            for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
                found.setdefault(label, handle)
        in_order = [label for value in colours.values if (label := _literal(value_text(value))) in found]
        handles = [found[label] for label in in_order]
        figure.legend(handles, in_order, title=title, loc="outside right upper", alignment="left")


def _caption(panels: Sequence[_Panel], shown: Shown) -> str:
    """What a point is, and what was averaged over or left out."""
    seeds = max((point.seeds for panel in panels for point in panel.points), default=0)
    over = "over seeds and prompts" if shown.y in RATES else "over seeds"
    mean = "one seed" if seeds == 1 else f"mean over {seeds} seeds, with its 95 % interval {over}"
    texts = [f"{plain_text(shown.name)}: {mean}."]
    told: dict[str, None] = {}
    for panel in panels:
        where = f"In {panel.section.test}: " if len({each.mixed for each in panels}) > 1 else ""
        mixed = panel.mixed
        moves = "of other values at every point" if shown.drawn else "moving together with what is shown"
        for names, text in (
            (mixed.averaged, "averaged over {}"),
            (mixed.uneven, "averaged over {}, of which not every point has the same values"),
            (mixed.moving, f"not held: {{}}, {moves}"),
        ):
            if names:
                said = where + text.format(listed([_with_values(panel.section, name) for name in names]))
                told[f"{said[0].upper()}{said[1:]}."] = None
    texts += list(told)
    diverged = sum(point.diverged for panel in panels for point in panel.points)
    if diverged:
        texts.append(f"Left out: the seeds of {diverged:,} run{'s' * (diverged != 1)} that diverged, where they did.")
    if shown.y == STOPPED_AT:
        lost = int(sum(panel.section.rows[STOPPED_AT].is_null().sum() for panel in panels))
        if lost:
            texts.append(f"Left out: the seeds of {lost:,} run{'s' * (lost != 1)} that never met the target risk.")
    if "y" in shown.log:
        hidden = [p for panel in panels for p in panel.points if p.estimates[shown.y].value <= 0]
        if hidden:
            texts.append(f"{len(hidden):,} mean{'s' * (len(hidden) != 1)} of 0 not shown on the logarithmic axis.")
    return " ".join(texts)


def _with_values(section: Section, name: str) -> str:
    """A setting and its values, if they are few."""
    values = list(dict.fromkeys(section.rows[name].to_list()))
    return f"{name} ({', '.join(map(value_text, values))})" if len(values) <= 6 else f"{name} ({len(values)} values)"


def _literal(text: str) -> str:
    """A text in which matplotlib sees no formula."""
    return plain_text(text).replace("$", r"\$")
