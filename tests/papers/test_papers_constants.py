"""One constant for every setting: what trainings get of everything, and verdicts where it serves, or does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble

from iclscope.claims.reference import FIRST_SEED, REFERENCE
from iclscope.papers.li2024 import theory as li2024
from iclscope.papers.li2024.constants import (
    CONSTANTS,
    NEEDED_TESTING_LENGTH,
    NEEDS,
    REFERENCE_SETTING,
    TESTING_CONSTANT,
    LawSetting,
    laws,
    prescribed,
    prescribed_testing_length,
)
from iclscope.papers.li2024.one_layer import growth_laws, prompt_length
from iclscope.papers.li2024.one_layer.growth_laws import COLUMNS, LAWS, LONGEST
from iclscope.plotting.style import new_figure
from iclscope.study.experiment import Preset

ALL = list(dict.fromkeys(one for settings in growth_laws.SETTINGS.values() for one in settings))
MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25)
CLAIMS = [f"thm3.3-{name}" for name in LAWS]
Risk = Callable[[LawSetting, float], float]


def served(_: LawSetting, multiple: float) -> float:
    """Half of ε after c times the law, far more a while before."""
    return 0.5 if multiple >= 1 else 5.0


def law_rows(risk: Risk = served, *, reference: Risk = served, starved: float = 5.0) -> pl.DataFrame:
    """Risks over ε of the settings, of the reference with its own seeds, and of models that get next to nothing."""
    parts: list[tuple[str, int, LawSetting, Risk]] = [("trained", 0, one, risk) for one in ALL]
    parts.append((REFERENCE, FIRST_SEED, REFERENCE_SETTING, reference))
    parts += [(law.control, 0, law.settings[0], lambda *_: starved) for law in LAWS.values() if law.starved]
    rows = [
        {
            "arm": arm,
            "seed": first + seed,
            "multiple": multiple,
            "relative_risk": of(setting, multiple) * (1 + wobble(seed)),
            **{name: float(value) for name, value in zip(COLUMNS, setting, strict=True)},
        }
        for (arm, first, setting, of), seed, multiple in product(parts, SEEDS, MULTIPLES)
    ]
    return pl.DataFrame(rows)


def test_a_constant_is_so_many_times_what_the_reference_needs_over_what_the_law_asks() -> None:
    law = laws(REFERENCE_SETTING)
    assert [1.5 * need / asked for need, asked in zip(NEEDS, law, strict=True)] == pytest.approx(list(CONSTANTS))
    assert prescribed(REFERENCE_SETTING) == tuple(1.5 * need for need in NEEDS)
    assert law.steps == li2024.training_steps(eta=1.0, alpha=0.8, beta=1.0, M1=4)
    assert law.length == li2024.training_length(alpha=0.8, beta=1.0, M1=4)
    assert (law.width, law.batch) == (li2024.width(M1=4), li2024.batch_size(epsilon=0.1, M1=4))
    assert TESTING_CONSTANT == 1.5 * NEEDED_TESTING_LENGTH
    assert [prescribed_testing_length(alpha) for alpha in (1.0, 0.8, 0.2)] == [9, 12, 45]


@pytest.mark.parametrize("setting", ALL, ids=lambda one: one.name)
def test_every_setting_gets_c_times_what_all_laws_ask_for(setting: LawSetting) -> None:
    amounts = prescribed(setting)
    for amount, c, law in zip(amounts, CONSTANTS, laws(setting), strict=True):
        assert c * law <= amount < c * law + 1
        assert amount == int(amount)
    one = growth_laws.law_trial(3, setting, amounts)
    assert (one.patterns.length_range[1], one.one_layer.width, one.training.batch_size) == amounts[1:]
    assert (one.patterns.alpha, one.patterns.beta, one.patterns.M1) == setting[:3]
    assert (one.training.learning_rate, one.seed) == (setting.eta, 3)
    # Recorded at quarters, so that c times the steps and a quarter more are among them.
    assert 4 * one.evaluation.every >= amounts.steps > 4 * (one.evaluation.every - 1)
    assert one.training.steps == 4 * LONGEST * one.evaluation.every


def test_the_reference_is_the_end_of_every_range_and_is_trained_with_other_seeds() -> None:
    for setting in ALL:
        assert setting != REFERENCE_SETTING
        assert setting.alpha <= 0.8
        assert setting.eta <= 1.0
        assert setting.epsilon <= 0.1
        assert setting.beta >= 1.0
        assert setting.M1 >= 4
    trials = growth_laws.EXPERIMENT.trials(Preset("quick", seeds=(0, 1), prompts=64))
    reference = growth_laws.law_trial(0, REFERENCE_SETTING, prescribed(REFERENCE_SETTING))
    like_it = {one.seed for one in trials if one.model_copy(update={"seed": 0}) == reference}
    assert like_it == {one.seed for one in trials if one.seed >= FIRST_SEED} == {FIRST_SEED, FIRST_SEED + 1}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_constant_that_serves_every_setting_holds_and_its_control_fails(claim: str) -> None:
    found = judged("growth-laws", claim, law_rows())
    assert (found.verdict, found.control_verdict) == ("holds", "fails")
    assert found.every_setting is not None
    assert [one.name for one in found.every_setting.settings] == [
        one.name for one in LAWS[claim.removeprefix("thm3.3-")].settings
    ]
    assert found.remark == f"c = {found.every_setting.constant:.3g}"
    assert found.estimate.seeds == found.control_estimate.seeds or math.isnan(found.control_estimate.value)


@pytest.mark.parametrize(
    ("late", "words"),
    [(0.5, "needs 1.2 · c at β = 3"), (5.0, "needs more than was tried at β = 3")],
    ids=["a little more", "much more"],
)
def test_a_setting_that_needs_more_leaves_it_open_and_is_named(late: float, words: str) -> None:
    slow = REFERENCE_SETTING._replace(beta=3.0)
    rows = law_rows(lambda one, k: (late if k > 1 else 5.0) if one == slow else served(one, k))
    found = judged("growth-laws", "thm3.3-iterations", rows)
    # Far above ε and sure of it: still no refutation of a constant that nobody knows.
    assert (found.verdict, found.control_verdict) == ("inconclusive", "fails")
    assert found.estimate.value == pytest.approx(5.0)
    assert found.remark.split("; ")[1:] == [words]
    # Laws in which β is not leave it out.
    for claim in ("thm3.3-width", "thm3.3-batch"):
        assert judged("growth-laws", claim, rows).verdict == "holds"


def test_a_setting_that_is_not_sure_to_be_served_leaves_it_open() -> None:
    rows = law_rows(lambda one, k: 0.999 if one == ALL[0] and k >= 1 else served(one, k))
    found = judged("growth-laws", "thm3.3-iterations", rows)
    assert found.estimate.low < 1 < found.estimate.high
    assert (found.verdict, found.seeds_to_decide is not None) == ("inconclusive", True)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_constant_that_fails_its_reference_in_this_run_holds_nowhere(claim: str) -> None:
    found = judged("growth-laws", claim, law_rows(reference=lambda *_: 1.5))
    assert (found.verdict, found.control_verdict) == ("inconclusive", "fails")
    assert "does not serve the reference" in found.remark


def test_a_run_that_diverged_leaves_its_setting_open() -> None:
    rows = law_rows()
    lost = (pl.col("seed") == 0) & (pl.col("alpha") == 0.2)
    rows = rows.with_columns(relative_risk=pl.when(lost).then(math.nan).otherwise("relative_risk"))
    found = judged("growth-laws", "thm3.3-training-length", rows)
    assert (found.verdict, found.estimate.missing, found.estimate.high) == ("inconclusive", 1, math.inf)
    assert "needs more than was tried at α = 0.2" in found.remark
    assert judged("growth-laws", "thm3.3-width", rows).verdict == "holds"


def test_controls_that_reach_the_risk_are_seen() -> None:
    rows = law_rows(lambda *_: 0.5, starved=0.5)
    for claim in CLAIMS:
        found = judged("growth-laws", claim, rows)
        assert found.verdict == "holds"
        assert found.control_verdict != "fails"


def test_the_figure_says_where_the_constants_serve() -> None:
    rows = law_rows(lambda one, k: 5.0 if one.eta == 0.25 else served(one, k))
    assert f"at {len(ALL) - 1} of {len(ALL)} other settings" in growth_laws.EXPERIMENT.finding(rows)
    figure = new_figure(*growth_laws.EXPERIMENT.size)
    growth_laws.EXPERIMENT.draw(figure, rows)
    assert len(figure.axes) == 2
    assert len(figure.axes[0].get_yticklabels()) == len(ALL)


def length_rows(risk: Callable[[float], float], reference: float = 0.05, one_column: float = 0.5) -> pl.DataFrame:
    """Hinge risks at c/α' columns for every α', those of the reference, and those at a single column."""
    arms: list[tuple[str, int, Callable[[float], float]]] = [
        ("trained", 0, risk),
        (REFERENCE, FIRST_SEED, lambda _: reference),
        (prompt_length.ONE_COLUMN, 0, lambda _: one_column),
    ]
    rows = [
        {
            "arm": arm,
            "seed": first + seed,
            "stage": prompt_length.ENOUGH,
            "alpha": alpha,
            "length": 1 if arm == prompt_length.ONE_COLUMN else prescribed_testing_length(alpha),
            "hinge_risk": of(alpha) * (1 + wobble(seed)),
            "classification_error": 0.0,
        }
        for (arm, first, of), seed, alpha in product(arms, SEEDS, prompt_length.TESTING_ALPHAS)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("risk", "reference", "verdict"),
    [
        (lambda _: 0.05, 0.05, "holds"),
        (lambda alpha: 0.9 if alpha == 1.0 else 0.05, 0.05, "holds"),  # the reference's α' is not judged
        (lambda alpha: 0.3 if alpha == 0.2 else 0.05, 0.05, "inconclusive"),
        (lambda _: 0.3, 0.05, "inconclusive"),
        (lambda _: 0.05, 0.3, "inconclusive"),
    ],
)
def test_the_testing_length(risk: Callable[[float], float], reference: float, verdict: str) -> None:
    found = judged("prompt-length", "thm3.3-testing-length", length_rows(risk, reference))
    assert (found.verdict, found.control_verdict) == (verdict, "fails")
    assert found.every_setting is not None
    assert len(found.every_setting.settings) == len(prompt_length.TESTING_ALPHAS) - 1
    assert found.remark.startswith(f"c = {TESTING_CONSTANT:g}")
    assert ("does not serve" in found.remark) == (reference > 0.1)


def test_prompts_of_one_column_that_suffice_are_seen() -> None:
    rows = length_rows(lambda _: 0.05, one_column=0.05)
    found = judged("prompt-length", "thm3.3-testing-length", rows)
    assert (found.verdict, found.control_verdict) == ("holds", "holds")


def pruning_rows(risk: Callable[[float], float]) -> pl.DataFrame:
    """The reference, of other seeds, does as the trained models do."""
    arms = [("trained", SEEDS), ("small-neurons", SEEDS), (REFERENCE, [FIRST_SEED + seed for seed in SEEDS])]
    return pl.DataFrame(
        [
            {
                "arm": arm,
                "seed": seed,
                "R": share / 10,
                "hinge_risk": 0.02
                + (0.001 * share / 10 if arm == "small-neurons" else risk(share / 10))
                + wobble(seed, 1e-3),
            }
            for arm, seeds in arms
            for seed, share in product(seeds, range(11))
        ]
    )


@pytest.mark.parametrize(
    ("risk", "verdict"),
    [
        (lambda R: R, "holds"),
        (lambda R: 3.0 * R, "holds"),
        (lambda R: 0.1 * R, "holds"),  # the constant is the reference's
        (lambda R: R**0.5, "holds"),  # more than a bound is not against it
        (lambda R: R**2, "inconclusive"),  # what serves R = 1 does not serve R = 0.1
        (lambda R: 0.8 * (R >= 0.55), "inconclusive"),  # a bound must be met at every R
    ],
)
def test_pruning_large_neurons(risk: Callable[[float], float], verdict: str) -> None:
    found = judged("pruning-linearity", "thm3.7-prune-large", pruning_rows(risk))
    assert found.verdict == verdict
    assert found.control_verdict == "fails"
    assert found.every_setting is not None
    assert len(found.every_setting.settings) == 9
    # Half of the rise at R = 1, which no seed makes uncertain here.
    assert found.every_setting.constant == pytest.approx(0.5 * risk(1.0))
    assert found.remark.startswith("c = ")
    assert "does not serve" not in found.remark
    assert ("· c at R = 0.1" in found.remark) == (verdict == "inconclusive")


def test_without_a_rise_at_the_reference_there_is_no_constant() -> None:
    """Then nothing is known of the others, nor of the control, which the report warns of."""
    for risk in (lambda R: 0.0 * R, lambda R: -R):
        found = judged("pruning-linearity", "thm3.7-prune-large", pruning_rows(risk))
        assert (found.verdict, found.control_verdict) == ("inconclusive", "inconclusive")
        assert "does not serve" in found.remark
    lost = (pl.col("arm") == REFERENCE) & (pl.col("seed") == FIRST_SEED) & (pl.col("R") == 1)
    rows = pruning_rows(lambda R: R).with_columns(hinge_risk=pl.when(lost).then(math.nan).otherwise("hinge_risk"))
    diverged = judged("pruning-linearity", "thm3.7-prune-large", rows)
    assert (diverged.verdict, diverged.control_verdict) == ("inconclusive", "inconclusive")
    assert "does not serve" in diverged.remark


def test_a_control_of_pruning_goes_by_the_same_constant() -> None:
    """Small neurons that cost as much as large ones are seen."""
    rows = pruning_rows(lambda R: R).filter(pl.col("arm") != "small-neurons")
    same = rows.filter(pl.col("arm") == "trained").with_columns(arm=pl.lit("small-neurons"))
    found = judged("pruning-linearity", "thm3.7-prune-large", pl.concat([rows, same]))
    assert (found.verdict, found.control_verdict) == ("holds", "holds")
