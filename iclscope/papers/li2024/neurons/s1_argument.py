"""Why S1 ≥ 1 suffices: what large neurons make of a shifted pattern is a straight line in S1 (proof of Theorem 3.4)."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import mean_at_every, over_seeds, signed, summarise
from iclscope.mechanism import large_neurons, preactivations
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import (
    PAPER,
    TRAINING_TASK,
    UNTRAINED,
    OneLayerGroup,
    base_trials,
    shifted,
)
from iclscope.plotting.style import curve, legend, reference_curve, reference_line
from iclscope.pruning import magnitude
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternSampler, PatternShift

S1_VALUES = (-1.0, -0.5, -0.3, 0.0, 0.3, 0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.4)
STATED = TRAINING_TASK.beta**2 / TRAINING_TASK.M1 / TRAINING_TASK.q_norm**2
"""Slope over offset of S1·β²/M1 + ‖q‖²."""
CLOSE = 0.25
TURNED, FLAT = "negative S1", "flat"
IN_PLACE = {-0.3: 1.1, -0.5: 1.3, -1.0: 1.4}


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    large = large_neurons(magnitude(group.model))
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        by_S1 = [_preactivations(model, group, S1) for S1 in S1_VALUES]
        chosen = large if arm == "trained" else torch.ones_like(large)
        inside = _mean(by_S1[S1_VALUES.index(1.0)].mean(dim=2), chosen)  # at S1 = 1 the patterns are in-domain ones
        rows += [
            group.rows(arm=arm, kind="line", S1=S1, ratio=_mean(values.mean(dim=2), chosen) / inside)
            for S1, values in zip(S1_VALUES, by_S1, strict=True)
        ]
        straight, slope, offset = _fit(torch.stack(by_S1), chosen)
        rows.append(group.rows(arm=arm, kind="fit", straight=straight, of_offset=slope / offset))
    return pl.concat(rows, how="diagonal")


def _preactivations(model: SoftmaxReLUTransformer, group: OneLayerGroup, S1: float) -> torch.Tensor:
    """[run, neuron, pattern] at one S1."""
    tasks = [shifted(one.patterns, shift=PatternShift(S1=S1)) for one in group.trials]
    sampler = PatternSampler(tasks, [one.seed for one in group.trials], dtype=model.dtype, device=model.device)
    return preactivations(model, sampler.basis)


def _mean(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mean over the chosen neurons."""
    return (values * chosen).sum(dim=1) / chosen.sum(dim=1)


