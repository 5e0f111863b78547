"""Risk out of domain over the coefficient sum S1 and the testing share α', with the boundary S1 = 1 (Theorem 3.4)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Form, Region
from iclscope.claims.families import ForAll
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import mean_at_every, over_seeds, rate_at_every
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.phases.phase_diagram import (
    RiskMap,
    cell_rows,
    draw_boundary,
    draw_contour,
    draw_frame,
    draw_map,
    legend_above,
    prompts_per_cell,
)
from iclscope.papers.li2024.settings import (
    PAPER,
    TRAINING_TASK,
    UNTRAINED,
    UNTRAINED_TEXT,
    OneLayerGroup,
    base_trials,
    shifted,
)
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternClassification, PatternShift

S1_VALUES = tuple(round(0.4 + 0.05 * i, 2) for i in range(21))
ALPHAS = tuple(round(0.05 * i, 2) for i in range(1, 21))
LENGTH = 20
ENOUGH_ALPHA = TRAINING_TASK.alpha
HINGE = RiskMap("S1", "alpha", "hinge_risk", 0.1)
ERROR = RiskMap("S1", "alpha", "classification_error", 0.01)
# Between the cells that are judged and the ones that are not.
_FRAME_LEFT, _FRAME_BOTTOM = 1.025, ENOUGH_ALPHA - 0.025


def _test(task: PatternClassification, *, S1: float, alpha: float) -> PatternClassification:
    return shifted(task, shift=PatternShift(S1=S1), alpha=alpha, length=LENGTH)


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    cells = [{"S1": S1, "alpha": alpha} for S1 in S1_VALUES for alpha in ALPHAS]
    prompts = prompts_per_cell(preset)
    return pl.concat(
        cell_rows(group, model, cells, _test, arm=arm, prompts=prompts)
        for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained()))
    )


def _enough(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with as large a share α' as in training, so that it is S1 that decides."""
    return rows.filter(pl.col("alpha") >= ENOUGH_ALPHA)


def _small(rows: pl.DataFrame, shown: RiskMap) -> Interval:
    """Share of these cells whose risk is small; a run that diverged has none, large or small."""
    value = pl.col(shown.risk)
    judged = rows.with_columns(small=pl.when(value.is_finite()).then((value <= shown.target).cast(pl.Float64)))
    return over_seeds(judged, "small")


def _sufficient(rows: pl.DataFrame, shown: RiskMap) -> Interval:
    """S1 = 1 itself is in domain here (coefficients 1 and 0), so it is left out."""
    return _small(_enough(rows).filter(pl.col("S1") > 1), shown)


def _every_cell(rows: pl.DataFrame, shown: RiskMap) -> ForAll:
    """The same cells, each on its own."""
    chosen = _enough(rows).filter(pl.col("S1") > 1).rename({"alpha": "α'"})
    cells = ("S1", "α'")
    return rate_at_every(chosen, cells) if shown is ERROR else mean_at_every(chosen, cells, shown.risk)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    trained = rows.filter(pl.col("arm") == "trained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, shown, name in ((axes[0], HINGE, "hinge risk"), (axes[1], ERROR, "classification error")):
        draw_map(ax, trained, shown, log=False)
        draw_contour(ax, trained, shown, label=f"measured: at most {shown.target:g} from this α' on")
        draw_boundary(ax, [1.0, 1.0], ax.get_ylim(), label="theory: S1 ≥ 1 suffices")
        ax.set(xlabel="coefficient sum S1", xticks=(0.4, 0.6, 0.8, 1.0, 1.2, 1.4))
        _, right = ax.get_xlim()
        _, top = ax.get_ylim()
        draw_frame(ax, (_FRAME_LEFT, right), (_FRAME_BOTTOM, top), label=f"judged: S1 > 1, α' ≥ {ENOUGH_ALPHA}")
        legend_above(ax, title=f"{name.capitalize()} out of domain")
    axes[0].set(ylabel="share α' in testing", yticks=(0.2, 0.4, 0.6, 0.8, 1.0))


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    above = _sufficient(trained, HINGE).value
    below = _small(_enough(trained).filter(pl.col("S1") < 1), HINGE).value
    errors = _sufficient(trained, ERROR).value
    return (
        f"With α' ≥ {ENOUGH_ALPHA} at l = {LENGTH}, the hinge risk is at most {HINGE.target} in {above:.1%} of the cells with S1 > 1, "
        f"and in {below:.1%} of those with S1 < 1, of which the theorem says nothing; the error is at most {ERROR.target} in "
        f"{errors:.1%} of the cells with S1 > 1."
    )


def _claim(shown: RiskMap, form: Form, name: str, id_end: str, reason: str) -> Claim:
    return Claim(
        id=f"thm3.4-phase-s1-{id_end}",
        form=form,
        statement=f"S1 ≥ 1 suffices for a small {name} out of domain, at every S1 and with every sufficient α'.",
        source=f"{PAPER}, Theorem 3.4",
        quantity=(f"{name} in each of the cells with S1 > 1 and α' ≥ {ENOUGH_ALPHA} (the α of training); l = {LENGTH}"),
        expected=Region(high=shown.target),
        reason=reason,
        estimate=lambda rows: _every_cell(rows, shown),
        control=Control(UNTRAINED_TEXT, UNTRAINED),
    )


EXPERIMENT = Experiment(
    name="phase-s1-alpha",
    title="Phase diagram: coefficient sum S1 and share α' out of domain",
    caption=(
        f"Hinge risk (left) and classification error (right) of the default models on out-of-domain patterns in {len(S1_VALUES)} × "
        f"{len(ALPHAS)} cells of S1 and α', l = {LENGTH}, mean over seeds. Light line: the least α' with a risk of {HINGE.target}, "
        f"an error of {ERROR.target}. Dashed: S1 = 1, from which on Theorem 3.4 promises a small risk; nothing is fitted, and of "
        "S1 < 1 the theorem says nothing. At S1 = 1 the patterns are in-domain ones (coefficients 1 and 0); at √2 they mix two "
        "equally."
    ),
    position=58,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim(HINGE, "sufficient", "hinge risk", "risk", "ε = 0.1, as in ood-s1"),
        _claim(ERROR, "published", "error", "error", "the paper's 0.01, as in ood-s1"),
    ),
    draw=_draw,
    finding=_finding,
    size=(10.0, 4.2),
)
