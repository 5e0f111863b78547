"""One constant for every setting: what Theorem 3.3 asks for is enough, in all its laws at once.

The theorem says that steps, prompt lengths, neurons and batches of some order suffice, for a constant that it does not
give. So the constants are taken at one end of the ranges, the farthest from every law's limit, with a margin, and every
other setting gets that many times what the laws ask of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll, Setting, strict_level
from iclscope.claims.intervals import LEVEL, Interval
from iclscope.claims.reference import MARGIN, REFERENCE, marked, with_other_seeds
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.constants import CONSTANTS, REFERENCE_SETTING, Amounts, LawSetting, prescribed
from iclscope.papers.li2024.settings import IN_DOMAIN, PAPER, TRAINING_TASK, OneLayerGroup, trial, unseen
from iclscope.plotting.style import COLOURS, INK, MARKERS, curve, legend, reference_line
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Evaluation, Trial

# Where the risk is looked at, as multiples of the steps that c times the law asks for.
LONGEST = 1.25
TEST_ALPHA, TEST_LENGTH = 0.8, 20
COLUMNS = ("alpha", "beta", "M1", "eta", "epsilon")
QUARTER = "a quarter of the steps"
WITHIN = Region(high=1.0)
REFERENCE_TEXT = "α = 0.8, β = 1, M1 = 4, η = 1, ε = 0.1, the end of the ranges that is farthest from every law's limit"

SETTINGS = {
    "α": tuple(REFERENCE_SETTING._replace(alpha=alpha) for alpha in (0.6, 0.4, 0.3, 0.2)),
    "β": tuple(REFERENCE_SETTING._replace(beta=beta) for beta in (1.5, 2.0, 3.0)),
    "M1": tuple(REFERENCE_SETTING._replace(M1=M1) for M1 in (6, 9)),
    "η": tuple(REFERENCE_SETTING._replace(eta=eta) for eta in (0.5, 0.25)),
    "ε": tuple(REFERENCE_SETTING._replace(epsilon=epsilon) for epsilon in (0.05, 0.03)),
    "all": (LawSetting(alpha=0.4, beta=2.0, M1=6, eta=0.5),),
}
"""One setting moved at a time away from the reference, within the ranges of the other figures, and all together."""


class Law(NamedTuple):
    """One of the theorem's laws.

    Attributes:
        statement: what is enough.
        formula: how much that is.
        moves: the settings that it depends on within the ranges tried (with β ≥ 1 and M1 ≥ 4, log M1/α is the larger
            term of the training length).
        starved: what the control gets of it; empty for steps, of which it gets a quarter.
        control: the control, in words, and its arm.
    """

    statement: str
    formula: str
    moves: tuple[str, ...]
    starved: dict[str, float]
    control: str

    @property
    def settings(self) -> list[LawSetting]:
        """All settings in which the law asks for another amount than at the reference."""
        return [one for name in (*self.moves, "all") for one in SETTINGS[name]]


LAWS = {
    "iterations": Law("steps", "T = c·η⁻¹ M1 (αβ)^(−2/3) √log M1", ("α", "β", "M1", "η"), {}, QUARTER),
    "training-length": Law(
        "context columns in training", "l_tr = c·max{log M1/α, 1/(β²α)}", ("α", "M1"), {"length": 1}, "one column"
    ),
    "width": Law("neurons", "m = c·M1² log M1", ("M1",), {"width": 1}, "a single neuron"),
    "batch": Law("prompts per step", "B = c·max{ε⁻², M1} log M1", ("M1", "ε"), {"batch": 1}, "one prompt per step"),
}


def law_trial(seed: int, setting: LawSetting, amounts: Amounts, *, longest: float = LONGEST) -> Trial:
    """A training with given amounts of everything; the risk is recorded at every quarter of its steps.

    Args:
        seed: its seed.
        setting: α, β, M1 and η.
        amounts: steps, prompt length, neurons and batch size, as whole numbers.
        longest: it goes on for so many times the steps, a multiple of a quarter.
    """
    task: dict[str, Any] = {
        "alpha": setting.alpha,
        "beta": setting.beta,
        "M1": setting.M1,
        "length": int(amounts.length),
        "d_X": setting.M1 + TRAINING_TASK.M2,
    }
    on = {IN_DOMAIN: unseen(TRAINING_TASK.replace(**task), alpha=TEST_ALPHA, length=TEST_LENGTH)}
    quarter = math.ceil(amounts.steps / 4)
    return trial(
        seed,
        task=task,
        model={"width": int(amounts.width)},
        training={
            "steps": round(4 * longest) * quarter,
            "batch_size": int(amounts.batch),
            "learning_rate": setting.eta,
        },
        evaluation=Evaluation(on=on, every=quarter, prompts=1024),
    )


def _arms() -> Iterator[tuple[str, LawSetting, Amounts, float]]:
    """Arm, setting, amounts and how long of everything that is trained."""
    for one in dict.fromkeys(setting for settings in SETTINGS.values() for setting in settings):
        yield "trained", one, prescribed(one), LONGEST
    for law in LAWS.values():
        for one in law.settings[:1] if law.starved else ():
            yield law.control, one, prescribed(one)._replace(**law.starved), 1.0


def _trials(preset: Preset) -> list[Trial]:
    reference = [law_trial(seed, REFERENCE_SETTING, prescribed(REFERENCE_SETTING)) for seed in preset.seeds]
    judged = [
        law_trial(seed, setting, amounts, longest=longest)
        for seed in preset.seeds
        for _, setting, amounts, longest in _arms()
    ]
    return judged + with_other_seeds(reference)


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    kinds = {_told(law_trial(0, one, amounts)): (arm, one) for arm, one, amounts, _ in _arms()}
    kinds[_told(law_trial(0, REFERENCE_SETTING, prescribed(REFERENCE_SETTING)))] = ("trained", REFERENCE_SETTING)
    found = [kinds[_told(one)] for one in group.trials]
    columns = {name: [float(value) for value in values] for name, values in _by_column([one for _, one in found])}
    risk = group.trajectory[f"{IN_DOMAIN}/hinge_risk"]
    rows = [
        group.rows(arm="trained", step=step, multiple=index / 4, hinge_risk=risk[:, index], **columns).with_columns(
            arm=pl.Series([arm for arm, _ in found]), relative_risk=pl.col("hinge_risk") / pl.col("epsilon")
        )
        for index, step in enumerate(group.recorded_at)
        if step > 0
    ]
    return marked(pl.concat(rows))


def _told(one: Trial) -> tuple[float, ...]:
    """What tells the trials of this figure apart, but for their seed."""
    task, length = one.patterns, one.patterns.length_range[1]
    return (
        task.alpha,
        task.beta,
        task.M1,
        length,
        one.one_layer.width,
        one.training.batch_size,
        one.training.learning_rate,
    )


def _by_column(settings: list[LawSetting]) -> Iterator[tuple[str, tuple[float, ...]]]:
    yield from zip(COLUMNS, zip(*settings, strict=True), strict=True)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """A quarter of the steps, under the name of all of them."""
    early = rows.filter((pl.col("arm") == "trained") & (pl.col("multiple") == 0.25))
    return early.with_columns(arm=pl.lit(QUARTER), multiple=pl.lit(1.0))


def _at(rows: pl.DataFrame, setting: LawSetting, multiple: float = 1.0) -> pl.DataFrame:
    """The rows of one setting after so many times the steps."""
    same = [pl.col(name) == float(value) for name, value in zip(COLUMNS, setting, strict=True)]
    return rows.filter(*same, pl.col("multiple") == multiple)


def _reference_is_served(rows: pl.DataFrame) -> bool:
    """Whether the constants, taken once and for all, serve the reference in this run as well."""
    found = over_seeds(_at(rows.filter(pl.col("arm") == REFERENCE), REFERENCE_SETTING), "relative_risk")
    return found.high <= WITHIN.high


def _judged(rows: pl.DataFrame, law: str) -> ForAll:
    """The risk over ε at each setting in which a law asks for another amount than at the reference."""
    own = rows.filter(pl.col("arm") != REFERENCE)
    settings = LAWS[law].settings
    strict = strict_level(len(settings))
    parts = []
    for one in settings:
        if _at(own, one).is_empty():  # a control is tried at one setting, which is enough to refute "all"
            continue
        interval, narrow = (over_seeds(_at(own, one), "relative_risk", level) for level in (LEVEL, strict))
        parts.append(Setting(one.name, interval, narrow, _needs(own, one, interval)))
    c = dict(zip(LAWS, CONSTANTS, strict=True))[law]
    return ForAll(tuple(parts), f"c = {c:.3g}", c, _reference_is_served(rows))


def _needs(rows: pl.DataFrame, setting: LawSetting, at_c: Interval) -> float:
    """Of how many times the steps the risk is served, if it is not of c times the law."""
    if at_c.high <= WITHIN.high:
        return math.nan
    later = sorted(value for value in rows["multiple"].unique() if value > 1)
    served = [k for k in later if over_seeds(_at(rows, setting, k), "relative_risk").high <= WITHIN.high]
    return served[0] if served else math.inf


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    trained = rows.filter(pl.col("arm") == "trained")
    names: list[str] = []
    for index, (_, settings) in enumerate(SETTINGS.items()):
        for one in settings:
            found = over_seeds(_at(trained, one), "relative_risk")
            place = len(names)
            names.append("all at once" if index == len(SETTINGS) - 1 else one.name)
            ends = [[min(found.low, found.value)], [found.high if math.isfinite(found.high) else found.value]]
            left.hlines(place, *ends, color=COLOURS[index % len(COLOURS)], linewidth=1.6)
            left.plot([found.value], [place], marker=MARKERS[index], color=COLOURS[index % len(COLOURS)])
        points = summarise(_moved(trained, settings[-1]), "multiple", "relative_risk")
        label = names[-1]
        curve(right, points["multiple"], points["value"], points["low"], points["high"], label=label, index=index)
    left.set_yticks(range(len(names)), labels=names)
    left.invert_yaxis()
    left.set(xlabel="hinge risk on unseen tasks / ε, after c times the law", xscale="symlog", xlim=(0, 12))
    left.axvline(1.0, color=INK, linestyle=(0, (1, 1.6)), linewidth=1.5)
    left.set_xticks([0, 0.5, 1, 3, 10], labels=["0", "0.5", "1", "3", "10"])
    left.minorticks_off()
    reference_line(right, 1.0)
    right.set(
        xlabel="steps, in multiples of c times the law", ylabel="hinge risk / ε", ylim=(-0.1, 12), yscale="symlog"
    )
    right.set_yticks([0, 1, 3, 10], labels=["0", "1", "3", "10"])
    right.minorticks_off()
    legend(right)


def _moved(rows: pl.DataFrame, setting: LawSetting) -> pl.DataFrame:
    """All rows of one setting."""
    return rows.filter(*(pl.col(name) == float(value) for name, value in zip(COLUMNS, setting, strict=True)))


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm").is_in(["trained", REFERENCE]))
    every = [setting for settings in SETTINGS.values() for setting in settings]
    served = [one for one in every if over_seeds(_at(trained, one), "relative_risk").high <= WITHIN.high]
    amounts = ", ".join(f"{c:.3g} for {law.statement}" for c, law in zip(CONSTANTS, LAWS.values(), strict=True))
    return (
        f"With the reference's constants ({amounts}) the hinge risk is surely at most ε at {len(served)} of {len(every)} "
        "other settings."
    )


def _claim(name: str, law: Law) -> Claim:
    return Claim(
        id=f"thm3.3-{name}",
        form="sufficient",
        statement=f"{law.formula} {law.statement} suffice, with one c for all settings.",
        source=f"{PAPER}, Theorem 3.3",
        quantity="hinge risk on unseen tasks over ε, of every law c times what it asks for, at each setting",
        expected=WITHIN,
        reason="the risk ε that the theorem speaks of",
        reference=(
            f"{REFERENCE_TEXT}; c is {MARGIN} times the most that any of its 20 models needed, of seeds used for nothing else"
        ),
        estimate=lambda rows: _judged(rows, name),
        control=Control(f"{law.control} instead", law.control),
    )


EXPERIMENT = Experiment(
    name="growth-laws",
    title="One constant for every setting",
    caption=(
        "Hinge risk on unseen in-domain tasks (α' = 0.8, l = 20) over ε, of models that get c times what Theorem 3.3 asks for: "
        "steps, context columns, neurons and prompts per step all at once. The constants were taken from one reference "
        "(α = 0.8, β = 1, M1 = 4, η = 1). Left: at every setting, with 95 % intervals. Right: on the way there and beyond, at "
        "the farthest setting of each kind."
    ),
    position=18,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=_controls,
    claims=tuple(_claim(name, law) for name, law in LAWS.items()),
    draw=_draw,
    finding=_finding,
    size=(10.0, 4.6),
)