def _fit(values: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of [S1, run, neuron, pattern] a line in S1 per neuron: the share of the variance it explains, slope and offset.

    Points of all patterns at one S1 are fitted together: a neuron that reads single patterns is no line in S1.
    """
    S1 = torch.tensor(S1_VALUES, dtype=values.dtype, device=values.device)
    centred = (S1 - S1.mean())[:, None, None]
    slope = (values.mean(dim=3) * centred).sum(dim=0) / centred.square().sum()
    offset = values.mean(dim=(0, 3)) - slope * S1.mean()
    left = values - (offset + slope * S1[:, None, None])[..., None]
    straight = 1 - left.square().sum(dim=(0, 3)) / (values - values.mean(dim=(0, 3))[:, :, None]).square().sum(
        dim=(0, 3)
    )
    return _mean(straight, chosen), _mean(slope, chosen), _mean(offset, chosen)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    for index, (arm, label) in enumerate((("trained", "large neurons"), (UNTRAINED, "before training, all neurons"))):
        points = summarise(rows.filter((pl.col("arm") == arm) & (pl.col("kind") == "line")), "S1", "ratio")
        curve(ax, points["S1"], points["value"], points["low"], points["high"], label=label, index=index)
    line = (np.array(S1_VALUES) * STATED + 1) / (STATED + 1)
    reference_curve(ax, S1_VALUES, line, label="S1·β²/M1 + ‖q‖²")
    reference_line(ax, 1.0, vertical=True)
    ax.set(xlabel="coefficient sum S1", ylabel="pre-activation over that in domain", ylim=(-2, 2.5))
    legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    fits = rows.filter((pl.col("arm") == "trained") & (pl.col("kind") == "fit"))
    straight, ratio = (over_seeds(fits, name).value for name in ("straight", "of_offset"))
    return (
        f"A line in S1 explains {straight:.1%} of what large neurons make of shifted patterns; its slope is "
        f"{signed(ratio)} times its offset (stated β²/(M1‖q‖²) = {signed(STATED)}), so that it would reach 0 at "
        f"S1 = {signed(-1 / ratio)}, far below 1."
    )


def _kind(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == kind)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """Negative S1 under the names of those above 1: what grows with S1 is smaller there. And lines without a slope."""
    trained = rows.filter(pl.col("arm") == "trained")
    lines = _kind(trained, "line")
    kept = lines.filter(pl.col("S1").is_in(list(IN_PLACE)))
    turned = kept.with_columns(arm=pl.lit(TURNED), S1=pl.col("S1").replace_strict(IN_PLACE))
    flat = _kind(trained, "fit").with_columns(arm=pl.lit(FLAT), of_offset=pl.col("of_offset") * 0)
    return pl.concat([turned, flat])


EXPERIMENT = Experiment(
    name="s1-argument",
    title="Why S1 ≥ 1 suffices: pre-activations on shifted patterns",
    caption=(
        "What the large neurons make of a column (μ'_j; ±q), the sign as a_i has it, before the ReLU and over the same in "
        "domain, against S1; mean over neurons and patterns. Dotted: the line of the proof, for rows of W_O W_V along "
        "(μ̄, ±q)."
    ),
    position=62,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=_controls,
    claims=(
        Claim(
            id="s1-argument-line",
            form="exact",
            statement="What a lucky neuron makes of (μ'; q) is a straight line in S1.",
            source=f"{PAPER}, proof sketch of Theorem 3.4",
            quantity="share of the variance over S1 and patterns that a line per neuron explains, mean over large neurons",
            expected=Region(low=0.9),
            reason="nine tenths; a neuron that reads single patterns instead of μ̄ is no line in S1",
            estimate=lambda rows: over_seeds(_kind(rows, "fit"), "straight"),
            control=Control("all neurons before training", UNTRAINED),
        ),
        Claim(
            id="s1-argument-at-least",
            form="sufficient",
            statement="At S1 ≥ 1 large neurons are at least as active as in domain.",
            source=f"{PAPER}, proof sketch of Theorem 3.4",
            quantity="pre-activation on shifted patterns over that in domain, at each of S1 = 1.1, 1.3, 1.4",
            expected=Region(low=0.99),
            reason="at least 1, but for a hundredth for patterns that are not learnt alike",
            estimate=lambda rows: mean_at_every(_kind(rows, "line").filter(pl.col("S1") > 1.05), "S1", "ratio"),
            control=Control("negative S1 in place of S1 > 1", TURNED),
        ),
        Claim(
            id="s1-argument-slope",
            form="ours",
            statement="Is the slope that of the proof: rows along (μ̄, ±q) with weights as equal as the norms say?",
            source=f"{PAPER}, proof sketch of Theorem 3.4",
            quantity="slope over offset of the line, over β²/(M1‖q‖²)",
            expected=Region(1 - CLOSE, 1 + CLOSE),
            reason=f"within {CLOSE:.0%}",
            estimate=lambda rows: over_seeds(
                _kind(rows, "fit").with_columns(of_stated=pl.col("of_offset") / STATED), "of_stated"
            ),
            control=Control("the same at every S1, a slope of 0", FLAT),
            answer=answered(holds="as in the proof", fails="another slope"),
        ),
    ),
    draw=_draw,
    finding=_finding,
)
