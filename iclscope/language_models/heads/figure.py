"""Figure and tables of `iclscope llm attention`."""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from iclscope.claims.formats import format_number
from iclscope.language_models.heads.claims import FIGURE
from iclscope.language_models.heads.concentration import WHOLE, WORDS
from iclscope.language_models.heads.rows import NEAREST, SAME_LABEL
from iclscope.language_models.report import DrawnFigure
from iclscope.plotting.style import new_figure
from iclscope.study.pages.page import TextTable

SHOWN_HEADS = 10
# ColorBrewer's purple and orange are told apart by colour-blind readers; cividis was made for them.
KINDS = {"whole": (SAME_LABEL, WHOLE), "label words": (SAME_LABEL, WORDS), "nearest": (NEAREST, WHOLE)}
"""What is shown: the arm, and which tokens count."""

_TWO_SIDED, _ONE_SIDED = "PuOr_r", "cividis"


def attention_figure(table: pl.DataFrame) -> DrawnFigure:
    """Concentration, and attention to all demonstrations, of each head: maps of layer against head.

    Args:
        table: of `heads_table`.
    """
    maps = {name: _map(_of(table, name), "concentration") for name in KINDS}
    layers = next(iter(maps.values())).shape[0]
    figure = new_figure(11.0, min(9.0, 2.2 + 0.13 * layers))
    axes = figure.subplots(1, len(maps) + 1, sharey=True)
    largest = max(1e-3, *(float(np.abs(values).max()) for values in maps.values()))
    titles = ("same label", "same label,\nlabel words only", "nearest pattern")
    for one, values, title in zip(axes[:-1], maps.values(), titles, strict=True):
        _draw(one, values, title, _TWO_SIDED, Normalize(-largest, largest))
    _draw(axes[-1], _map(_of(table, "whole"), "mass"), "attention to\nall demonstrations", _ONE_SIDED, Normalize(0, 1))
    axes[0].set_ylabel("layer")
    return DrawnFigure(
        name=FIGURE,
        title="Where a query looks",
        caption="Attention from the last token of a prompt, where the label is predicted, to some demonstrations over "
        "that to all, less their share; 0 is no preference. First map: to demonstrations of the query's label, all "
        "their tokens. Second: only to the tokens that write the label. Third: to the half of the demonstrations "
        "nearest to the query in the model's hidden states without what tells labels apart, less what a query's "
        "attention gives to the nearest of other queries. Every label counts equally, so that a liking for one label "
        "or one place is no concentration. Last: attention to all demonstrations; the rest goes to the query itself "
        "and to what begins the prompt. Layers and heads are counted from 0.",
        finding=finding(table),
        figure=figure,
    )


def _of(table: pl.DataFrame, kind: str) -> pl.DataFrame:
    arm, part = KINDS[kind]
    return table.filter((pl.col("arm") == arm) & (pl.col("part") == part)).sort("rank")


def _map(of_part: pl.DataFrame, column: str) -> Float64[np.ndarray, "layer head"]:
    of_part = of_part.sort("layer", "head")
    return of_part[column].to_numpy().reshape(of_part["layer"].n_unique(), -1)


def _draw(axes: Axes, values: Float64[np.ndarray, "layer head"], title: str, colours: str, norm: Normalize) -> None:
    layers, heads = values.shape
    edges = np.arange(heads + 1) - 0.5, np.arange(layers + 1) - 0.5
    mesh = axes.pcolormesh(*edges, values, norm=norm, cmap=colours, edgecolors="face", linewidth=0.2)
    axes.grid(visible=False)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("head")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.colorbar(mesh, ax=axes, pad=0.02).outline.set_visible(False)


def finding(table: pl.DataFrame) -> str:
    """The most concentrated head of each kind, in one sentence; intervals do not know that it was chosen."""
    told = []
    for name, what in (("whole", "demonstrations of its label"), ("nearest", "those nearest in pattern")):
        row = _of(table, name).row(0, named=True)
        told.append(f"{_number(row['concentration'])} on {what} (layer {row['layer']}, head {row['head']})")
    return f"the most concentrated heads stand above the share by {' and by '.join(told)}."


def heads_text(table: pl.DataFrame) -> TextTable:
    """The most concentrated heads as a table of texts.

    Args:
        table: of `heads_table`.
    """
    rows = []
    for kind, (arm, _) in KINDS.items():
        tokens = "label words" if kind == "label words" else "all"
        for row in _of(table, kind).head(SHOWN_HEADS).iter_rows(named=True):
            interval = f"{_number(row['concentration'])} [{_number(row['low'])}, {_number(row['high'])}]"
            rows.append((arm, tokens, str(row["layer"]), str(row["head"]), interval, f"{row['mass']:.2f}"))
    return TextTable(
        title="The most concentrated heads",
        caption="Attention to demonstrations of a kind over that to all, less their share, with 95 % "
        "intervals over draws and queries; these do not know that the heads are the largest of many, the claims do. "
        "Mass: attention to all demonstrations, or to all their labels. Layers and heads are counted from 0.",
        head=("demonstrations", "tokens", "layer", "head", "concentration", "mass"),
        rows=rows,
    )


def _number(x: float) -> str:
    return "0" if x == 0 else format_number(round(x, 3))
