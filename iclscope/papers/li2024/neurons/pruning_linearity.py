"""Risk against the share R of large neurons removed (Theorem 3.7)."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import scipy
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll
from iclscope.claims.intervals import mean_interval
from iclscope.claims.reference import REFERENCE, marked, with_other_seeds
from iclscope.claims.summaries import mean_at_every, over_seeds, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.mechanism import large_neurons
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, base_trials, shifted
from iclscope.papers.li2024.theory import pruning_bound_large
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.pruning import kept_of_group, magnitude
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

SHARES = tuple(i / 10 for i in range(11))
SMALL = "small-neurons"
MARGIN = 0.5
"""The constant of Ω(R) is this times the lower end of the interval at the reference, R = 1."""


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    scores = magnitude(group.model)
    large = large_neurons(scores)
    smallest_first = scores.argsort(dim=1).argsort(dim=1)
    tests = [shifted(one.patterns) for one in group.trials]
    seeds = [one.seed for one in group.trials]
    rows = []
    for R in SHARES:
        as_many = (R * large.sum(dim=1, keepdim=True)).round()
        for arm, kept in (("trained", kept_of_group(large, R, seeds)), (SMALL, smallest_first >= as_many)):
            risks = evaluate(group.model, tests, prompts=preset.prompts, neurons=kept)
            rows.append(group.rows(arm=arm, R=R, prompts=preset.prompts, **risks._asdict()))
    return marked(pl.concat(rows))


def _trials(preset: Preset) -> list[Trial]:
    return [*base_trials(preset), *with_other_seeds(base_trials(preset))]


def _risen(rows: pl.DataFrame) -> pl.DataFrame:
    """Per seed and R > 0, the rise of the hinge risk per share removed."""
    whole = rows.filter(pl.col("R") == 0).select("seed", whole="hinge_risk")
    risen = rows.filter(pl.col("R") > 0).join(whole, on="seed")
    return risen.with_columns(rise=(pl.col("hinge_risk") - pl.col("whole")) / pl.col("R"))


def _constant(rows: pl.DataFrame) -> float:
    """The constant c of "at least c·R", from the models of the reference at R = 1."""
    return (
        MARGIN
        * over_seeds(_risen(rows.filter((pl.col("arm") == REFERENCE) & pl.col("R").is_in([0.0, 1.0]))), "rise").low
    )


def _rise_over_bound(rows: pl.DataFrame) -> ForAll:
    """The rise over c·R at every R below the reference's."""
    c = _constant(rows)
    if not c > 0:  # the reference does not rise for certain, so nothing is known of the others
        return ForAll((), f"c = {c:.2g}", c, enough=False)
    judged = _risen(rows.filter((pl.col("arm") != REFERENCE) & (pl.col("R") < 1)))
    scaled = judged.with_columns(pl.col("rise") / c)
    found = mean_at_every(scaled, "R", "rise")
    short = [f"only {one.interval.value:.2g} · c at {one.name}" for one in found.settings if one.interval.high < 1]
    return replace(found, note="; ".join([f"c = {c:.2g}", *short]), constant=c, enough=c > 0)


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
        [whole + _constant(rows) * pruning_bound_large(R=R) for R in SHARES],
        label="c·R, the bound judged",
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
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="thm3.7-prune-large",
            form="lower bound",
            statement="Removing a share R of the large neurons raises the risk by at least Ω(R).",
            source=f"{PAPER}, Theorem 3.7",
            quantity="rise of the out-of-domain hinge risk over c·R at each of R = 0.1 … 0.9",
            expected=Region(low=1.0),
            reason="at least c·R with one c for every R",
            reference="c is half the lower end of the 95 % interval of the rise at R = 1, of models of other seeds",
            estimate=_rise_over_bound,
            control=Control("as many of the small neurons removed instead", SMALL),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
