"""Phase diagrams: maps made up so that theory's boundary is true, or false; and cells that are really measured."""

from __future__ import annotations

import math
from itertools import pairwise, product

import matplotlib
import numpy as np
import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble
from matplotlib.colors import to_hex

from iclscope.evaluation import evaluate
from iclscope.papers.li2024.phases import phase_alpha_length, phase_alpha_steps, phase_s1_alpha
from iclscope.papers.li2024.phases.phase_diagram import (
    LEAST_SHARE,
    RiskMap,
    cell_rows,
    contour,
    fitted,
    in_name_only,
    mean_map,
)
from iclscope.papers.li2024.settings import trial, unseen
from iclscope.plotting.style import GROUND, INK, new_figure
from iclscope.study.experiment import experiments_named
from iclscope.training.trained import TrainedGroup, untrained_models

STEPS = phase_alpha_steps.evenly(range(0, phase_alpha_steps.STEPS + 1, 10))
GRIDS = {
    "phase-alpha-length": ("length", phase_alpha_length.ALPHAS, phase_alpha_length.LENGTHS, 5.0, -1.0),
    "phase-alpha-steps": ("step", phase_alpha_steps.ALPHAS, STEPS, 75.0, -2 / 3),
}
CONTOURS = {
    "phase-alpha-length": "thm3.3-phase-length-contour",
    "phase-alpha-steps": "thm3.3-phase-steps-contour",
}
BOUNDARIES = {
    "phase-alpha-length": ("thm3.3-phase-length-risk", "thm3.3-phase-length-error"),
    "phase-alpha-steps": ("thm3.3-phase-steps-boundary",),
}


def map_rows(figure: str, exponent: float, at_one: float | None = None) -> pl.DataFrame:
    """Risks that fall through their targets at y = at_one · α^exponent."""
    y, alphas, values, usual, _ = GRIDS[figure]
    rows = []
    for seed, alpha, value in product(SEEDS, alphas, values):
        enough = (at_one or usual) * (1 + wobble(seed)) * alpha**exponent
        fall = math.exp(1 - value / enough)
        rows.append(("trained", seed, alpha, value, 1024, min(0.2 * fall, 1.0), min(0.05 * fall, 0.5)))
    names = ["arm", "seed", "alpha", y, "prompts", "hinge_risk", "classification_error"]
    return pl.DataFrame(rows, schema=names, orient="row")


@pytest.mark.parametrize("figure", list(GRIDS))
def test_maps_have_four_hundred_cells(figure: str) -> None:
    _, alphas, values, _, _ = GRIDS[figure]
    assert len(set(alphas)) * len(set(values)) >= 400
    assert len(phase_s1_alpha.S1_VALUES) * len(phase_s1_alpha.ALPHAS) >= 400


@pytest.mark.parametrize("figure", list(GRIDS))
def test_a_boundary_as_the_theorem_says_holds(figure: str) -> None:
    _, _, _, at_one, exponent = GRIDS[figure]
    rows = map_rows(figure, exponent)
    one = judged(figure, CONTOURS[figure], rows)
    assert one.verdict == "holds"
    assert one.estimate.value == pytest.approx(exponent, abs=0.03)
    assert one.control_verdict == "fails"
    assert one.control_estimate.value == pytest.approx(0.0, abs=1e-9)
    for name in BOUNDARIES[figure]:
        share = judged(figure, name, rows)
        assert share.verdict == "holds"
        assert share.estimate.value > 0.99
        assert share.control_verdict == "fails"
        assert share.control_estimate.value < 0.9
    experiment = experiments_named("li2024", [figure])[0]
    assert f"{exponent:.2f}".replace("-", "−") in experiment.finding(rows)
    shown = next(claim for claim in (phase_alpha_length.ERROR, phase_alpha_steps.HINGE) if claim.y == GRIDS[figure][0])
    assert fitted(mean_map(rows, shown), shown, exponent).constant == pytest.approx(at_one, rel=0.1)


@pytest.mark.parametrize("figure", list(GRIDS))
@pytest.mark.parametrize(("off", "lower"), [(-0.5, 0.4), (0.5, 1.0)])
def test_a_boundary_of_another_shape_fails(figure: str, off: float, lower: float) -> None:
    # A steeper one has to start lower, or it leaves the map.
    rows = map_rows(figure, GRIDS[figure][-1] + off, lower * GRIDS[figure][-2])
    for name in (CONTOURS[figure], *BOUNDARIES[figure]):
        assert judged(figure, name, rows).verdict == "fails", name


