"""One prompt and what a trained model makes of it: where its attention goes, and how the neurons vote."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import torch
from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import UNTRAINED, OneLayerGroup, base_trials, unseen
from iclscope.plotting.style import COLOURS, GROUND, INK, legend
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternPrompts, PatternSampler

LENGTH = 12
LOOKED_AT = 64
ENOUGH = (3, 5)
"""The prompt shown is the first of some whose query's pattern stands in so many of the columns."""
BEFORE, AFTER = "before training", "after training"


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    tasks = [unseen(one.patterns, length=LENGTH) for one in group.trials]
    seeds = [one.seed for one in group.trials]
    sampler = PatternSampler(tasks, seeds, dtype=group.model.dtype, device=group.model.device)
    prompts = sampler.prompts(LOOKED_AT, purpose=EVALUATION_PURPOSE)
    same = prompts.same_pattern.sum(dim=2)
    chosen = ((same >= ENOUGH[0]) & (same <= ENOUGH[1])).int().argmax(dim=1)  # the first of each run
    arms = (("trained", group.model), (UNTRAINED, group.model.untrained()))
    return pl.concat((_rows(group, arm, model, prompts, chosen) for arm, model in arms), how="diagonal")


@torch.no_grad()
def _rows(
    group: OneLayerGroup,
    arm: str,
    model: SoftmaxReLUTransformer,
    prompts: PatternPrompts,
    chosen: Int64[torch.Tensor, " run"],
) -> pl.DataFrame:
    """Each run's prompt: its columns with the attention on each, and what neurons of either sign add to the output."""
    found = model.predict(prompts)
    M1 = group.trials[0].patterns.M1

    def of(values: torch.Tensor) -> torch.Tensor:
        """Of each run's prompt."""
        return values[torch.arange(len(chosen)), chosen]

    columns = [
        group.rows(
            arm=arm,
            kind="column",
            place=place,
            pattern=of(prompts.relevant)[:, place].tolist(),
            irrelevant=(of(prompts.irrelevant)[:, place] - M1).tolist(),
            sign=of(prompts.signs)[:, place],
            attention=of(found.attention)[:, place],
        )
        for place in range(prompts.length)
    ]
    votes = model.a * of(found.hidden)
    query = group.rows(
        arm=arm,
        kind="query",
        pattern=of(prompts.query_relevant).tolist(),
        irrelevant=(of(prompts.query_irrelevant) - M1).tolist(),
        label=of(prompts.labels),
        output=of(found.output),
        votes_for=votes.clamp(min=0).sum(dim=1),
        votes_against=votes.clamp(max=0).sum(dim=1),
    )
    return pl.concat([*columns, query], how="diagonal")


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """The prompt that is drawn: that of the first seed whose run did not diverge."""
    finished = rows.filter((pl.col("kind") == "query") & pl.col("output").is_not_nan())
    shown = (rows if finished.is_empty() else finished)["seed"].min()
    return rows.filter(pl.col("seed") == shown)


def _columns(rows: pl.DataFrame, arm: str) -> pl.DataFrame:
    return _shown(rows).filter((pl.col("arm") == arm) & (pl.col("kind") == "column")).sort("place")


def _query(rows: pl.DataFrame, arm: str) -> dict[str, Any]:
    return _shown(rows).filter((pl.col("arm") == arm) & (pl.col("kind") == "query")).row(0, named=True)


def _cell(ax: Axes, x: float, y: float, text: str, colour: str, *, filled: bool = True) -> None:
    """A box of a column with its name."""
    ax.add_patch(
        Rectangle((x - 0.42, y), 0.84, 0.8, facecolor=colour if filled else GROUND, edgecolor=colour, linewidth=1.2)
    )
    ax.text(x, y + 0.4, text, ha="center", va="center", fontsize=8, color="white" if filled else INK)


