"""Figure and tables of `iclscope llm attention`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from iclscope.experiments.claims import JudgedClaim
from iclscope.language_models.attention_claims import FIGURE
from iclscope.language_models.attention_rows import SAME_LABEL
from iclscope.language_models.concentration import PARTS, WHOLE, WORDS
from iclscope.language_models.report import DrawnFigure
from iclscope.report.formats import format_number
from iclscope.report.measurement_page import TextTable
from iclscope.report.style import new_figure

SHOWN_HEADS = 10
# ColorBrewer's purple and orange are told apart by colour-blind readers; cividis was made for them.
_TWO_SIDED, _ONE_SIDED = "PuOr_r", "cividis"


def attention_figure(table: pl.DataFrame, claims: Sequence[JudgedClaim]) -> DrawnFigure:
    """Concentration, and attention to all demonstrations, of each head: maps of layer against head.

    Args:
        table: of `heads_table`.
        claims: judged on the same rows.
    """
    shown = table.filter(pl.col("arm") == SAME_LABEL)
    whole, words = (_map(shown, part, "concentration") for part in (WHOLE, WORDS))
    layers = whole.shape[0]
    figure = new_figure(9.4, min(9.0, 2.2 + 0.13 * layers))
    left, middle, right = figure.subplots(1, 3, sharey=True)
    largest = max(float(np.abs(whole).max()), float(np.abs(words).max()), 1e-3)
    sides = Normalize(-largest, largest)
    _draw(left, whole, "concentration:\nwhole demonstrations", _TWO_SIDED, sides)
    _draw(middle, words, "concentration:\nlabel words", _TWO_SIDED, sides)
    _draw(right, _map(shown, WHOLE, "mass"), "attention to\nall demonstrations", _ONE_SIDED, Normalize(0, 1))
    left.set_ylabel("layer")
    return DrawnFigure(
        name=FIGURE,
        title="Where a query looks",
        caption="Left and middle: attention from the last token of a prompt, where the label is predicted, to "
        "demonstrations of the query's label over that to all demonstrations, less their share; 0 is no preference. "
        "Left counts all tokens of a demonstration, middle only those that write its label. Every label counts "
        "equally, so that a liking for one label or one place is no concentration. Right: attention to all "
        "demonstrations; the rest goes to the query itself and to what begins the prompt. Layers and heads are counted "
        "from 0.",
        finding=finding(shown),
        figure=figure,
        claims=claims,
    )


def _map(table: pl.DataFrame, part: str, column: str) -> Float64[np.ndarray, "layer head"]:
    of_part = table.filter(pl.col("part") == part).sort("layer", "head")
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
    for part in PARTS:
        row = table.filter((pl.col("part") == part) & (pl.col("rank") == 1)).row(0, named=True)
        told.append(f"{_number(row['concentration'])} on {part} (layer {row['layer']}, head {row['head']})")
    return f"the most concentrated heads stand above the share by {' and '.join(told)}."


def heads_text(table: pl.DataFrame) -> TextTable:
    """The most concentrated heads as a table of texts.

    Args:
        table: of `heads_table`.
    """
    rows = []
    for part in PARTS:
        of_part = table.filter((pl.col("arm") == SAME_LABEL) & (pl.col("part") == part)).sort("rank")
        for row in of_part.head(SHOWN_HEADS).iter_rows(named=True):
            interval = f"{_number(row['concentration'])} [{_number(row['low'])}, {_number(row['high'])}]"
            rows.append((part, str(row["layer"]), str(row["head"]), interval, f"{row['mass']:.2f}"))
    return TextTable(
        title="The most concentrated heads",
        caption="Attention to demonstrations of the query's label over that to all, less their share, with 95 % "
        "intervals over draws and queries; these do not know that the heads are the largest of many, the claims do. "
        "Mass: attention to all demonstrations, or to all their labels. Layers and heads are counted from 0.",
        head=("tokens", "layer", "head", "concentration", "mass"),
        rows=rows,
    )


def _number(x: float) -> str:
    return "0" if x == 0 else format_number(round(x, 3))