@pytest.mark.parametrize("figure", list(GRIDS))
@pytest.mark.parametrize(("off", "least", "most"), [(-0.25, 0.955, 0.99), (0.25, 0.955, 0.99), (None, 0.8, 0.91)])
def test_the_share_asked_for_lies_between_the_right_shape_and_none(
    figure: str, off: float | None, least: float, most: float
) -> None:
    """Where the fixed region of the claims comes from: the grid alone, before anything is measured."""
    y, _, _, at_one, exponent = GRIDS[figure]
    shown = RiskMap("alpha", y, "hinge_risk", 0.2)
    if off is None:
        rows = in_name_only(map_rows(figure, exponent), "alpha", "level")
    else:
        rows = map_rows(figure, exponent + off, at_one)
    share = fitted(mean_map(rows, shown), shown, exponent).share
    assert least < share < most
    assert (share > LEAST_SHARE) == (off is not None)


def test_a_map_without_a_boundary_is_no_evidence() -> None:
    """With one constant or another, any line is right of a map that is small everywhere, or nowhere."""
    for target in (0.0, 2.0):
        rows = map_rows("phase-alpha-length", -1.0)
        shown = RiskMap("alpha", "length", "hinge_risk", target)
        assert all(math.isnan(number) for number in fitted(mean_map(rows, shown), shown, -1.0))
    large = rows.with_columns(hinge_risk=pl.lit(1.0), classification_error=pl.lit(0.5))
    for name in (CONTOURS["phase-alpha-length"], *BOUNDARIES["phase-alpha-length"]):
        assert judged("phase-alpha-length", name, large).verdict == "inconclusive"


def test_where_the_risk_is_never_small_the_contour_has_no_point() -> None:
    shown = phase_alpha_length.HINGE
    rows = map_rows("phase-alpha-length", -1.0)
    stuck = rows.with_columns(
        hinge_risk=pl.when(pl.col("alpha") < 0.1).then(pl.lit(0.4)).otherwise(pl.col("hinge_risk"))
    )
    points = contour(stuck, shown)
    assert points.filter(pl.col("alpha") < 0.1)["length"].is_nan().all()
    assert points.filter(pl.col("alpha") > 0.1)["length"].is_finite().all()
    # These cells are on the wrong side of theory's line.
    assert fitted(stuck, shown, -1.0).share < fitted(rows, shown, -1.0).share - 0.05


def shift_rows(risk: float, error: float, *, at_root_2: float = 1.0) -> pl.DataFrame:
    """Risks out of domain where S1 > 1 and α' ≥ 0.8, times a factor at S1 = 1.4; large everywhere else."""
    rows = []
    for arm, seed, S1, alpha in product(
        ("trained", "untrained"), SEEDS, phase_s1_alpha.S1_VALUES, phase_s1_alpha.ALPHAS
    ):
        inside = arm == "trained" and S1 > 1 and alpha >= 0.8
        times = (at_root_2 if S1 == 1.4 else 1.0) * (1 + wobble(seed))
        rows.append((arm, seed, S1, alpha, 1024, *((risk * times, error * times) if inside else (1.0, 0.5))))
    names = ["arm", "seed", "S1", "alpha", "prompts", "hinge_risk", "classification_error"]
    return pl.DataFrame(rows, schema=names, orient="row")


@pytest.mark.parametrize(
    ("risk", "error", "at_root_2", "verdicts"),
    [
        (0.05, 0.001, 1.0, ("holds", "holds")),
        (0.5, 0.1, 1.0, ("fails", "fails")),
        (0.05, 0.05, 1.0, ("holds", "fails")),
        # "Suffices" is said of every S1 and α': one column of the map refutes it.
        (0.05, 0.001, 20.0, ("fails", "fails")),
    ],
)
def test_what_suffices_out_of_domain(risk: float, error: float, at_root_2: float, verdicts: tuple[str, str]) -> None:
    rows = shift_rows(risk, error, at_root_2=at_root_2)
    found = [judged("phase-s1-alpha", f"thm3.4-phase-s1-{name}", rows) for name in ("risk", "error")]
    assert tuple(one.verdict for one in found) == verdicts
    assert all(one.control_verdict == "fails" for one in found)
    assert [one.control_estimate.value for one in found] == [1.0, 0.5]
    for one in found:
        assert one.every_setting is not None
        S1, alphas = (len([v for v in values if v >= least]) for values, least in (
            (phase_s1_alpha.S1_VALUES, 1.01), (phase_s1_alpha.ALPHAS, 0.8)))  # fmt: skip
        assert len(one.every_setting.settings) == S1 * alphas


