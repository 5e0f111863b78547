"""Small rows of W_O against M2, and what removing them costs at several M1 and M2 (Theorem 3.7)."""

from __future__ import annotations

from typing import Any

import polars as pl
import torch
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import mean_at_every, over_seeds, slope_of, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.mechanism import large_neurons
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, shifted, trial
from iclscope.papers.li2024.theory import pruning_bound_small
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.pruning import magnitude
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

M1_VALUES, M2_VALUES = (6, 8, 10, 12), (6, 12, 24, 48)
STANDARD = (6, 24)
D_X = 60
"""Of all of them: room for the most patterns, 6 and 48, or 12 and 24."""
EPSILON = 0.1
LARGE, LEVEL_NORM = "large group", "the same at every M2"


def _settings() -> list[tuple[int, int]]:
    one, other = STANDARD
    return [*((M1, other) for M1 in M1_VALUES), *((one, M2) for M2 in M2_VALUES if other != M2)]


def _trials(preset: Preset) -> list[Trial]:
    tasks: list[dict[str, Any]] = [{"M1": M1, "M2": M2, "d_X": D_X} for M1, M2 in _settings()]
    return [trial(seed, task=task) for task in tasks for seed in preset.seeds]


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    scores = magnitude(group.model)
    large = large_neurons(scores)
    tests = [shifted(one.patterns) for one in group.trials]
    whole = evaluate(group.model, tests, prompts=preset.prompts).hinge_risk
    sizes: dict[str, Any] = {
        "M1": [one.patterns.M1 for one in group.trials],
        "M2": [one.patterns.M2 for one in group.trials],
    }
    rows = []
    for arm, kept in (("trained", large), (LARGE, ~large)):
        rise = evaluate(group.model, tests, prompts=preset.prompts, neurons=kept).hinge_risk - whole
        rise = rise.masked_fill(kept.all(dim=1), torch.nan)  # nothing to remove, nothing to say
        removed = ~kept
        norm = (scores * removed).sum(dim=1) / removed.sum(dim=1)
        rows.append(group.rows(arm=arm, hinge_rise=rise, norm=norm, share=removed.double().mean(dim=1), **sizes))
    return pl.concat(rows)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """Each seed's norm at the smallest M2 at every M2: a slope of 0."""
    own = _against_M2(rows.filter(pl.col("arm") == "trained"))
    first = own.filter(pl.col("M2") == M2_VALUES[0]).select("seed", first="norm")
    level = own.join(first, on="seed").with_columns(norm=pl.col("first"), arm=pl.lit(LEVEL_NORM))
    return level.select(rows.columns)


def _against_M1(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("M2") == STANDARD[1])


def _against_M2(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("M1") == STANDARD[0])


def _bound(M1: int) -> float:
    return pruning_bound_small(epsilon=EPSILON, M1=M1)


def _of_bound(rows: pl.DataFrame) -> pl.DataFrame:
    bounds = {M1: _bound(M1) for M1 in M1_VALUES}
    return rows.with_columns(of_bound=pl.col("hinge_rise") / pl.col("M1").replace_strict(bounds))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    norms, rise_M1, rise_M2 = figure.subplots(1, 3)
    trained = rows.filter(pl.col("arm") == "trained")
    points = summarise(_against_M2(trained), "M2", "norm")
    curve(norms, points["M2"], points["value"], points["low"], points["high"], label="small rows", index=0)
    reference_curve(norms, M2_VALUES, [M2**-0.5 for M2 in M2_VALUES], label="1/√M2")
    norms.set(xlabel="M2", ylabel="mean norm ‖W_O(i,·)‖", xscale="log", yscale="log")
    for ax, name, own, values in (
        (rise_M1, "M1", _against_M1(trained), M1_VALUES),
        (rise_M2, "M2", _against_M2(trained), M2_VALUES),
    ):
        points = summarise(own, name, "hinge_rise")
        curve(ax, points[name], points["value"], points["low"], points["high"], label="small group removed", index=0)
        reference_curve(ax, values, [EPSILON + value**-0.5 for value in values], label=f"ε + 1/√{name}")
        ax.set(xlabel=name, ylabel="rise of the hinge risk", ylim=(-0.02, None))
    for ax, values in ((norms, M2_VALUES), (rise_M1, M1_VALUES), (rise_M2, M2_VALUES)):
        ax.set_xticks(values, labels=[str(value) for value in values])
        ax.minorticks_off()
        legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    rises = [over_seeds(part, "hinge_rise").value for _, part in trained.group_by("M1", "M2")]
    slope = slope_of(_against_M2(trained), "M2", "norm").value
    share = over_seeds(trained, "share").value
    return (
        f"{share:.0%} of the neurons stay small; removing them raises the hinge risk by at most {max(rises):.3f} at any M1 "
        f"and M2. Their norm grows as M2^{slope:.2f}".replace("^-", "^−")
        + " (the theorem's bound falls as M2^−0.5)."
    )


EXPERIMENT = Experiment(
    name="pruning-sizes",
    title="Small neurons at several M1 and M2",
    caption=(
        "Norm of the small rows of W_O against the number M2 of irrelevant patterns (left), and what removing the small group "
        "adds to the out-of-domain hinge risk with S1 = 1.3, α' = 0.8 and l = 20, against M1 (middle) and M2 (right). Dotted: "
        "the theorem's bounds with constants 1; slides of April 2024 and the paper have M1 in the second, later ones M2."
    ),
    position=95,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=_controls,
    claims=(
        Claim(
            id="thm3.7-prune-small-M1",
            form="upper bound",
            statement="Removing all small neurons costs at most O(ε + M1^{−1/2}), at any M1.",
            source=f"{PAPER}, Theorem 3.7",
            quantity="rise of the hinge risk out of domain when the small group is removed, over ε + M1^(−1/2), at each M1",
            expected=Region(high=1.0),
            reason=f"the bound at ε = {EPSILON}",
            reference="a constant of 1, chosen beforehand",
            estimate=lambda rows: mean_at_every(_of_bound(_against_M1(rows)), "M1", "of_bound"),
            control=Control("the large group removed instead", LARGE),
        ),
        Claim(
            id="thm3.7-prune-small-M2",
            form="upper bound",
            statement="Removing all small neurons costs at most O(ε + M2^{−1/2}), at any M2, as later slides have it.",
            source=f"{PAPER}, Theorem 3.7 (slides of October 2024)",
            quantity="rise of the hinge risk out of domain when the small group is removed, over ε + M2^(−1/2), at each M2",
            expected=Region(high=1.0),
            reason=f"the bound at ε = {EPSILON}",
            reference="a constant of 1, chosen beforehand",
            estimate=lambda rows: mean_at_every(
                _against_M2(rows).with_columns(of_bound=pl.col("hinge_rise") / (EPSILON + pl.col("M2") ** -0.5)),
                "M2",
                "of_bound",
            ),
            control=Control("the large group removed instead", LARGE),
        ),
        Claim(
            id="thm3.7-small-norm-M2",
            form="ours",
            statement="Do small rows shrink with M2 as the bound 1/√M2 does?",
            source=f"{PAPER}, Theorem 3.7",
            quantity="log-log slope of the mean norm of the small rows against M2",
            expected=Region(-0.65, -0.35),
            reason="−1/2, the bound's; they start at ξ√m_b whatever M2",
            estimate=lambda rows: slope_of(_against_M2(rows), "M2", "norm"),
            control=Control("the norm at the smallest M2 at every M2", LEVEL_NORM),
            answer=answered(holds="as 1/√M2", fails="another dependence"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(9.6, 3.3),
)
