"""Rows made up so that a claim is true, or false: the verdict must follow."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble

from iclscope.baselines import CLASSIFIERS
from iclscope.claims.published import published_curves
from iclscope.papers.li2024.one_layer import iterations
from iclscope.papers.li2024.one_layer.iterations import FACTORS
from iclscope.papers.li2024.one_layer.trajectories import with_control
from iclscope.plotting.style import new_figure


def step_rows(exponents: dict[str, float]) -> pl.DataFrame:
    """Steps that grow as given powers of the theorem's abscissae."""
    rows = []
    for seed, (name, factor) in product(SEEDS, FACTORS.items()):
        for value in factor.values:
            settings = {other: float(one.default) for other, one in FACTORS.items()} | {name: float(value)}
            steps = 100.0 * (1 + wobble(seed))
            for other, one in FACTORS.items():
                growth = one.abscissa(settings[other]) / one.abscissa(one.default)
                steps *= growth ** exponents.get(other, one.exponent)
            rows.append({"arm": "trained", "seed": seed, "diverged_at": None, "steps": steps, **settings})
    # The defaults belong to every factor and are trained once.
    return pl.DataFrame(rows, schema_overrides={"diverged_at": pl.Int64}).unique(maintain_order=True)


@pytest.mark.parametrize("name", list(FACTORS))
def test_a_growth_as_the_theorem_says_holds_and_another_fails(name: str) -> None:
    claim = f"thm3.3-iterations-{name}"
    true = judged("iterations", claim, step_rows({}))
    assert true.verdict == "holds"
    assert true.estimate.value == pytest.approx(FACTORS[name].exponent)
    assert true.control_verdict == "fails"
    assert abs(true.control_estimate.value) < 0.1
    assert judged("iterations", claim, step_rows({name: FACTORS[name].exponent - 0.5})).verdict == "fails"
    assert judged("iterations", claim, step_rows({name: -FACTORS[name].exponent})).verdict == "fails"
    # The other factors' growth does not enter.
    others = {other: 3.0 for other in FACTORS if other != name}
    assert judged("iterations", claim, step_rows(others)).verdict == "holds"


def test_the_figure_of_steps_states_its_slopes() -> None:
    rows = step_rows({"beta": -2.0})
    assert "-2.00 against β" in iterations.EXPERIMENT.finding(rows).replace("−", "-")
    figure = new_figure(*iterations.EXPERIMENT.size)
    iterations.EXPERIMENT.draw(figure, rows)
    assert len(figure.axes) == len(FACTORS)


def never_reached(rows: pl.DataFrame, eta: float, seed: int = 0) -> pl.DataFrame:
    """One seed does not reach the risk at one step size within the steps that are waited for."""
    lost = (pl.col("seed") == seed) & (pl.col("eta") == eta)
    return rows.with_columns(steps=pl.when(lost).then(None).otherwise(pl.col("steps")))


def test_steps_that_were_never_reached_are_at_least_those_that_were_waited_for() -> None:
    name, (smallest, *_, largest) = "thm3.3-iterations-eta", FACTORS["eta"].values
    one = judged("iterations", name, never_reached(step_rows({}), smallest))
    # More steps at the smallest η make the slope steeper, nobody knows how much: what it is at least is known.
    assert (one.verdict, one.estimate.seeds, one.estimate.missing) == ("inconclusive", len(SEEDS), 1)
    assert (one.estimate.low, math.isfinite(one.estimate.high)) == (-math.inf, True)
    assert judged("iterations", name, never_reached(step_rows({}), largest)).estimate.high == math.inf
    # Where growth is steeper than the law anyway, the slowest seed cannot save it.
    steeper = judged("iterations", name, never_reached(step_rows({"eta": -2.0}), smallest))
    assert (steeper.verdict, steeper.estimate.missing) == ("fails", 1)


def test_a_run_that_diverged_may_have_taken_any_number_of_steps() -> None:
    lost = (pl.col("seed") == 0) & (pl.col("eta") == FACTORS["eta"].values[0])
    rows = never_reached(step_rows({"eta": -2.0}), FACTORS["eta"].values[0])
    rows = rows.with_columns(diverged_at=pl.when(lost).then(3))
    one = judged("iterations", "thm3.3-iterations-eta", rows)
    assert (one.verdict, one.estimate.missing) == ("inconclusive", 1)
    assert (one.estimate.low, one.estimate.high) == (-math.inf, math.inf)


