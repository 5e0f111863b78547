"""The trained matrices, entry by entry, beside the limits of gradient flow (Theorem 4.1)."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from torch import Tensor

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.claims.summaries import over_seeds
from iclscope.models import LinearAttention
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.papers.zhang2024.settings import (
    INITIAL_SCALE,
    PAPER,
    UNTRAINED,
    UNTRAINED_TEXT,
    LinearGroup,
    flow_trial,
    plan_of,
    regression_of,
)
from iclscope.plotting.style import COLOURS, GROUND, INK, MARKERS, legend
from iclscope.study.experiment import Experiment, Preset

WITHOUT = "Γ = Λ"
NORMAL = "normal start"
KINDS = ("x-block of W_KQ", "last entry of W_PV", "all other entries: 0")


def _measure(group: LinearGroup, _preset: Preset) -> pl.DataFrame:
    task, model = regression_of(group), group.model
    Lambda = np.asarray(task.covariance)
    end, wrong = zhang2024.limit(Lambda, task.length), zhang2024.limit_of_product(np.linalg.inv(Lambda))
    normal = LinearAttention(
        seeds=model.seeds, d_X=task.d_X, query_in_context=True, initial_scale=INITIAL_SCALE, dtype=model.dtype
    )
    tables = []
    for arm, found, limit in (
        ("trained", model, end),
        (WITHOUT, model, wrong),
        (UNTRAINED, model.untrained(), end),
        (NORMAL, normal, end),
    ):
        for name, weight, expected in (("W_KQ", found.W_KQ, limit.W_KQ), ("W_PV", found.W_PV, limit.W_PV)):
            tables += _entries(group, arm, name, weight[:, 0], expected)
    return pl.concat(tables)


def _entries(group: LinearGroup, arm: str, matrix: str, weight: Tensor, expected: np.ndarray) -> list[pl.DataFrame]:
    """One row per run and entry; deviations are in units of the limit's largest entry."""
    largest, last = float(np.abs(expected).max()), len(expected) - 1
    tables = []
    for (i, j), limit in np.ndenumerate(expected):
        block = i < last and j < last if matrix == "W_KQ" else i == j == last
        kind = KINDS[2] if not block else KINDS[0] if matrix == "W_KQ" else KINDS[1]
        deviation = (weight[:, i, j] - float(limit)).abs() / largest
        tables.append(
            group.rows(arm=arm, matrix=matrix, i=int(i), j=int(j), kind=kind, limit=float(limit),
                       entry=weight[:, i, j], deviation=deviation)
        )  # fmt: skip
    return tables


def _worst(rows: pl.DataFrame) -> Interval:
    """Per seed, the largest deviation of any entry."""
    worst = rows.group_by("seed").agg(pl.col("deviation").max(), lost=pl.col("deviation").is_nan().any()).sort("seed")
    return mean_interval([math.nan if lost else value for value, lost in worst.select("deviation", "lost").iter_rows()])


def _zeros(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == KINDS[2])


