"""The bound on the risk, and the floor that longer testing prompts do not remove (Corollary 4.3)."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import ForAll, decisive
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import mean_at_every, over_seeds, signed, slope_of, summarise
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import LinearAttention
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.papers.zhang2024.rows import answers_of, measured_points
from iclscope.papers.zhang2024.settings import (
    PAPER,
    LinearGroup,
    covariance,
    flow_trial,
    plan_of,
    regression_of,
    with_limit,
)
from iclscope.plotting.style import COLOURS, INK, legend, reference_curve
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.function_classes import FunctionPrompts
from iclscope.training.trial import Trial

LIMIT, FINITE = "limit", "limit at the longest M"
SHORT = "limit of the shortest N"
NO_FLOOR = "bound without its second part"
TEST_LENGTHS = (2, 4, 8, 16, 32, 64)
"""Test lengths M over d."""
LIMIT_LENGTHS = (25, 50, 100, 200)
"""Train lengths N of the limits over d: long enough for the exponent of the floor, which is that of N → ∞."""
AT_MOST_BOUND = Region(high=1.0)


def _trials(preset: Preset) -> list[Trial]:
    return [flow_trial(preset, seed, length) for seed in preset.seeds for length in plan_of(preset).lengths]


@torch.no_grad()
def _measure(group: LinearGroup, preset: Preset) -> pl.DataFrame:
    """Trained models at their own N; beside those of the middle N, the limits, which need no training."""
    task, plan = regression_of(group), plan_of(preset)
    Lambda, d, N = np.asarray(task.covariance), task.d_X, task.length
    shortest, longest = plan.lengths[0], LIMIT_LENGTHS[-1] * d
    limits = [shortest, *(share * d for share in LIMIT_LENGTHS)] if plan.lengths[1] == N else []
    models = [group.model, *(with_limit(group.model, zhang2024.limit(Lambda, length)) for length in limits)]
    tables = []
    for M in (share * d for share in TEST_LENGTHS):
        answers = answers_of(models, task.replace(length=M), preset.prompts)
        risks = (answers.output - answers.value).square().mean(dim=2)
        bound = zhang2024.risk_bound(Lambda, train_length=N, test_length=M)
        for arm, most in (("trained", bound.total), (NO_FLOOR, bound.variance)):
            tables.append(group.rows(arm=arm, N=N, M=M, risk=risks[0], over_bound=risks[0] / most))
        for length, risk in zip(limits, risks[1:], strict=True):
            if length in (shortest, longest):
                tables.append(group.rows(arm=SHORT if length == shortest else LIMIT, N=length, M=M, risk=risk))
            if length != shortest and TEST_LENGTHS[-1] * d == M:
                tables.append(group.rows(arm=FINITE, N=length, risk=risk))
    endless = _endless_prompts(group, preset.prompts)
    for arm, length, model in zip(("trained", *[LIMIT] * len(limits)), (N, *limits), models, strict=True):
        if arm == "trained" or length != shortest:
            tables.append(group.rows(arm=arm, N=length, risk=_risk(model, endless)))
    return pl.concat(tables, how="diagonal").with_columns(d=pl.lit(d))


def _endless_prompts(group: LinearGroup, prompts: int) -> FunctionPrompts:
    """Prompts that models read as infinitely long ones: the second moments of d examples √d L e_i are Λ = L Lᵀ itself."""
    task, model = regression_of(group), group.model
    drawn = task.replace(length=0).sampler(model.seeds, dtype=model.dtype, device=model.device)
    queries = drawn.prompts(prompts, purpose=EVALUATION_PURPOSE).inputs
    weights = drawn.prompts(prompts, purpose="tasks of endless prompts").inputs[:, :, 0]
    root = torch.from_numpy(np.linalg.cholesky(np.asarray(task.covariance))).to(queries)
    # w ~ N(0, I) from numbers with covariance Λ.
    weights = torch.linalg.solve_triangular(root, weights.transpose(1, 2), upper=False).transpose(1, 2)
    context = (task.d_X**0.5 * root.T).expand(*queries.shape[:2], -1, -1)
    x = torch.cat([context, queries], dim=2)
    y = torch.einsum("rbpd,rbd->rbp", x, weights)
    return FunctionPrompts(x, y, y, predict_at_every_point=False)


def _risk(model: LinearAttention, prompts: FunctionPrompts) -> Float[Tensor, " run"]:
    return (model.predict(prompts).output - prompts.labels).square().mean(dim=1)


def _over_bound(rows: pl.DataFrame) -> ForAll:
    """The risk over the bound at every pair of lengths."""
    return mean_at_every(rows.drop_nulls("M"), ("N", "M"), "over_bound")


def _slope_in_M(rows: pl.DataFrame) -> Interval:
    return slope_of(rows.drop_nulls("M"), "M", "risk")


def _slope_in_N(rows: pl.DataFrame) -> Interval:
    return slope_of(rows.filter(pl.col("M").is_null()), "N", "risk")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    left, right = figure.subplots(1, 2)
    shown = rows.filter(pl.col("arm").is_in(["trained", LIMIT]) & pl.col("risk").is_not_nan())
    Lambda, finite = np.asarray(covariance(rows["d"][0])), shown.drop_nulls("M")
    M = np.geomspace(min(rows["M"].drop_nulls()), max(rows["M"].drop_nulls()), 60)
    for index, N in enumerate(sorted(finite["N"].unique())):
        terms, bound = (
            one(Lambda, train_length=N, test_length=1) for one in (zhang2024.risk_terms, zhang2024.risk_bound)
        )
        formula, most = (one.bias + one.variance / M for one in (terms, bound))
        reference_curve(left, M, formula, label="Theorem 4.2" if index == 0 else None, index=index)
        _bound_curve(left, M, most, "bound, Corollary 4.3" if index == 0 else None, index)
        points = summarise(finite.filter(pl.col("N") == N), "M", "risk")
        kind = "limit" if N in rows.filter(pl.col("arm") == FINITE)["N"] else "trained"
        measured_points(left, points, "M", label=f"N = {N}, {kind}", index=index)
    lengths = np.unique(np.geomspace(min(rows["N"]), max(rows["N"]), 60).round()).astype(int)
    floors, bounds = (
        [one(Lambda, train_length=int(N), test_length=1).bias for N in lengths]
        for one in (zhang2024.risk_terms, zhang2024.risk_bound)
    )
    reference_curve(right, lengths, floors, label="Theorem 4.2")
    _bound_curve(right, lengths, bounds, "bound, Corollary 4.3", None)
    for index, arm in enumerate(("trained", LIMIT)):
        points = summarise(shown.filter((pl.col("arm") == arm) & pl.col("M").is_null()), "N", "risk")
        if not points.is_empty():
            measured_points(right, points, "N", label=arm, index=index)
    left.set(
        xlabel="test length M", ylabel="risk E(ŷ − y)²", xscale="log", yscale="log", title="longer testing prompts"
    )
    right.set(xlabel="train length N", xscale="log", yscale="log", title="endless testing prompts")
    legend(left)
    legend(right)


def _bound_curve(ax: Axes, x: ArrayLike, most: ArrayLike, label: str | None, index: int | None) -> None:
    """A bound, dashed, in the colour of the curve that it bounds."""
    colour = INK if index is None else COLOURS[index % len(COLOURS)]
    ax.plot(x, most, color=colour, linestyle=(0, (5, 3)), linewidth=1.0, label=label)


def _finding(rows: pl.DataFrame) -> str:
    trained, limit = (rows.filter(pl.col("arm") == arm) for arm in ("trained", LIMIT))
    floors = trained.filter(pl.col("M").is_null())
    least, most = int(floors["N"].min()), int(floors["N"].max())  # type: ignore[arg-type]
    ends = [over_seeds(floors.filter(pl.col("N") == N), "risk").value for N in (least, most)]
    return (
        f"The risk is at most {decisive(_over_bound(trained), AT_MOST_BOUND).value:.2f} times the bound; it falls like M to the "
        f"power {signed(_slope_in_M(limit).value)} where N is large, and endless testing prompts leave {ends[0]:.2f} at "
        f"N = {least} and {ends[1]:.3f} at N = {most}, a floor that falls like N to the power {signed(_slope_in_N(limit).value)}."
    )


_SOURCE = f"{PAPER}, Corollary 4.3"

EXPERIMENT = Experiment(
    name="risk-bound",
    title="The bound on the risk, and the floor beneath it",
    caption=(
        "Left: risk of trained linear attention against the length M of testing prompts, and of the limit of training prompts "
        "that are 200 d long; right: the risk that is left as M → ∞, against the length N of training prompts. Markers: "
        "measured, means over seeds with 95 % intervals; dotted: Theorem 4.2; dashed: the bound of Corollary 4.3. Prompts of "
        "d examples whose second moments are Λ itself stand for endless ones. The models are those of the figure on lengths."
    ),
    position=35,
    trials=_trials,
    measure=_measure,
    claims=(
        Claim(
            id="cor43-bound",
            form="exact",  # not "upper bound", whose constant is open: this one can fail
            statement="The risk is at most (d + 1) tr(Λ)/M + (1 + 2d + d²κ) tr(Λ)/N².",
            source=_SOURCE,
            quantity="risk of trained models over the bound, at each N and M",
            expected=AT_MOST_BOUND,
            reason="an upper bound of which every constant is given; κ is the condition number of Λ",
            estimate=_over_bound,
            control=Control("the first part of the bound alone, which goes to 0 with M", NO_FLOOR),
        ),
        Claim(
            id="cor43-test-length",
            form="exact",
            statement="What longer testing prompts remove falls like 1/M.",
            source=f"{_SOURCE} and Theorem 4.2",
            quantity=f"exponent of M in the limit's risk, N = {LIMIT_LENGTHS[-1]}d, M = {TEST_LENGTHS[0]}d … {TEST_LENGTHS[-1]}d",
            expected=Region(-1.05, -0.95),
            reason="−1 is exact as N → ∞; a twentieth for sampled tests (ours)",
            estimate=_slope_in_M,
            control=Control("short training prompts, whose risk does not go to 0 with M", SHORT),
            arm=LIMIT,
        ),
        Claim(
            id="cor43-floor",
            form="exact",
            statement="What is left as M → ∞ falls like 1/N².",
            source=f"{_SOURCE} and Theorem 4.2",
            quantity=f"exponent of N in the limit's risk at M → ∞, N = {LIMIT_LENGTHS[0]}d … {LIMIT_LENGTHS[-1]}d",
            expected=Region(-2.1, -1.9),
            reason="−2 is exact as N → ∞, and (N/(N + d + 1))² slows the fall at these lengths; a twentieth (ours)",
            estimate=_slope_in_N,
            control=Control(f"the risk at M = {TEST_LENGTHS[-1]}d, of which only a part depends on N", FINITE),
            arm=LIMIT,
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(8.4, 3.8),
)
