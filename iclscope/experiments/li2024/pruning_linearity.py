"""Risk against the share R of large neurons removed (Theorem 3.7)."""

from __future__ import annotations

import polars as pl
import scipy
from matplotlib.figure import Figure

from iclscope.evaluation.evaluate import evaluate
from iclscope.evaluation.intervals import mean_interval
from iclscope.experiments.claims import Claim, Control, Region
from iclscope.experiments.experiment import Experiment, Preset
from iclscope.experiments.li2024.settings import PAPER, OneLayerGroup, base_trials, shifted
from iclscope.experiments.summaries import over_seeds, summarise
from iclscope.mechanism import large_neurons
from iclscope.pruning import kept_of_group, magnitude
from iclscope.report.style import curve, legend, reference_curve
from iclscope.theory.li2024 import pruning_bound_large

SHARES = tuple(i / 10 for i in range(11))
SMALL = "small-neurons"
CONSTANT = 0.25


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    large = large_neurons(magnitude(group.model))
    tests = [shifted(one.patterns) for one in group.trials]
    seeds = [one.seed for one in group.trials]
    rows = []
    for arm, removable in (("trained", large), (SMALL, ~large)):
        for R in SHARES:
            kept = kept_of_group(removable, R, seeds)
            risks = evaluate(group.model, tests, prompts=preset.prompts, neurons=kept)
            rows.append(group.rows(arm=arm, R=R, prompts=preset.prompts, **risks._asdict()))
    return pl.concat(rows)


def _smallest_rise(rows: pl.DataFrame) -> pl.DataFrame:
    """Per seed, the smallest rise of the hinge risk per share removed, over R > 0: Ω(R) must be true at every R."""
    whole = rows.filter(pl.col("R") == 0).select("seed", whole="hinge_risk")
    risen = rows.filter(pl.col("R") > 0).join(whole, on="seed")
    rise = (pl.col("hinge_risk") - pl.col("whole")) / pl.col("R")
    return risen.group_by("seed").agg(rise=rise.min())


def _lines(rows: pl.DataFrame) -> list[tuple[float, float]]:
    """Slope and R² of hinge risk against R, fitted to each seed."""
    fits = [
        scipy.stats.linregress(seed["R"].to_numpy(), seed["hinge_risk"].to_numpy()) for _, seed in rows.group_by("seed")
    ]
    return [(float(fit.slope), float(fit.rvalue) ** 2) for fit in fits]


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2)
    names = {"trained": "large neurons", SMALL: "small neurons"}
    for ax, column, label in (
        (axes[0], "hinge_risk", "hinge risk, out of domain"),
        (axes[1], "classification_error", "classification error, out of domain"),
    ):
        for index, (arm, name) in enumerate(names.items()):
            points = summarise(rows.filter(pl.col("arm") == arm), "R", column, rate=column != "hinge_risk")
            curve(ax, points["R"], points["value"], points["low"], points["high"], label=name, index=index)
        ax.set(xlabel="share R of the group removed", ylabel=label)
    whole = over_seeds(rows.filter((pl.col("arm") == "trained") & (pl.col("R") == 0)), "hinge_risk").value
    reference_curve(
        axes[0],
        SHARES,
        [whole + CONSTANT * pruning_bound_large(R=R) for R in SHARES],
        label="R/4, the bound judged",
        index=0,
    )
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    lines = _lines(rows.filter(pl.col("arm") == "trained"))
    slope, fit = (mean_interval(values) for values in zip(*lines, strict=True))
    return (
        f"The hinge risk rises by {slope.value:.2f} per share of the large neurons (R² of the straight line "
        f"{fit.value:.3f}). Positive and negative neurons go together, so the sign of the output outlasts its size."
    )


EXPERIMENT = Experiment(
    name="pruning-linearity",
    title="Risk against the share of large neurons removed",
    caption=(
        "Out-of-domain hinge risk (left) and classification error (right) with S1 = 1.3, α' = 0.8 and l = 20 after removing a "
        "random share R of the large neurons, or of the small ones. Theorem 3.7 says that the first costs at least Ω(R)."
    ),
    position=110,
    trials=base_trials,
    measure=_measure,
    claims=(
        Claim(
            id="thm3.7-prune-large",
            statement="Removing a share R of the large neurons raises the risk by at least Ω(R).",
            source=f"{PAPER}, Theorem 3.7",
            quantity="rise of the out-of-domain hinge risk over R, the smallest over R = 0.1 … 1",
            expected=Region(low=CONSTANT),
            reason="a constant of a quarter: hinge risk can rise by 1 at R = 1",
            estimate=lambda rows: over_seeds(_smallest_rise(rows), "rise"),
            control=Control("the small neurons removed instead", SMALL),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