def _u(rows: pl.DataFrame) -> Interval:
    chosen = rows.filter(pl.col("kind") == KINDS[1])
    return over_seeds(chosen.with_columns(pl.col("entry") / pl.col("limit")), "entry")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    trained = rows.filter(pl.col("arm") == "trained")
    entries = trained.group_by("matrix", "i", "j", "kind").agg(
        pl.col("limit").first(),
        value=pl.col("entry").filter(pl.col("entry").is_not_nan()).mean(),
        low=pl.col("entry").min(),
        high=pl.col("entry").max(),
    ).sort("matrix", "i", "j")  # fmt: skip
    ends = [float(entries["limit"].min()), float(entries["limit"].max())]  # type: ignore[arg-type]
    left.axline((0, 0), slope=1, color=INK, linestyle=(0, (1, 1.6)), linewidth=1.5, label="equal")
    worst = []
    for index, kind in enumerate(KINDS):
        of_kind = entries.filter(pl.col("kind") == kind)
        left.plot(
            of_kind["limit"], of_kind["value"].cast(pl.Float64), linestyle="none", marker=MARKERS[index],
            color=COLOURS[index], markeredgecolor=GROUND, label=kind,
        )  # fmt: skip
        worst.append(
            trained.filter(pl.col("kind") == kind).group_by("seed").agg(pl.col("deviation").max()).sort("seed")
        )
    left.set(xlabel="entry of the limit", ylabel="entry after training", xlim=(ends[0] - 0.1, ends[1] + 0.1))
    left.set_ylim(ends[0] - 0.1, ends[1] + 0.1)
    for index, (kind, of_seeds) in enumerate(zip(KINDS, worst, strict=True)):
        right.plot(
            of_seeds["seed"] + 0.12 * (index - 1), 100 * of_seeds["deviation"], linestyle="none",
            marker=MARKERS[index], color=COLOURS[index], markeredgecolor=GROUND, label=kind,
        )  # fmt: skip
    right.set(xlabel="seed", ylabel="largest deviation,\n% of the largest entry", xticks=worst[0]["seed"].to_list())
    right.set_ylim(bottom=0)
    legend(left)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    return (
        f"No entry is further from its limit than {100 * _worst(trained).value:.1f} % of the largest one (mean over seeds); those "
        f"that must stay 0 are at most {100 * _worst(_zeros(trained)).value:.1f} %, and u is {_u(trained).value:.3f} times its limit."
    )


EXPERIMENT = Experiment(
    name="limits",
    title="The limit matrices, entry by entry",
    caption=(
        "All entries of W_KQ and W_PV after training against their limits tr(Γ⁻²)^(−1/4) blockdiag(Γ⁻¹, 0) and tr(Γ⁻²)^(1/4) "
        "diag(0, 1). Left: means over seeds. Right: the largest deviation of each kind of entry for each seed, in percent of "
        "the largest entry of the same limit matrix. The models are those of the figure on gradient flow."
    ),
    position=20,
    trials=lambda preset: [flow_trial(preset, seed, plan_of(preset).length) for seed in preset.seeds],
    measure=_measure,
    claims=(
        Claim(
            id="limits-entries",
            form="exact",
            statement="W_KQ tends to tr(Γ⁻²)^(−1/4) blockdiag(Γ⁻¹, 0) and W_PV to tr(Γ⁻²)^(1/4) diag(0, 1).",
            source=f"{PAPER}, Theorem 4.1",
            quantity="largest deviation of any entry from its limit, over the largest entry of the same limit",
            expected=Region(high=0.05),
            reason="0 is exact for flow; a twentieth for finite steps and batches (ours)",
            estimate=_worst,
            control=Control("the same trained models beside the limit without the terms in 1/N (Γ = Λ)", WITHOUT),
        ),
        Claim(
            id="limits-zeros",
            form="exact",
            statement="All entries but the x-block of W_KQ and the last of W_PV stay 0.",
            source=f"{PAPER}, Theorem 4.1",
            quantity="largest size of an entry whose limit is 0, over the largest entry of the same limit",
            expected=Region(high=0.05),
            reason="0 is exact for flow; a twentieth for finite steps and batches (ours)",
            estimate=lambda rows: _worst(_zeros(rows)),
            control=Control("normal initial weights of the same scale, whose entries no symmetry keeps at 0", NORMAL),
        ),
        Claim(
            id="limits-u",
            form="exact",
            statement="The last entry u of W_PV tends to ‖Γ⁻¹‖_F^(1/2).",
            source=f"{PAPER}, Theorem 4.1",
            quantity="u after training over ‖Γ⁻¹‖_F^(1/2)",
            expected=Region(0.95, 1.05),
            reason="1 is exact for flow; a twentieth for finite steps and batches (ours)",
            estimate=_u,
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.4, 3.6),
)
