"""The shortest prompts that suffice, in training against α and in testing against α' (Theorem 3.3)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered, tightness
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll
from iclscope.claims.intervals import Interval
from iclscope.claims.reference import MARGIN, REFERENCE, marked, with_other_seeds
from iclscope.claims.slopes import first_below
from iclscope.claims.summaries import mean_at_every, over_seeds, signed, slope_of, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.papers.li2024 import theory as li2024
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.constants import TESTING_CONSTANT, prescribed_testing_length
from iclscope.papers.li2024.settings import (
    PAPER,
    TRAINING_TASK,
    UNTRAINED,
    UNTRAINED_TEXT,
    OneLayerGroup,
    trial,
    unseen,
)
from iclscope.plotting.style import curve, legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

TRAINING_ALPHAS = (0.2, 0.3, 0.4, 0.6, 0.8)
TRAINING_LENGTHS = (1, 2, 3, 4, 6, 8, 10, 14)
STEPS = 500
TESTING_ALPHAS = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
TESTING_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
EXACT_LENGTHS = (1, 2, 4, 8, 16)
TARGET_RISK, TARGET_ERROR = 0.2, 0.05
TOLERANCE = 0.25
FIXED_ALPHA = "alpha-fixed"
EXACT = "testing, exact share"
ENOUGH, ONE_COLUMN = "testing, c/α' columns", "one column"
RISK = 0.1


def _trials(preset: Preset) -> list[Trial]:
    return [
        trial(seed, task={"alpha": alpha, "length": length}, training={"steps": STEPS})
        for seed in preset.seeds
        for alpha in TRAINING_ALPHAS
        for length in (*TRAINING_LENGTHS, prescribed_length(alpha))
    ] + [one for seed in preset.seeds for one in (trial(seed), *with_other_seeds([trial(seed)]))]


def prescribed_length(alpha: float) -> int:
    """Theorem 3.3's l_tr with constants 1, rounded up."""
    return math.ceil(li2024.training_length(alpha=alpha, beta=TRAINING_TASK.beta, M1=TRAINING_TASK.M1))


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    if group.trials[0].training.steps != STEPS:
        return _testing_rows(group, preset)
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        risks = evaluate(model, [unseen(one.patterns) for one in group.trials], prompts=preset.prompts)
        rows.append(
            group.rows(
                arm=arm,
                stage="training",
                alpha=[one.patterns.alpha for one in group.trials],
                length=[one.patterns.length_range[1] for one in group.trials],
                prompts=preset.prompts,
                **risks._asdict(),
            )
        )
    return pl.concat(rows)


