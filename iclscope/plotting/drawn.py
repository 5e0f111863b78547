"""Pictures of results in a notebook: losses while training, metrics of a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float
from matplotlib.figure import Figure

from iclscope.plotting.style import curve, legend, new_figure


def loss_figure(loss: Float[np.ndarray, "run step"], seeds: Sequence[int], *, ylabel: str = "training loss") -> Figure:
    """Each run's loss against the step.

    Args:
        loss: NaN where a run had ended.
        seeds: of the runs.
        ylabel: what the loss is.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    for run, values in enumerate(loss):
        axes.plot(values, linewidth=1.0, label=f"seed {seeds[run]}" if len(loss) <= 6 else None)
    if np.nanmin(loss, initial=np.inf) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel=ylabel)
    legend(axes)
    return figure


def interval_figure(
    rows: pl.DataFrame, words: Mapping[str, str], means: Mapping[str, Float[np.ndarray, "run length"]]
) -> Figure:
    """A panel per metric: its value and interval against context length; with one length, each run beside them.

    Args:
        rows: columns metric, length, value, low, high.
        words: what each metric is called on its axis.
        means: of each run and length.
    """
    figure = new_figure(3.4 * len(words) if len(words) > 1 else 6.4, 3.2)
    panels: Any = figure.subplots(1, len(words), squeeze=False)
    for index, (axes, (metric, text)) in enumerate(zip(panels[0], words.items(), strict=True)):
        part = rows.filter(pl.col("metric") == metric)
        if part.height > 1:
            curve(axes, part["length"], part["value"], part["low"], part["high"], label=None, index=index)
            axes.set(xlabel="examples in the prompt", ylabel=text)
        else:
            runs = means[metric][:, 0]
            axes.plot(np.arange(len(runs)), runs, "o", label="each seed")
            axes.axhspan(part["low"][0], part["high"][0], alpha=0.18, linewidth=0, label="95 % interval")
            axes.axhline(part["value"][0], linewidth=1.2, label="mean")
            axes.set(xlabel="run", ylabel=text)
            legend(axes)
    return figure
