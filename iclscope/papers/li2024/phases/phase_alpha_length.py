"""Risk over testing share α' and testing length, with the boundary l = c/α' (Theorem 3.3)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered, tightness
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import signed
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.phases.phase_diagram import (
    LEAST_SHARE,
    SHARE_REASON,
    RiskMap,
    cell_rows,
    contour,
    contour_slope,
    draw_contour,
    draw_fitted_boundary,
    draw_map,
    in_name_only,
    legend_above,
    mean_map,
    prompts_per_cell,
    right_share,
)
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, base_trials, unseen
from iclscope.study.experiment import Experiment, Preset

ALPHAS = tuple(round(0.05 * 20 ** (i / 19), 3) for i in range(20))
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 38, 48, 60, 76, 96, 120, 150, 200)
EXPONENT = -1.0
TOLERANCE = 0.25
HINGE = RiskMap("alpha", "length", "hinge_risk", 0.2)
ERROR = RiskMap("alpha", "length", "classification_error", 0.05)
FIXED_ALPHA = "alpha-fixed"
NAME_ONLY = Control("α' varied in name only: the map's middle α' everywhere", FIXED_ALPHA)


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    prompts = prompts_per_cell(preset)
    return pl.concat(
        cell_rows(
            group,
            group.model,
            [{"alpha": alpha, "length": length} for alpha in ALPHAS],
            unseen,
            arm="trained",
            prompts=prompts,
        )
        for length in LENGTHS
    )


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    trained = rows.filter(pl.col("arm") == "trained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, shown, name in ((axes[0], HINGE, "hinge risk"), (axes[1], ERROR, "classification error")):
        draw_map(ax, trained, shown)
        draw_contour(ax, trained, shown, label=f"measured: first at most {shown.target:g}")
        draw_fitted_boundary(ax, trained, shown, EXPONENT, label="theory: l = c/α', c = {c:.1f} fitted")
        ax.set(xlabel="share α' in testing")
        ax.set_xticks((0.05, 0.1, 0.2, 0.5, 1.0), labels=["0.05", "0.1", "0.2", "0.5", "1"])
        ax.minorticks_off()
        legend_above(ax, title=f"{name.capitalize()} on unseen tasks")
    axes[0].set(ylabel="testing length l_ts")
    axes[0].set_yticks((1, 2, 5, 10, 20, 50, 100, 200), labels=["1", "2", "5", "10", "20", "50", "100", "200"])
    axes[0].minorticks_off()


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    slope = contour_slope(trained, ERROR)
    hinge, error = (right_share(trained, shown, EXPONENT).value for shown in (HINGE, ERROR))
    found = contour(mean_map(trained, HINGE), HINGE).filter(pl.col("length").is_finite())
    least = f"from α' = {found['alpha'][0]:.2g} on" if len(found) else "at no α'"
    return (
        f"The length that brings the error to {ERROR.target} grows as α'^{signed(slope.value)}, and l = c/α' (the constant "
        f"fitted) has {error:.1%} of the {len(ALPHAS) * len(LENGTHS)} cells on the right side in error and {hinge:.1%} in hinge "
        f"risk, which some length up to {LENGTHS[-1]} brings to {HINGE.target} {least}."
    )


def _boundary(shown: RiskMap, name: str, id_end: str) -> Claim:
    return Claim(
        id=f"thm3.3-phase-length-{id_end}",
        form="ours",
        statement=f"Is l_ts = c/α' the border: is the {name} small from there on, and only there?",
        source=f"{PAPER}, Theorem 3.3: l_ts ≳ 1/α'",
        quantity=(
            f"share of the {len(ALPHAS) * len(LENGTHS)} cells (α', l_ts) of which l_ts ≥ c/α' says rightly whether the {name} is "
            f"at most {shown.target}, c fitted per seed"
        ),
        expected=Region(low=LEAST_SHARE),
        reason=SHARE_REASON,
        estimate=lambda rows: right_share(rows, shown, EXPONENT),
        control=NAME_ONLY,
        answer=answered(holds="the border, up to one cell in twenty", fails="not the border"),
    )


EXPERIMENT = Experiment(
    name="phase-alpha-length",
    title="Phase diagram: share α' and length of testing prompts",
    caption=(
        f"Hinge risk (left) and classification error (right) of the default models on unseen in-domain tasks in {len(ALPHAS)} × "
        f"{len(LENGTHS)} cells of α' and testing length, mean over seeds. Light line: where the risk first falls to {HINGE.target}, the "
        f"error to {ERROR.target}. Dashed: l = c/α'. Its shape is Theorem 3.3's; its constant is not known and was "
        "fitted so that the line is right of most cells."
    ),
    position=35,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=lambda rows: in_name_only(rows, "alpha", FIXED_ALPHA),
    claims=(
        Claim(
            id="thm3.3-phase-length-contour",
            form="ours",
            statement="Is the law tight over a twentyfold range: does the testing length needed grow as 1/α'?",
            source=f"{PAPER}, Theorem 3.3: l_ts ≳ 1/α'",
            quantity=(
                f"log-log slope against α' = {ALPHAS[0]} … 1 of the length at which the error first is {ERROR.target}, columns "
                "drawn independently"
            ),
            expected=Region(EXPONENT - TOLERANCE, EXPONENT + TOLERANCE),
            reason=f"the exponent −1 ± {TOLERANCE}, as in prompt-length for α' from 0.2 on",
            estimate=lambda rows: contour_slope(rows, ERROR),
            control=NAME_ONLY,
            answer=tightness(EXPONENT, "α'", limit="small"),
        ),
        _boundary(HINGE, "hinge risk", "risk"),
        _boundary(ERROR, "error", "error"),
    ),
    draw=_draw,
    finding=_finding,
    size=(10.0, 4.2),
)
