"""Out-of-domain risk with irrelevant patterns inside and outside span{ν} (Theorem 3.4)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import mean_at_every, over_seeds, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import PAPER, UNTRAINED, UNTRAINED_TEXT, OneLayerGroup, shifted, trial
from iclscope.plotting.style import curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternShift
from iclscope.training.trial import Trial

S1_VALUES = (-0.5, 0.0, 0.5, 1.0, 1.2, 1.4)
# With d_X = M1 + M2 no room is left outside the patterns, so this figure's models have twice the input dimensions.
WIDE = {"d_X": 60}
PLACES = ("inside", "outside")
K_VALUES = (0.5, 8.0)


def _trials(preset: Preset) -> list[Trial]:
    return [trial(seed, task=WIDE) for seed in preset.seeds]


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        for S1 in S1_VALUES:
            for place in PLACES:
                for K in K_VALUES:
                    shift = PatternShift(S1=S1, irrelevant=place, K=K)
                    tests = [shifted(one.patterns, shift=shift) for one in group.trials]
                    risks = evaluate(model, tests, prompts=preset.prompts)
                    rows.append(group.rows(arm=arm, S1=S1, place=place, K=K, prompts=preset.prompts, **risks._asdict()))
    return pl.concat(rows)


def _inside(rows: pl.DataFrame) -> pl.DataFrame:
    """What the theorem speaks of: S1 > 1, ν' inside the span, κ' as in training."""
    return rows.filter((pl.col("S1") > 1) & (pl.col("place") == "inside") & (pl.col("K") == 0.5))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, column, label in (
        (axes[0], "hinge_risk", "hinge risk"),
        (axes[1], "classification_error", "classification error"),
    ):
        for i, K in enumerate(K_VALUES):
            for j, place in enumerate(PLACES):
                chosen = trained.filter((pl.col("place") == place) & (pl.col("K") == K))
                points = summarise(chosen, "S1", column, rate=column != "hinge_risk")
                name = f"{place}, K' = {K:g}"
                index = 2 * i + j
                curve(ax, points["S1"], points["value"], points["low"], points["high"], label=name, index=index)
        reference_line(ax, 1.0, vertical=True)
        ax.set(xlabel="coefficient sum S1", ylabel=f"{label}, out of domain", ylim=(0, None))
    legend(axes[0], title="irrelevant patterns ν'")


def _finding(rows: pl.DataFrame) -> str:
    sufficient = rows.filter((pl.col("arm") == "trained") & (pl.col("S1") >= 1))
    parts = []
    for K in K_VALUES:
        at = sufficient.filter(pl.col("K") == K)
        inside, outside = (over_seeds(at.filter(pl.col("place") == place), "hinge_risk").value for place in PLACES)
        parts.append(f"{inside:.3f} with ν' inside span{{ν}} and {outside:.3f} outside at K' = {K:g}")
    return "At S1 ≥ 1 the hinge risk is " + "; ".join(parts) + "."


EXPERIMENT = Experiment(
    name="ood-span",
    title="Out of domain: irrelevant patterns inside and outside span{ν}",
    caption=(
        "Hinge risk (left) and classification error (right) against S1, with out-of-domain irrelevant patterns ν' "
        "that are rotated inside span{ν} or orthogonal to all training patterns, weighted by κ' ~ Uniform(−K', K') "
        "as in training (K' = 1/2) and sixteen times as much. d_X = 60, so that there is an outside."
        " Where curves coincide the last one drawn hides the others."
    ),
    position=60,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="thm3.4-span",
            form="sufficient",
            statement="With ν' in span{ν} and S1 ≥ 1 the out-of-domain hinge risk is O(ε).",
            source=f"{PAPER}, Theorem 3.4",
            quantity="hinge risk out of domain, ν' inside the span, at each of S1 = 1.2 and 1.4; d_X = 60",
            expected=Region(high=0.1),
            reason="ε = 0.1, as in domain",
            estimate=lambda rows: mean_at_every(_inside(rows), "S1", "hinge_risk"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