def length_rows(growth: float) -> pl.DataFrame:
    """Error against length, falling to the target at a length that grows as α'^growth."""
    alphas, lengths = (0.2, 0.3, 0.4, 0.6, 0.8, 1.0), (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
    rows = []
    for seed, alpha, length in product(SEEDS, alphas, lengths):
        enough = 4.0 * (1 + wobble(seed)) * alpha**growth
        error = 0.05 * math.exp(3 * (1 - length / enough))
        rows.append(("trained", seed, "testing", alpha, length, min(error, 0.5)))
    names = ["arm", "seed", "stage", "alpha", "length", "classification_error"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(hinge_risk=pl.lit(1.0))


@pytest.mark.parametrize(("growth", "verdict"), [(-1.0, "holds"), (0.0, "fails"), (-0.5, "fails"), (1.0, "fails")])
def test_lengths_needed(growth: float, verdict: str) -> None:
    one = judged("prompt-length", "thm3.3-prompt-length-testing", length_rows(growth))
    assert one.verdict == verdict
    assert one.control_verdict == "fails"
    assert one.control_estimate.value == pytest.approx(0.0, abs=1e-9)


def concentration_rows(end: float, start: float = 0.45) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "domain": domain,
                "step": step,
                "attention_concentration": (
                    start if arm == "untrained" or step == 0 else (end if domain == "in-domain" else 0.2) + wobble(seed)
                ),
            }
            for arm, seed, domain, step in product(
                ("trained", "untrained"), SEEDS, ("in-domain", "out-of-domain"), (0, 200, 400)
            )
        ]
    )


@pytest.mark.parametrize(("end", "verdict"), [(0.96, "holds"), (0.90, "inconclusive"), (0.6, "inconclusive")])
def test_attention_at_the_end_of_training(end: float, verdict: str) -> None:
    name = "prop4.1-concentration-in-domain"
    one = judged("attention", name, concentration_rows(end))
    assert (one.verdict, one.control_verdict) == (verdict, "fails")
    assert one.estimate.value == pytest.approx(end)
    # A model that attends before training cannot show that training made it attend.
    assert judged("attention", name, concentration_rows(end, start=0.99)).control_verdict == "holds"
    # Attention of 0.2 there: a longer training could still raise it, since the constant of T is open.
    other = judged("attention", "prop4.1-concentration-out-of-domain", concentration_rows(end))
    assert (other.verdict, other.control_verdict) == ("inconclusive", "fails")
    assert other.estimate.high < 0.9


def alignment_rows(plus: float, minus: float) -> pl.DataFrame:
    angles = {"a_i > 0": plus, "a_i < 0": minus}
    return pl.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "group": group,
                "step": step,
                "angle": math.pi / 2 if arm == "untrained" or step == 0 else angles[group] + wobble(seed),
                "norm": 1.0,
            }
            for arm, seed, group, step in product(("trained", "untrained"), SEEDS, angles, (0, 400))
        ]
    )


@pytest.mark.parametrize(
    ("plus", "minus", "verdicts"),
    [
        (0.2, math.pi - 0.2, ("holds", "holds")),
        (math.pi - 0.2, 0.2, ("fails", "fails")),  # to the wrong side
        (0.2, 0.2, ("holds", "fails")),
        (math.pi / 2, math.pi / 2, ("fails", "fails")),
        (math.pi / 6, 5 * math.pi / 6, ("inconclusive", "inconclusive")),
    ],
)
def test_neurons_turn_by_their_sign(plus: float, minus: float, verdicts: tuple[str, str]) -> None:
    rows = alignment_rows(plus, minus)
    found = tuple(judged("neuron-label", f"prop4.2-label-{sign}", rows) for sign in ("plus", "minus"))
    assert tuple(one.verdict for one in found) == verdicts
    assert all(one.control_verdict == "fails" for one in found)


def task_rows(risk: float, error: float, prompts: int = 4096, *, at_more: float = 1.0) -> pl.DataFrame:
    """Risks after training on two shares of the tasks that meet the condition, times a factor at the larger one."""
    rows: list[dict[str, Any]] = []
    for arm, seed, (share, meets) in product(
        ("trained", "untrained"), SEEDS, ((0.2, True), (0.4, True), (1 / 30, False), (0.1, False))
    ):
        fits = arm == "trained" and meets
        times = at_more if share == 0.4 else 1.0
        rows.append(
            {
                "arm": arm,
                "seed": seed,
                "share": share,
                "meets_condition": meets,
                "prompts": prompts,
                "hinge_risk": times * risk * (1 + wobble(seed)) if fits else 1.0,
                "classification_error": times * error if fits else 0.5,
            }
        )
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("risk", "error", "prompts", "at_more", "verdicts"),
    [
        (0.02, 0.001, 4096, 1.0, ("holds", "holds")),
        (0.5, 0.1, 4096, 1.0, ("fails", "fails")),
        (0.02, 0.0, 4096, 1.0, ("holds", "holds")),
        (0.02, 0.0, 10, 1.0, ("holds", "inconclusive")),  # no error in 200 prompts is no proof of one in a hundred
        (0.02, 0.001, 4096, 30.0, ("fails", "fails")),  # "any share": a single one refutes it
        (0.02, 0.001, 4096, 5.0, ("inconclusive", "holds")),  # 0.1 ± the seeds, at one of two
    ],
)
def test_unseen_tasks(risk: float, error: float, prompts: int, at_more: float, verdicts: tuple[str, str]) -> None:
    rows = task_rows(risk, error, prompts, at_more=at_more)
    names = ("thm3.3-generalization", "thm3.3-generalization-error")
    found = [judged("generalization", name, rows) for name in names]
    assert tuple(one.verdict for one in found) == verdicts
    assert all(one.control_verdict == "fails" for one in found)