def _testing_rows(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    """The default models tested at other α' and lengths."""
    rows = [_prescribed_rows(group, preset)]
    for stage, context, lengths in (("testing", "independent", TESTING_LENGTHS), (EXACT, "exact", EXACT_LENGTHS)):
        for alpha in TESTING_ALPHAS:
            for length in lengths:
                tests = [unseen(one.patterns, alpha=alpha, length=length, context=context) for one in group.trials]
                risks = evaluate(group.model, tests, prompts=preset.prompts)
                rows.append(
                    group.rows(
                        arm="trained",
                        stage=stage,
                        alpha=alpha,
                        length=length,
                        prompts=preset.prompts,
                        **risks._asdict(),
                    )
                )
    return marked(pl.concat(rows))


def _prescribed_rows(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    """The default models at c/α' columns, and at a single one."""
    rows = []
    for alpha in TESTING_ALPHAS:
        for arm, length in (("trained", prescribed_testing_length(alpha)), (ONE_COLUMN, 1)):
            tests = [unseen(one.patterns, alpha=alpha, length=length) for one in group.trials]
            risks = evaluate(group.model, tests, prompts=preset.prompts)
            columns: dict[str, Any] = {"stage": ENOUGH, "alpha": alpha, "length": length, "prompts": preset.prompts}
            rows.append(group.rows(arm=arm, **columns, **risks._asdict()))
    return marked(pl.concat(rows))


def _enough(rows: pl.DataFrame) -> ForAll:
    """The risk at c/α' columns for every α' but the reference's."""
    at = rows.filter(pl.col("stage") == ENOUGH)
    reference = over_seeds(at.filter((pl.col("arm") == REFERENCE) & (pl.col("alpha") == 1)), "hinge_risk")
    found = mean_at_every(at.filter((pl.col("arm") != REFERENCE) & (pl.col("alpha") < 1)), "alpha", "hinge_risk")
    note = f"c = {TESTING_CONSTANT:g}"
    return replace(found, note=note, constant=TESTING_CONSTANT, enough=reference.high <= RISK)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """α varied in name only: every α gets the rows of the largest."""
    parts = []
    for stage, alphas in (("training", TRAINING_ALPHAS), ("testing", TESTING_ALPHAS)):
        fixed = rows.filter((pl.col("arm") == "trained") & (pl.col("stage") == stage) & (pl.col("alpha") == alphas[-1]))
        parts += [fixed.with_columns(arm=pl.lit(FIXED_ALPHA), alpha=pl.lit(alpha)) for alpha in alphas]
    return pl.concat(parts)


def shortest(rows: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Per seed and α, the shortest length at which the target is met (interpolated): columns seed, alpha, shortest."""
    column, target = ("hinge_risk", TARGET_RISK) if stage == "training" else ("classification_error", TARGET_ERROR)
    found = [
        {
            "seed": seed,
            "alpha": alpha,
            "shortest": first_below(group["length"].to_list(), group[column].to_list(), target),
        }
        for (seed, alpha), group in rows.filter(pl.col("stage") == stage).sort("length").group_by("seed", "alpha")
    ]
    return pl.DataFrame(found, schema={"seed": pl.Int64, "alpha": pl.Float64, "shortest": pl.Float64}).sort(
        "seed", "alpha"
    )


def _slope(rows: pl.DataFrame, stage: str) -> Interval:
    return slope_of(shortest(rows, stage), "alpha", "shortest")


def _prescribed(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows trained at the length that Theorem 3.3 prescribes."""
    lengths = pl.DataFrame({"alpha": TRAINING_ALPHAS, "length": [prescribed_length(a) for a in TRAINING_ALPHAS]})
    return rows.filter(pl.col("stage") == "training").join(lengths, on=["alpha", "length"])


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    left, middle, right = figure.subplots(1, 3)
    trained = rows.filter(pl.col("arm") == "trained")
    for index, alpha in enumerate(TRAINING_ALPHAS):
        chosen = trained.filter((pl.col("stage") == "training") & (pl.col("alpha") == alpha))
        points = summarise(chosen, "length", "hinge_risk")
        curve(left, points["length"], points["value"], points["low"], points["high"], label=f"{alpha:g}", index=index)
    left.set(xlabel="training length l_tr", ylabel="hinge risk on unseen tasks", xscale="log")
    legend(left, title="α in training")
    for index, alpha in enumerate(TESTING_ALPHAS):
        chosen = trained.filter((pl.col("stage") == "testing") & (pl.col("alpha") == alpha))
        points = summarise(chosen, "length", "classification_error", rate=True)
        curve(middle, points["length"], points["value"], points["low"], points["high"], label=f"{alpha:g}", index=index)
    middle.set(xlabel="testing length l_ts", ylabel="classification error", xscale="log")
    legend(middle, title="α' in testing")
    for ax, lengths in ((left, (1, 2, 4, 10)), (middle, (1, 2, 4, 8, 16, 48))):
        ax.set_xticks(lengths, labels=[str(length) for length in lengths])
        ax.minorticks_off()
    for index, stage in enumerate(("training", "testing")):
        points = summarise(shortest(trained, stage), "alpha", "shortest")
        name = f"{stage}, slope {signed(_slope(trained, stage).value)}"
        curve(right, points["alpha"], points["value"], points["low"], points["high"], label=name, index=index)
        scale = points["value"][-1] * points["alpha"][-1]
        label = "∝ 1/α" if index == 0 else None
        reference_curve(right, points["alpha"], [scale / a for a in points["alpha"]], label=label, index=index)
    right.set(xlabel="α in training, α' in testing", ylabel="shortest length that suffices", xscale="log", yscale="log")
    right.set_xticks((0.2, 0.4, 0.8), labels=["0.2", "0.4", "0.8"])
    right.set_yticks((1, 2, 5, 10, 20), labels=["1", "2", "5", "10", "20"])
    right.minorticks_off()
    legend(right)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    training, testing = _slope(trained, "training"), _slope(trained, "testing")
    exact = (
        trained.filter(pl.col("stage") == EXACT).group_by("alpha", "length").agg(pl.col("classification_error").mean())
    )
    worst = max(exact["classification_error"].to_list())
    return (
        f"The shortest sufficient length grows as α^{signed(training.value)} in training and as α'^{signed(testing.value)} in "
        f"testing (theory: −1 for both). Where every prompt holds exactly ⌈α'l/2⌉ columns with the query's pattern, the "
        f"error is at most {worst:.2%} at every α' and length: what long prompts are needed "
        "for is to hold such a column at all, which l independent draws miss with probability (1 − α'/2)^l."
    )


EXPERIMENT = Experiment(
    name="prompt-length",
    title="How long prompts must be",
    caption=(
        f"Left: hinge risk on unseen tasks after {STEPS} steps of training at length l_tr, for several α (tested at α' = 0.8, "
        "l = 20). Middle: classification error of the default models at length l_ts, for several α'. Right: the shortest "
        f"length that brings the hinge risk to {TARGET_RISK} (training) or the error to {TARGET_ERROR} (testing), on log-log "
        "axes; dotted, the growth 1/α of Theorem 3.3."
    ),
    position=30,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=_controls,
    claims=(
        Claim(
            id="thm3.3-testing-length",
            form="sufficient",
            statement="l_ts = c/α' context columns suffice in testing, with one c for all α' (tried from 0.2 on).",
            source=f"{PAPER}, Theorem 3.3: l_ts ≳ 1/α'",
            quantity=f"hinge risk of the default models on unseen tasks at c/α' columns, each of α' = {TESTING_ALPHAS[0]} … 0.8",
            expected=Region(high=RISK),
            reason="ε = 0.1",
            reference=(
                f"α' = 1, the end of the range that is farthest from the law's limit; c is {MARGIN} times the most that any of 20 models of other seeds needed"
            ),
            estimate=_enough,
            control=Control("a single context column instead", ONE_COLUMN),
        ),
        Claim(
            id="thm3.3-prompt-length-constant-1",
            form="ours",
            statement="Is a constant of 1 enough: does training length l_tr = max{log M1/α, 1/(β²α)} suffice?",
            source=f"{PAPER}, Theorem 3.3 (constants 1)",
            quantity="hinge risk on unseen tasks after training at that length, each of α = 0.2 … 0.8",
            expected=Region(high=0.1),
            reason="ε = 0.1",
            estimate=lambda rows: mean_at_every(_prescribed(rows), "alpha", "hinge_risk"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
            answer=answered(holds="enough", fails="not enough"),
        ),
        Claim(
            id="thm3.3-prompt-length-training",
            form="ours",
            statement="Is the law tight: does the training length needed grow as 1/α?",
            source=f"{PAPER}, Theorem 3.3: l_tr ≥ max{{Ω(log M1/α), Ω(1/(β²α))}}",
            quantity=f"log-log slope against α of the shortest l_tr that reaches hinge risk {TARGET_RISK}",
            expected=Region(-1 - TOLERANCE, -1 + TOLERANCE),
            reason=f"the exponent −1 ± {TOLERANCE}",
            estimate=lambda rows: _slope(rows, "training"),
            control=Control("α varied in name only", FIXED_ALPHA),
            answer=tightness(-1.0, "α", limit="small"),
        ),
        Claim(
            id="thm3.3-prompt-length-testing",
            form="ours",
            statement="Is the law tight: does the testing length needed grow as 1/α'?",
            source=f"{PAPER}, Theorem 3.3: l_ts ≳ 1/α'",
            quantity=f"log-log slope against α' of the shortest l_ts that reaches error {TARGET_ERROR}",
            expected=Region(-1 - TOLERANCE, -1 + TOLERANCE),
            reason=f"the exponent −1 ± {TOLERANCE}; columns drawn independently, of which (1 − α'/2)^l prompts have none to attend to",
            estimate=lambda rows: _slope(rows, "testing"),
            control=Control("α' varied in name only", FIXED_ALPHA),
            answer=tightness(-1.0, "α'", limit="small"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(10.0, 3.4),
)
