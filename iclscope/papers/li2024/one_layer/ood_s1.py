"""Out-of-domain risk against the coefficient sum S1 (Theorem 3.4)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import decisive
from iclscope.claims.published import published_curves
from iclscope.claims.summaries import mean_at_every, rate_at_every, rate_over_seeds, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import PAPER, UNTRAINED, UNTRAINED_TEXT, OneLayerGroup, base_trials, shifted
from iclscope.plotting.style import curve, legend, published, reference_line, symlog_rate
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternShift

S1_VALUES = (-0.5, -0.3, 0.0, 0.3, 0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.4)
LENGTHS = (4, 8, 12, 16, 20)
PUBLISHED_GPT2 = {S1: published_curves("li2024", "gpt2-ood-s1")[f"S1 = {S1:g}"] for S1 in (0.5, 0.7, 0.9, 1.1, 1.3)}
SHOWN_S1 = (0.0, 0.5, 0.9, 1.1, 1.3)
AT_HALF = 0.5
SMALL = Region(high=0.01)


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        for S1 in S1_VALUES:
            for length in LENGTHS if arm == "trained" else LENGTHS[-1:]:
                tests = [shifted(one.patterns, shift=PatternShift(S1=S1), length=length) for one in group.trials]
                risks = evaluate(model, tests, prompts=preset.prompts)
                rows.append(group.rows(arm=arm, S1=S1, length=length, prompts=preset.prompts, **risks._asdict()))
    return pl.concat(rows)


def _sufficient(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that Theorem 3.4 speaks of, at the training length; S1 = 1 itself is in domain here."""
    return rows.filter((pl.col("S1") > 1) & (pl.col("length") == LENGTHS[-1]))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    hinge, error = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    longest = trained.filter(pl.col("length") == LENGTHS[-1])
    for index, (column, name) in enumerate((("hinge_risk", "hinge risk"), ("classification_error", "error"))):
        points = summarise(longest, "S1", column, rate=index == 1)
        curve(hinge, points["S1"], points["value"], points["low"], points["high"], label=name, index=index)
    ends = [theirs.at(LENGTHS[-1]) for theirs in PUBLISHED_GPT2.values()]
    published(hinge, list(PUBLISHED_GPT2), ends, label="GPT-2, published", index=1)
    reference_line(hinge, 1.0, vertical=True, label="S1 = 1")
    hinge.set(xlabel="coefficient sum S1", ylabel="risk or error out of domain, l = 20")
    symlog_rate(hinge)
    if (box := legend(hinge)) is not None:
        box.set_loc("center left")  # between the two curves
    for index, S1 in enumerate(SHOWN_S1):
        points = summarise(trained.filter(pl.col("S1") == S1), "length", "classification_error", rate=True)
        curve(error, points["length"], points["value"], points["low"], points["high"], label=f"{S1:g}", index=index)
        if S1 in PUBLISHED_GPT2:
            published(error, PUBLISHED_GPT2[S1].x, PUBLISHED_GPT2[S1].y, label=None, index=index)
    reference_line(error, 0.01)
    error.set(xlabel="context length l", ylabel="classification error", xticks=LENGTHS)
    symlog_rate(error)
    legend(error, title="S1")


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter((pl.col("arm") == "trained") & (pl.col("length") == LENGTHS[-1]))
    above, below = decisive(rate_at_every(_sufficient(trained), "S1"), SMALL), trained.filter(pl.col("S1") == AT_HALF)
    return f"At l = 20 the error is {above.value:.3%} at the worst S1 > 1 and {rate_over_seeds(below).value:.3%} at S1 = 0.5."


EXPERIMENT = Experiment(
    name="ood-s1",
    title="Out of domain: the coefficient sum S1",
    caption=(
        "Left: hinge risk and classification error on out-of-domain patterns μ' = Σ k_i μ_i against S1 = Σ k_i, for the "
        "one-layer model at context length 20; hollow: the published values, which are for GPT-2. Right: "
        "the error against the context length. Theorem 3.4: S1 ≥ 1 suffices; the line marks the paper's 0.01. At "
        "S1 = 1 the two coefficients are 1 and 0: the patterns are in-domain ones, and the further from 1, the more mixed."
    ),
    position=50,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="thm3.4-ood",
            form="sufficient",
            statement="S1 ≥ 1 (with ν' in span{ν}) suffices for an out-of-domain hinge risk of O(ε).",
            source=f"{PAPER}, Theorem 3.4",
            quantity="hinge risk out of domain at each of S1 = 1.1, 1.3, 1.4; l = 20",
            expected=Region(high=0.1),
            reason="ε = 0.1, as in domain",
            estimate=lambda rows: mean_at_every(_sufficient(rows), "S1", "hinge_risk"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
        Claim(
            id="thm3.4-ood-error",
            form="published",
            statement="With S1 ≥ 1 the out-of-domain error falls below 0.01 by context length 20.",
            source=f"{PAPER}, Section 4, figure for GPT-2 (here: one layer)",
            quantity="classification error out of domain at each of S1 = 1.1, 1.3, 1.4; l = 20",
            expected=SMALL,
            reason="the dashed line at 0.01 in the paper's figure",
            estimate=lambda rows: rate_at_every(_sufficient(rows), "S1"),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.6),
)