@pytest.mark.parametrize(("seeds", "verdict"), [(16, "inconclusive"), (17, "holds")])
def test_a_rate_of_few_seeds_cannot_hold(seeds: int, verdict: str) -> None:
    rows = task_rows(0.02, 0.0).filter(pl.col("seed") < seeds)
    assert judged("generalization", "thm3.3-generalization-error", rows).verdict == verdict
    large = task_rows(0.5, 0.1).filter(pl.col("seed") < 5)
    assert judged("generalization", "thm3.3-generalization-error", large).verdict == "fails"


def baseline_rows(icl: float, best: float) -> pl.DataFrame:
    errors = {"in-context learning": icl, **dict.fromkeys(CLASSIFIERS, best + 0.05), "1-NN": best}
    return pl.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "alpha": alpha,
                "length": length,
                "method": method,
                "prompts": 4096,
                "classification_error": max(
                    0.0, 0.5 if arm == "shuffled-labels" and method.startswith("in-") else error + wobble(seed, 1e-4)
                ),
            }
            for arm, seed, alpha, length, (method, error) in product(
                ("trained", "shuffled-labels"), SEEDS, (0.8, 0.6), (6, 20), errors.items()
            )
        ]
    )


@pytest.mark.parametrize(
    ("icl", "best", "verdict"), [(0.001, 0.004, "holds"), (0.04, 0.004, "fails"), (0.3, 0.4, "holds")]
)
def test_against_the_best_classifier(icl: float, best: float, verdict: str) -> None:
    for alpha in ("0.8", "0.6"):
        one = judged("baselines", f"baselines-alpha-{alpha}", baseline_rows(icl, best))
        assert one.verdict == verdict
        assert one.estimate.value == pytest.approx(icl - best, abs=1e-3)
        assert one.control_verdict == "fails"
    whole = judged("baselines", "baselines-curves", baseline_rows(icl, best))
    assert (whole.verdict, whole.control_verdict) == (verdict, "fails")
    assert whole.every_setting is not None
    assert len(whole.every_setting.settings) == 4  # two α' at two lengths


@pytest.mark.parametrize(("end", "verdict"), [(0.164 * math.pi, "holds"), (0.1, "fails"), (math.pi / 2, "fails")])
def test_where_label_angles_stop(end: float, verdict: str) -> None:
    rows = alignment_rows(end, math.pi - end).with_columns(angle=pl.col("angle").round(3))
    one = judged("neuron-label", "neuron-label-stops", rows)
    assert (one.verdict, one.control_verdict) == (verdict, "fails")


@pytest.mark.parametrize(("off", "verdict"), [(0.0, "holds"), (0.3, "fails"), (-0.3, "fails")])
def test_curves_as_published(off: float, verdict: str) -> None:
    """The published curve itself and, for a control, its first value throughout."""
    attention = published_curves("li2024", "attention")["same ODR pattern"]
    rows = with_control(
        pl.DataFrame(
            [
                {
                    "arm": "trained",
                    "seed": seed,
                    "domain": domain,
                    "step": int(epoch),
                    "attention_concentration": value + (off if epoch else 0.0) + wobble(seed, 0.002),
                }
                for seed, domain, (epoch, value) in product(
                    SEEDS, ("in-domain", "out-of-domain"), zip(attention.x, attention.y, strict=True)
                )
            ]
        )
    )
    one = judged("attention", "attention-curve", rows)
    assert (one.verdict, one.control_verdict) == (verdict, "fails")
    magnitudes = published_curves("li2024", "qk-magnitude")
    norm, part = magnitudes["norm"], magnitudes["relevant part"]
    rows = with_control(
        pl.DataFrame(
            [
                {
                    "arm": "trained",
                    "seed": seed,
                    "step": int(epoch),
                    "query": one_norm + added,
                    "key": one_norm,
                    "query_relevant": one_part,
                    "key_relevant": one_part + added,
                }
                for seed, epoch, one_norm, one_part in (
                    (seed, *point) for seed, point in product(SEEDS, zip(norm.x, norm.y, part.y, strict=True))
                )
                for added in [(off if epoch else 0.0) + wobble(seed, 0.002)]
            ]
        )
    )
    one = judged("qk-magnitude", "qk-magnitude-curves", rows)
    assert (one.verdict, one.control_verdict) == (verdict, "fails")
