"""Rows made up so that a claim is true, or false: the verdict must follow."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import polars as pl
import pytest
from experiments.made_up import SEEDS, judged, wobble

from iclscope.baselines import CLASSIFIERS
from iclscope.experiments.li2024 import iterations
from iclscope.experiments.li2024.iterations import FACTORS
from iclscope.report.style import new_figure


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


def test_steps_that_were_never_reached_are_not_counted() -> None:
    rows = step_rows({}).with_columns(steps=pl.when(pl.col("seed") == 0).then(None).otherwise(pl.col("steps")))
    one = judged("iterations", "thm3.3-iterations-eta", rows)
    assert (one.verdict, one.estimate.seeds) == ("holds", 4)


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


@pytest.mark.parametrize(("end", "verdict"), [(0.96, "holds"), (0.90, "inconclusive"), (0.6, "fails")])
def test_attention_at_the_end_of_training(end: float, verdict: str) -> None:
    name = "prop4.1-concentration-in-domain"
    one = judged("attention", name, concentration_rows(end))
    assert (one.verdict, one.control_verdict) == (verdict, "fails")
    assert one.estimate.value == pytest.approx(end)
    # A model that attends before training cannot show that training made it attend.
    assert judged("attention", name, concentration_rows(end, start=0.99)).control_verdict == "holds"
    assert judged("attention", "prop4.1-concentration-out-of-domain", concentration_rows(end)).verdict == "fails"


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
        (math.pi / 8, 7 * math.pi / 8, ("inconclusive", "inconclusive")),
    ],
)
def test_neurons_turn_by_their_sign(plus: float, minus: float, verdicts: tuple[str, str]) -> None:
    rows = alignment_rows(plus, minus)
    found = tuple(judged("neuron-label", f"prop4.2-label-{sign}", rows) for sign in ("plus", "minus"))
    assert tuple(one.verdict for one in found) == verdicts
    assert all(one.control_verdict == "fails" for one in found)


def pruning_rows(risk: Callable[[float], float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "R": share / 10,
                "hinge_risk": 0.02
                + (risk(share / 10) if arm == "trained" else 0.001 * share / 10)
                + wobble(seed, 1e-3),
            }
            for arm, seed, share in product(("trained", "small-neurons"), SEEDS, range(11))
        ]
    )


@pytest.mark.parametrize(
    ("risk", "verdict"),
    [
        (lambda R: R, "holds"),
        (lambda R: 3.0 * R, "holds"),
        (lambda R: 0.0 * R, "fails"),
        (lambda R: 0.1 * R, "fails"),
        (lambda R: -R, "fails"),
        (lambda R: 0.8 * (R >= 0.55), "fails"),  # a bound must be met at every R
    ],
)
def test_pruning_large_neurons(risk: Callable[[float], float], verdict: str) -> None:
    found = judged("pruning-linearity", "thm3.7-prune-large", pruning_rows(risk))
    assert found.verdict == verdict
    assert found.control_verdict == "fails"


def task_rows(risk: float, error: float, prompts: int = 4096) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for arm, seed, (share, meets) in product(
        ("trained", "untrained"), SEEDS, ((0.2, True), (0.4, True), (1 / 30, False), (0.1, False))
    ):
        smallest = meets and share == 0.2
        fits = arm == "trained" and smallest
        rows.append(
            {
                "arm": arm,
                "seed": seed,
                "share": share,
                "meets_condition": meets,
                "prompts": prompts,
                "hinge_risk": risk * (1 + wobble(seed)) if fits else 1.0,
                "classification_error": error if fits else 0.5,
            }
        )
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("risk", "error", "prompts", "verdicts"),
    [
        (0.02, 0.001, 4096, ("holds", "holds")),
        (0.5, 0.1, 4096, ("fails", "fails")),
        (0.02, 0.0, 4096, ("holds", "holds")),
        (0.02, 0.0, 20, ("holds", "inconclusive")),  # no error among a hundred prompts is no proof of one in a hundred
    ],
)
def test_unseen_tasks(risk: float, error: float, prompts: int, verdicts: tuple[str, str]) -> None:
    rows = task_rows(risk, error, prompts)
    names = ("thm3.3-generalization", "thm3.3-generalization-error")
    found = [judged("generalization", name, rows) for name in names]
    assert tuple(one.verdict for one in found) == verdicts


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