def _draw_column(ax: Axes, x: float, pattern: int, irrelevant: int, label: str) -> None:
    _cell(ax, x, 2, f"μ{pattern + 1}", COLOURS[pattern % len(COLOURS)])
    _cell(ax, x, 1, f"ν{irrelevant + 1}", "#7d858f", filled=False)
    _cell(ax, x, 0, label, {"+q": COLOURS[2], "−q": COLOURS[1]}.get(label, "#7d858f"), filled=label != "?")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    grid = figure.add_gridspec(2, 2, width_ratios=(4, 1), height_ratios=(1.1, 1))
    attention, prompt = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    votes = figure.add_subplot(grid[:, 1])
    for index, (arm, name) in enumerate(((UNTRAINED, BEFORE), ("trained", AFTER))):
        own = _columns(rows, arm)
        places = [place + 0.38 * (index - 0.5) for place in own["place"]]
        attention.bar(places, own["attention"], width=0.36, color=COLOURS[4 if index == 0 else 0], label=name)
    attention.set(ylabel="attention of the query", xlim=(-0.6, LENGTH + 1.1), ylim=(0, None), xticks=[])
    legend(attention)
    ends = [_query(rows, arm) for arm in (UNTRAINED, "trained")]
    query = ends[1]
    for row in _columns(rows, "trained").iter_rows(named=True):
        label = "+q" if row["sign"] > 0 else "−q"
        _draw_column(prompt, row["place"], row["pattern"], row["irrelevant"], label)
        if row["pattern"] == query["pattern"]:
            prompt.add_patch(Rectangle((row["place"] - 0.5, -0.12), 1, 3.04, fill=False, edgecolor=INK, linewidth=1.4))
    _draw_column(prompt, LENGTH + 0.5, int(query["pattern"]), int(query["irrelevant"]), "?")
    prompt.text(LENGTH + 0.5, 3.05, "query", ha="center", va="bottom", fontsize=8)
    prompt.set(xlim=(-0.6, LENGTH + 1.1), ylim=(-0.2, 3.5), xticks=[])
    prompt.set_yticks([0.4, 1.4, 2.4], labels=["label", "irrelevant", "relevant"])
    prompt.grid(visible=False)
    for side in ("left", "bottom"):
        prompt.spines[side].set_visible(False)
    for index, said in enumerate(ends):
        votes.bar(index, said["votes_for"], color=COLOURS[2], label="neurons with a > 0" if index else None)
        votes.bar(index, said["votes_against"], color=COLOURS[1], label="neurons with a < 0" if index else None)
        votes.plot(index, said["output"], marker="D", color=INK, linestyle="none", label="output F" if index else None)
    votes.axhline(0, color=INK, linewidth=0.8)
    votes.set_xticks([0, 1], labels=["before", "after"])
    most = max(abs(one[name]) for one in ends for name in ("votes_for", "votes_against"))
    ylim = (-1.1 * most, 1.7 * most) if 0 < most < math.inf else None  # a run that diverged has none
    votes.set(title="votes of the neurons", xlim=(-0.6, 1.6), ylim=ylim)
    legend(votes)


def _finding(rows: pl.DataFrame) -> str:
    query = _query(rows, "trained")

    def on_pattern(arm: str) -> float:
        same = pl.col("pattern") == int(query["pattern"])
        return float(_columns(rows, arm).filter(same)["attention"].sum())

    right = "rightly" if query["output"] * query["label"] > 0 else "wrongly"
    answer = "+q" if query["output"] > 0 else "−q"
    return (
        f"The query holds μ{int(query['pattern']) + 1}. The framed columns, which hold it too, get "
        f"{on_pattern(UNTRAINED):.0%} of its attention before training and {on_pattern('trained'):.0%} after it; the neurons "
        f"that read their labels then answer {answer}, {right}."
    )


EXPERIMENT = Experiment(
    name="prompt",
    title="One prompt, before and after training",
    caption=(
        "A prompt of a task that was not trained on, seed 0. Each column is an input μ_j + κ ν_k with a label: its relevant "
        "pattern, which decides the label, its irrelevant one, and ±q; labels of patterns that are not the task's two are "
        "coins. Bars: how much the query attends to each column. Right: what neurons of either sign add to the output, whose "
        "sign is the answer."
    ),
    position=1,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(),
    draw=_draw,
    finding=_finding,
    size=(9.6, 4.2),
    opening=True,
)
