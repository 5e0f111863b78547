"""Garg 2022: rows made up so that a claim is true, or false; the verdict must follow, for one seed and for several."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import polars as pl
import pytest
from claims.made_up import judged, wobble

from iclscope.claims.claim import JudgedClaim
from iclscope.papers.garg2022 import curriculum, decision_tree, ood, other_functions, relu_network, sparse_linear
from iclscope.papers.garg2022.rows import GPT2
from iclscope.papers.garg2022.theory import averaging_error, least_squares_error
from iclscope.study.experiment import experiments_named, experiments_of

D, LONGEST = 5, 10
Error = Callable[[int], float]
Errors = Mapping[str, Error]


class Setup(NamedTuple):
    """How many seeds there are, and whether training is shorter than published."""

    seeds: int
    short: bool


SETUPS = (Setup(1, short=False), Setup(5, short=False), Setup(3, short=True), Setup(1, short=True))


def error_table(
    own: Error,
    others: Errors,
    setup: Setup,
    *,
    untrained: Error = lambda _: 1.02,
    lengths: Sequence[int] = range(LONGEST + 1),
    spread: float = 0.02,
    **columns: Any,
) -> pl.DataFrame:
    """Rows as `error_rows` makes them, from the error of each method at each context length."""
    rows = []
    for arm, seed in product(("trained", "untrained"), range(setup.seeds)):
        of_arm = {GPT2: own if arm == "trained" else untrained, **others}
        for (method, error), k in product(of_arm.items(), lengths):
            # Between seeds as between prompts: a few percent.
            value = error(k) * (1 + (wobble(seed, spread / 2) * (1 + k / LONGEST) if method == GPT2 else 0.0))
            rows.append(
                {
                    "arm": arm,
                    "seed": seed,
                    "method": method,
                    "length": k,
                    "error": value,
                    "low": 0.97 * value,
                    "high": 1.03 * value,
                    "standard_error": spread * value,
                    "prompts": 1280,
                    "short": setup.short and arm == "trained",
                }
            )
    return pl.DataFrame(rows).with_columns(**{name: pl.lit(value) for name, value in columns.items()})


def least_squares(k: int) -> float:
    return least_squares_error(k=k, d=D)


def averaging(k: int) -> float:
    return averaging_error(k=k, d=D)


def nearest(k: int) -> float:
    return 1 - 0.4 * k / LONGEST


def constant(value: float) -> Error:
    return lambda _: value


def as_published(k: int) -> float:
    """Least squares below d, then 0.02 at d and 0.0006 at 2d."""
    return max(1.05 * least_squares(k), 0.02 * 2.0 ** (D - k))


def stuck(level: float) -> Error:
    """Least squares as far as a level and no further."""
    return lambda k: max(least_squares(k), level)


LINEAR = {"least squares": least_squares, "3-NN": nearest, "averaging": averaging}


def linear_rows(own: Error, setup: Setup) -> pl.DataFrame:
    return error_table(own, LINEAR, setup, d=D)


def sparse_rows(own: Error, setup: Setup) -> pl.DataFrame:
    lassos = {name: constant(0.1 + 0.1 * i) for i, name in enumerate(sparse_linear.LASSOS)}
    best = {sparse_linear.BEST_LASSO: constant(0.1)}
    return error_table(own, {"least squares": least_squares, **lassos, **best}, setup, d=D)


def tree_rows(own: Error, setup: Setup) -> pl.DataFrame:
    others = {decision_tree.GREEDY: constant(0.7), decision_tree.BOOSTED: constant(0.5)}
    return error_table(own, others, setup, longest=LONGEST)


def network_rows(own: Error, setup: Setup) -> pl.DataFrame:
    others = {relu_network.NETWORK: constant(0.1), "least squares": constant(0.5), "3-NN": constant(0.6)}
    return error_table(own, others, setup, longest=LONGEST)


def ood_rows(changed: Errors, setup: Setup, plain: Error = as_published) -> pl.DataFrame:
    """The battery: errors as in training but for the kinds of prompts given."""
    noisy: Errors = {"least squares": constant(0.25)}
    good: dict[str, Error] = {
        ood.PLAIN: plain,
        ood.ORTHANTS: lambda k: plain(k) + 0.01,
        ood.ORTHOGONAL: constant(1.0),
        ood.REPEATED: constant(0.1),
        ood.SUBSPACE: lambda k: plain(min(LONGEST, 2 * k)),
        ood.NOISY: constant(0.26),
        ood.NOISY_SCORE: constant(0.26),
    }
    return pl.concat(
        error_table(
            changed.get(prompt, own),
            noisy if prompt in (ood.NOISY, ood.NOISY_SCORE) else {"least squares": least_squares},
            setup,
            lengths=range(1, D) if prompt == ood.ORTHOGONAL else range(1, LONGEST + 1),
            d=D,
            prompt=prompt,
        )
        for prompt, own in good.items()
    )


def other_rows(own: Error, setup: Setup) -> pl.DataFrame:
    """Other functions, on which least squares is good enough for an untrained model to be told from it."""
    others = {"least squares": constant(0.5), "3-NN": constant(0.6), "averaging": constant(0.7)}
    names = other_functions.FUNCTIONS
    return pl.concat(error_table(own, others, setup, d=D, functions=name) for name in names)


def curriculum_rows(fast: float, slow: float, setup: Setup) -> pl.DataFrame:
    """Errors that halve at a given step, with the curriculum and without."""
    return pl.DataFrame(
        [
            {
                "arm": "trained",
                "seed": seed,
                "training": training,
                "step": step,
                "error": 0.5 ** (step / (half * (1 + wobble(seed)))),
                "diverged_at": None,
                "short": setup.short,
            }
            for seed, (training, half), step in product(
                range(setup.seeds), ((curriculum.WITH, fast), (curriculum.WITHOUT, slow)), range(0, 1001, 50)
            )
        ],
        schema_overrides={"diverged_at": pl.Int64},
    )


class Case(NamedTuple):
    """A claim, rows in which it is true, and rows in which it is false."""

    figure: str
    claim: str
    true: Callable[[Setup], pl.DataFrame]
    false: Callable[[Setup], pl.DataFrame]


def case(figure: str, claim: str, rows: Callable[[Error, Setup], pl.DataFrame], true: Error, false: Error) -> Case:
    return Case(figure, claim, lambda setup: rows(true, setup), lambda setup: rows(false, setup))


def ood_case(claim: str, prompt: str, true: Error, false: Error) -> Case:
    return case("ood", claim, lambda own, setup: ood_rows({prompt: own}, setup), true, false)


CASES = [
    case("linear", "linear-at-d", linear_rows, as_published, stuck(0.2)),
    case("linear", "linear-at-2d", linear_rows, as_published, stuck(0.03)),
    case("linear", "linear-fall", linear_rows, as_published, stuck(0.03)),
    case("linear", "linear-below-d", linear_rows, as_published, lambda k: 1.5 * least_squares(k)),
    case("linear", "linear-beats-3-nn", linear_rows, as_published, lambda k: 1.2 * nearest(k)),
    case("linear", "linear-beats-averaging", linear_rows, as_published, lambda k: 1.2 * averaging(k)),
    case("sparse-linear", "sparse-beats-least-squares", sparse_rows, constant(0.12), lambda k: 1.3 * least_squares(k)),
    case("sparse-linear", "sparse-near-lasso", sparse_rows, constant(0.12), constant(0.2)),
    case("decision-tree", "tree-beats-greedy", tree_rows, constant(0.4), constant(0.85)),
    case("decision-tree", "tree-beats-xgboost", tree_rows, constant(0.4), constant(0.6)),
    case("relu-network", "network-matches-training", network_rows, constant(0.11), constant(0.2)),
    case("relu-network", "network-beats-least-squares", network_rows, constant(0.2), constant(0.65)),
    case("relu-network", "network-beats-3-nn", network_rows, constant(0.2), constant(0.75)),
    ood_case("ood-orthogonal", ood.ORTHOGONAL, constant(1.01), constant(1.5)),
    ood_case("ood-repeated", ood.REPEATED, constant(0.1), least_squares),
    ood_case("ood-orthants", ood.ORTHANTS, as_published, constant(0.3)),
    ood_case("ood-subspace", ood.SUBSPACE, constant(0.02), constant(0.4)),
    ood_case("ood-noise", ood.NOISY, constant(0.26), constant(0.5)),
    ood_case("ood-noise-score", ood.NOISY_SCORE, constant(0.26), constant(0.5)),
    case("other-functions", "other-noisy", other_rows, constant(0.3), constant(0.8)),
    Case(
        "curriculum",
        "curriculum-faster",
        lambda setup: curriculum_rows(200, 600, setup),
        lambda setup: curriculum_rows(300, 300, setup),
    ),
]
OVER_PROMPTS = [one for one in CASES if one.figure != "curriculum"]


def judged_case(one: Case, rows: pl.DataFrame) -> JudgedClaim:
    return judged(one.figure, one.claim, rows, paper="garg2022")


def test_every_claim_has_a_case() -> None:
    claims = [claim.id for experiment in experiments_of("garg2022") for claim in experiment.claims]
    assert sorted(name for one in CASES for name in (one.claim, f"{one.claim}-here")) == sorted(claims)


@pytest.mark.parametrize("setup", SETUPS, ids=str)
@pytest.mark.parametrize("one", OVER_PROMPTS, ids=lambda one: one.claim)
def test_the_question_beside_a_claim_is_answered_either_way(one: Case, setup: Setup) -> None:
    """A short training leaves a claim open that its models do not do; of the models themselves the answer is no."""
    asked = one._replace(claim=f"{one.claim}-here")
    for rows, answer in ((one.true(setup), "yes"), (one.false(setup), "no")):
        found = judged_case(asked, rows)
        assert (found.claim.form, found.answer) == ("ours", answer), found.estimate
        assert found.control_verdict == "fails"
    assert judged_case(asked, one.true(setup)).estimate.value == judged_case(one, one.true(setup)).estimate.value


@pytest.mark.parametrize("setup", SETUPS, ids=str)
@pytest.mark.parametrize("one", OVER_PROMPTS, ids=lambda one: one.claim)
def test_the_verdict_follows_the_rows_and_the_control_fails(one: Case, setup: Setup) -> None:
    true, false = judged_case(one, one.true(setup)), judged_case(one, one.false(setup))
    assert true.verdict == "holds", true.estimate
    # A short training gives an upper bound only, so that the claim may stay open but not fail.
    assert false.verdict == ("inconclusive" if setup.short else "fails"), false.estimate
    for found in (true, false):
        assert found.control_verdict == "fails", found.control_estimate
        assert found.estimate.seeds == found.control_estimate.seeds == setup.seeds
        # One seed has an interval too, over prompts; where training is short its lower end may be that of the bound.
        assert math.isfinite(found.estimate.high)
        assert math.isfinite(found.estimate.low) or setup.short
        assert found.estimate.low < found.estimate.value < found.estimate.high


@pytest.mark.parametrize("short", [False, True])
def test_the_curriculum(short: bool) -> None:
    (one,) = (one for one in CASES if one.figure == "curriculum")
    setup = Setup(5, short)
    true, false = judged_case(one, one.true(setup)), judged_case(one, one.false(setup))
    assert (true.verdict, true.control_verdict) == ("holds", "fails")
    # More dimensions than a short training's may bring more.
    assert false.verdict == ("inconclusive" if short else "fails")
    answers = [judged_case(one._replace(claim="curriculum-faster-here"), rows(setup)).answer for rows in one[2:]]
    assert answers == ["yes", "no"]
    assert true.estimate.value == pytest.approx(1 / 3)
    # A ratio of steps has an uncertainty over seeds only.
    assert judged_case(one, one.true(Setup(1, short))).verdict == "inconclusive"


def test_a_training_that_never_gets_there_counts_with_all_its_steps() -> None:
    """Leaving it out would hide that only the curriculum got there; a run that diverged may have taken any number."""
    rows = curriculum_rows(200, 5000, Setup(3, short=True))  # stops at step 1000, above the level
    found = judged("curriculum", "curriculum-faster", rows, paper="garg2022")
    assert (found.verdict, found.estimate.seeds) == ("holds", 3)
    assert found.estimate.value == pytest.approx(0.2, rel=0.1)
    lost = (pl.col("seed") == 0) & (pl.col("training") == curriculum.WITHOUT) & (pl.col("step") > 500)
    diverged = rows.with_columns(
        error=pl.when(lost).then(math.nan).otherwise("error"), diverged_at=pl.when(lost).then(pl.lit(501))
    )
    found = judged("curriculum", "curriculum-faster", diverged, paper="garg2022")
    assert (found.estimate.seeds, found.estimate.missing) == (3, 1)
    assert (found.estimate.high, found.verdict) == (math.inf, "inconclusive")


@pytest.mark.parametrize("one", OVER_PROMPTS, ids=lambda one: one.claim)
def test_more_training_may_lower_an_error_but_not_raise_it(one: Case) -> None:
    long, short = (judged_case(one, one.false(Setup(3, short))).estimate for short in (False, True))
    assert (long.value, long.high) == (short.value, short.high)
    assert short.low < long.low


def test_a_better_model_than_published_holds_too() -> None:
    for claim in (
        claim.id
        for claim in experiments_named("garg2022", ["linear"])[0].claims
        if not claim.id.startswith("linear-fall")
    ):
        found = judged(
            "linear", claim, linear_rows(lambda k: 0.9 * least_squares(k) + 1e-9, SETUPS[1]), paper="garg2022"
        )
        assert found.verdict == "holds", claim


@pytest.mark.parametrize(
    ("level", "verdicts"),
    [
        (0.0006, {"at-d": "holds", "at-2d": "holds", "below-d": "holds", "beats-3-nn": "holds"}),
        (0.03, {"at-d": "holds", "at-2d": "fails", "below-d": "holds", "beats-3-nn": "holds"}),
        (0.2, {"at-d": "fails", "at-2d": "fails", "below-d": "holds", "beats-3-nn": "holds"}),
        (0.9, {"at-d": "fails", "at-2d": "fails", "below-d": "fails", "beats-3-nn": "fails"}),
    ],
)
def test_each_claim_looks_at_its_own_lengths(level: float, verdicts: dict[str, str]) -> None:
    rows = linear_rows(stuck(level), SETUPS[1])
    found = {name: judged("linear", f"linear-{name}", rows, paper="garg2022").verdict for name in verdicts}
    assert found == verdicts


def test_errors_of_noisy_answers() -> None:
    """Predicting 0 scores 1 as before; what knows f scores the noise that nobody could know."""
    rows = error_table(least_squares, {}, SETUPS[1], spread=0.0).filter(arm="trained", seed=0)
    found = ood.scored_by_answers(rows, float(D), 1.0)
    assert found.columns == rows.columns
    assert found["error"].to_list() == pytest.approx([(D * least_squares(k) + 1) / (D + 1) for k in found["length"]])
    assert (found["error"][0], found["error"][-1]) == (pytest.approx(1), pytest.approx(1 / 6))


def test_untrained_models_pass_as_robust_and_their_control_says_so() -> None:
    """Models that have learnt nothing do no worse on orthants; the control then does as claimed, which is reported."""
    rows = ood_rows({ood.ORTHANTS: constant(0.9)}, SETUPS[1], plain=constant(1.0))
    found = judged("ood", "ood-orthants", rows, paper="garg2022")
    assert (found.verdict, found.control_verdict) == ("holds", "inconclusive")
    rows = ood_rows({ood.ORTHOGONAL: constant(1.0)}, SETUPS[1], plain=constant(1.0))
    found = judged("ood", "ood-orthogonal", rows, paper="garg2022")
    assert (found.verdict, found.control_verdict) == ("holds", "holds")


def test_where_all_runs_but_one_diverged_nothing_is_decided() -> None:
    """The one that is left decides alone only where it was the only one to begin with."""
    rows = linear_rows(as_published, Setup(3, short=False))
    gone = (pl.col("seed") > 0) & (pl.col("method") == GPT2)
    names = ("error", "low", "high", "standard_error")
    lost = rows.with_columns(pl.when(gone).then(math.nan).otherwise(pl.col(name)).alias(name) for name in names)
    for claim in (claim.id for claim in experiments_named("garg2022", ["linear"])[0].claims):
        left, alone = (judged("linear", claim, table, paper="garg2022") for table in (lost, rows.filter(seed=0)))
        assert (alone.verdict, alone.estimate.seeds, alone.estimate.missing) == ("holds", 1, 0)
        assert (left.verdict, left.estimate.seeds, left.estimate.missing) == ("inconclusive", 3, 2)
        assert left.estimate.value == pytest.approx(alone.estimate.value)
        assert left.estimate.high == math.inf