def test_cells_tested_side_by_side_are_what_each_is_alone() -> None:
    trials = [trial(seed) for seed in (3, 4, 5)]
    group = TrainedGroup(trials, untrained_models(trials), [], {}, [-1] * 3, [-1] * 3)
    cells = [{"alpha": alpha, "length": 6} for alpha in (0.1, 0.5, 1.0, 0.3, 0.2, 0.6, 0.7, 0.4)]
    rows = cell_rows(group, group.model, cells, unseen, arm="trained", prompts=64)
    assert len(rows) == len(cells) * len(trials)
    for cell in cells:
        alone = evaluate(group.model, [unseen(one.patterns, **cell) for one in trials], prompts=64)
        chosen = rows.filter(pl.col("alpha") == cell["alpha"]).sort("seed")
        assert chosen["hinge_risk"].to_list() == pytest.approx(alone.hinge_risk.tolist(), abs=1e-6)
        assert chosen["classification_error"].to_list() == pytest.approx(alone.classification_error.tolist())


def test_steps_of_the_map_are_about_evenly_apart() -> None:
    assert STEPS[0] == 10
    assert STEPS[-1] == phase_alpha_steps.STEPS
    assert max(b / a for a, b in pairwise(STEPS[7:])) < 1.3
    assert phase_alpha_steps.evenly([2, 0, 1]) == [1, 2]


def test_the_contour_is_found_between_the_rows_of_the_map() -> None:
    """Risks drop within a few steps: found in the map's rows, the steps would be those of the row before."""
    rows = pl.DataFrame(
        [("trained", seed, alpha, step, 256, 1.0 if step <= round(75 * alpha ** (-2 / 3)) else 0.004)
         for seed, alpha, step in product(SEEDS, phase_alpha_steps.ALPHAS, range(10, phase_alpha_steps.STEPS + 1, 10))],
        schema=["arm", "seed", "alpha", "step", "prompts", "hinge_risk"], orient="row",
    )  # fmt: skip
    one = judged("phase-alpha-steps", "thm3.3-phase-steps-contour", rows)
    assert one.verdict == "holds"
    assert one.estimate.value == pytest.approx(-2 / 3, abs=0.03)
    assert phase_alpha_steps.cells(rows)["step"].unique().sort().to_list() == STEPS


def test_no_colour_of_a_map_is_one_that_the_page_replaces() -> None:
    shades = {to_hex(colour) for colour in matplotlib.colormaps["cividis"](np.linspace(0, 1, 256))}
    assert shades.isdisjoint({INK, GROUND, "#000000"})


@pytest.mark.parametrize("figure", [*GRIDS, "phase-s1-alpha"])
def test_a_map_shows_each_cell_at_its_place(figure: str) -> None:
    rows = shift_rows(0.05, 0.001) if figure == "phase-s1-alpha" else map_rows(figure, GRIDS[figure][-1])
    (experiment,) = experiments_named("li2024", [figure])
    drawn = new_figure(*experiment.size)
    experiment.draw(drawn, rows)
    x, y = ("S1", "alpha") if figure == "phase-s1-alpha" else ("alpha", GRIDS[figure][0])
    mesh = drawn.axes[0].collections[0]
    values = np.asarray(mesh.get_array()).reshape(rows[y].n_unique(), rows[x].n_unique())
    corner = rows.filter((pl.col(x) == rows[x].max()) & (pl.col(y) == rows[y].min()) & (pl.col("arm") == "trained"))
    assert values[0, -1] == pytest.approx(corner["hinge_risk"].mean())
    edges = mesh.get_coordinates()  # type: ignore[attr-defined]
    assert edges[0, 0, 0] < rows[x].min() < edges[0, 1, 0] < edges[0, -1, 0]
    assert edges[0, 0, 1] < rows[y].min() < edges[1, 0, 1]
