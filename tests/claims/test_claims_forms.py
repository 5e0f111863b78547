"""Logical forms of claims: what is refused, what a reference changes, and what is told beside a verdict."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from claims.test_claims_claim import make_claim, make_rows
from refusals import says

from iclscope.claims.answers import answered, tightness
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.families import Estimate, ForAll, Setting, judge
from iclscope.claims.intervals import Interval, UpperBound, unseen_share
from iclscope.claims.reference import FIRST_SEED, REFERENCE, marked, with_other_seeds
from iclscope.claims.summaries import over_seeds
from iclscope.core.errors import BadRequest
from iclscope.training.trial import Trial

YES_NO = answered(holds="yes", fails="no")
LEGAL: dict[str, dict[str, Any]] = {
    "exact": {"expected": Region(0.9, 1.1), "quantity": "slope of the risk"},
    "sufficient": {},
    "upper bound": {"reference": "c at K = 5"},
    "lower bound": {"reference": "c at R = 1", "expected": Region(low=1.0)},
    "published": {"expected": Region(0.9, 1.1)},
    "ours": {"answer": YES_NO, "expected": Region(1.8, 2.2), "quantity": "exponent of the steps"},
}


@pytest.mark.parametrize("form", list(LEGAL))
def test_each_form_can_be_stated(form: str) -> None:
    assert make_claim(form=form, **LEGAL[form]).form == form


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"control": Control("the same", "trained")}, ["control: expected", "other than the claim's own"]),
        ({"source": "Somebody et al."}, ["source", "theorem"]),
        ({"source": ""}, ["source"]),
        ({"source": "Somebody, unproposition 4"}, ["source"]),
        ({"expected": Region()}, ["expected", "an end"]),
        ({"expected": Region(-math.inf, math.nan)}, ["expected"]),
        ({"expected": Region(math.nan, 1.0)}, ["expected"]),
        ({"expected": Region(0.2, 0.1)}, ["expected", "low ≤ high"]),
        ({"form": "sufficient", "expected": Region(0.0, 0.1)}, ["expected", "open at one end"]),
        ({**LEGAL["upper bound"], "form": "upper bound", "expected": Region(0.0, 0.1)}, ["open at one end"]),
        ({**LEGAL["lower bound"], "form": "lower bound", "expected": Region(0.0, 0.1)}, ["open at one end"]),
        ({"form": "sufficient", "quantity": "log-log slope of the steps"}, ["quantity", "no slope"]),
        ({"form": "sufficient", "quantity": "Exponent of α"}, ["quantity", "no slope"]),
        ({**LEGAL["upper bound"], "form": "upper bound", "quantity": "slope against K"}, ["no slope"]),
        ({**LEGAL["lower bound"], "form": "lower bound", "quantity": "slopes against R"}, ["no slope"]),
        ({"form": "upper bound"}, ["reference: expected", "constant"]),
        ({"form": "lower bound", "expected": Region(low=1.0)}, ["reference: expected"]),
        ({"form": "upper bound", "reference": ""}, ["reference"]),
        ({"form": "ours"}, ["answer: expected", "ours"]),
        ({"form": "exact", "answer": YES_NO}, ["answer", "only then"]),
        ({"form": "published", "answer": YES_NO}, ["answer"]),
    ],
)
def test_what_cannot_be_judged_by_its_form_is_refused(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BadRequest) as refused:
        make_claim(**changes)
    message = str(refused.value)
    assert "claim 'thm1-risk'" in message
    assert "\n" not in message
    for word in words:
        assert says(message, word), message


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("form", "necessary", ["form: expected", "sufficient", "lower bound"]),
        ("form", None, ["form: expected"]),
        ("control", None, ["control: expected"]),
        ("control", "untrained", ["control: expected", "must fail"]),
    ],
)
def test_forms_and_controls_that_are_none_are_refused(name: str, value: object, words: list[str]) -> None:
    """Put in afterwards: the type checker of these tests lets no such argument through."""
    claim = make_claim()
    object.__setattr__(claim, name, value)
    with pytest.raises(BadRequest) as refused:
        claim.__post_init__()
    for word in ("claim 'thm1-risk'", *words):
        assert says(str(refused.value), word)


@pytest.mark.parametrize(
    "place",
    ["Theorem 3.3", "Theorems 4.1 and 4.2", "Proposition 1", "Condition 3.2", "Section 4", "Appendix A", "abstract",
     "figure on pruning", "table of γ", "Lemma 5.2", "Definition 1", "set-up of the public code", "equation (4)"],
)  # fmt: skip
def test_a_source_names_its_place(place: str) -> None:
    assert make_claim(source=f"Somebody et al. 2024, {place}").source.endswith(place)


def largest(rows: pl.DataFrame) -> Interval:
    """The risk over what the reference has, if it is there."""
    reference = rows.filter(pl.col("arm") == REFERENCE)
    own = over_seeds(rows.filter(pl.col("arm") != REFERENCE), "risk")
    scale = reference["risk"].max() if len(reference) else 1.0
    assert isinstance(scale, float)
    return own._replace(value=own.value / scale, low=own.low / scale, high=own.high / scale)


def reference_rows(trained: list[float], untrained: list[float], reference: list[float]) -> pl.DataFrame:
    of_reference = [{"arm": REFERENCE, "seed": FIRST_SEED + seed, "risk": risk} for seed, risk in enumerate(reference)]
    return pl.concat([make_rows(trained, untrained), pl.DataFrame(of_reference)])


def test_claim_and_control_go_by_one_constant_and_only_the_control_can_fail() -> None:
    claim = make_claim(form="upper bound", expected=Region(high=1.0), estimate=largest, reference="the largest")
    near, far = [0.9, 0.91, 0.92], [5.0, 5.1, 5.2]
    found = claim.judged("somebody", "risk", reference_rows(near, far, [1.0, 2.0]))
    assert (found.verdict, found.control_verdict) == ("holds", "fails")
    assert (found.estimate.value, found.control_estimate.value) == pytest.approx((0.455, 2.55))
    # Four times what is allowed: of a constant that nobody knows that is no refutation.
    found = claim.judged("somebody", "risk", reference_rows([8.0, 8.1, 8.2], far, [1.0, 2.0]))
    assert judge(found.estimate, claim.expected) == "fails"
    assert (found.verdict, found.control_verdict) == ("inconclusive", "fails")


def test_without_a_reference_its_rows_are_not_seen_and_a_claim_can_fail() -> None:
    claim = make_claim(form="sufficient", expected=Region(high=1.0), estimate=largest)
    found = claim.judged("somebody", "risk", reference_rows([8.0, 8.1, 8.2], [9.0, 9.1], [100.0]))
    assert (found.verdict, found.estimate.value) == ("fails", pytest.approx(8.1))


def test_the_reference_has_seeds_of_its_own() -> None:
    trials = [Trial(seed=seed) for seed in range(3)]
    others = with_other_seeds(trials)
    assert [one.seed for one in others] == [FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2]
    assert all(one.model_copy(update={"seed": 0}) == Trial(seed=0) for one in others)
    rows = pl.DataFrame(
        {"arm": ["trained", "untrained"] * 2, "seed": [7, 7, FIRST_SEED + 7, FIRST_SEED + 7], "risk": [1.0, 2, 3, 4]}
    )
    found = marked(rows)
    # Of the reference's seeds only what was trained, under its own name.
    assert found.rows() == [("trained", 7, 1.0), ("untrained", 7, 2.0), (REFERENCE, FIRST_SEED + 7, 3.0)]


def judged_as(estimate: Estimate, **changes: Any) -> JudgedClaim:
    claim: Claim = make_claim(estimate=lambda _: estimate, **changes)
    return claim.judged("somebody", "risk", make_rows([], []))


@pytest.mark.parametrize(
    ("estimate", "expected", "seeds"),
    [
        (Interval(0.08, 0.05, 0.11, 10), Region(high=0.1), 23),  # (0.03/0.02)² · 10 = 22.5
        (Interval(0.08, 0.05, 0.11, 10), Region(low=0.06), 23),
        (Interval(0.12, 0.09, 0.2, 10), Region(high=0.1), 23),  # to fail it has to shrink on the lower side
        (Interval(0.5, 0.25, 1.0, 10), Region(0.375, 0.875), 40),  # the harder of two ends: (¼/⅛)², not (½/⅜)²
        (Interval(0.05, 0.0, 0.09, 10), Region(high=0.1), None),  # holds
        (Interval(0.5, 0.4, 0.6, 10), Region(high=0.1), None),  # fails
        (Interval(0.1, 0.0, 0.2, 10), Region(high=0.1), None),  # on the border no number of seeds decides
        (Interval(0.08, -math.inf, math.inf, 10, 1), Region(high=0.1), None),  # nobody knows how far
        (Interval(math.nan, -math.inf, math.inf, 0), Region(high=0.1), None),
        (Interval(0.08, -math.inf, math.inf, 1), Region(high=0.1), None),
        (Interval(0.08, -math.inf, 0.11, 10), Region(high=0.1), None),  # nor of an interval without one of its ends
        (Interval(0.12, 0.09, math.inf, 10), Region(high=0.1), None),
        (Interval(0.08, 0.05, 0.11, 10), Region(0.0, 0.1), 23),  # an end that is not crossed asks for nothing
    ],
)
def test_seeds_that_would_decide(estimate: Interval, expected: Region, seeds: int | None) -> None:
    assert judged_as(estimate, expected=expected).seeds_to_decide == seeds


def test_of_several_settings_the_hardest_says_how_many_seeds_it_takes() -> None:
    settings = [Interval(0.05, 0.0, 0.09, 10), Interval(0.08, 0.05, 0.11, 10), Interval(0.09, 0.06, 0.12, 10)]
    found = judged_as(ForAll(tuple(Setting("a", one, one) for one in settings)))
    assert found.verdict == "inconclusive"
    assert found.seeds_to_decide in (90, 91)  # (0.03/0.01)² · 10, up to rounding


def test_a_setting_that_is_settled_asks_for_no_seeds() -> None:
    """Neither one that holds nor one that lies outside, however many seeds it had and however near the end is."""
    open_, holds, fails = (
        Interval(value, value - half, value + half, seeds)
        for value, half, seeds in ((0.08, 0.03, 10), (0.05, 0.045, 1000), (0.15, 0.045, 1000))
    )
    settings = Setting("a", open_, open_), Setting("b", holds, holds), Setting("c", fails, fails._replace(low=0.09))
    found = judged_as(ForAll(settings))
    assert [verdict for _, verdict in found.judged_settings] == ["inconclusive", "holds", "fails"]
    assert (found.verdict, found.seeds_to_decide) == ("inconclusive", 23)


def test_whether_all_settings_lie_outside_is_judged_at_the_level_of_one_of_many() -> None:
    usual, strict = Interval(0.15, 0.11, 0.19, 20), Interval(0.15, 0.09, 0.21, 20)
    assert not judged_as(ForAll((Setting("a", usual, strict),))).lies_outside
    assert judged_as(ForAll((Setting("a", usual, usual),))).lies_outside


def test_where_only_the_estimate_was_kept_it_lies_outside_or_not() -> None:
    outside, across = (
        replace(judged_as(Interval(0.15, low, 0.19, 20)), measured=None).lies_outside for low in (0.11, 0.09)
    )
    assert (outside, across) == (True, False)


def needing(*needs: float, **changes: Any) -> ForAll:
    """The third setting of three does not reach what it must."""
    beyond = Interval(0.3, 0.25, 0.35, 20)
    settings = [Setting(f"β = {index}", beyond, beyond, need) for index, need in enumerate(needs, start=1)]
    return ForAll(tuple(settings), note="c = 3.2", constant=3.2, **changes)


def test_the_remark_says_of_which_constant_and_where_more_is_needed() -> None:
    reference: dict[str, Any] = {"form": "sufficient", "reference": "the largest α"}
    found = judged_as(needing(math.nan, 1.25, math.inf), **reference)
    assert found.verdict == "inconclusive"
    assert found.remark == "c = 3.2; needs 1.2 · c at β = 2; needs more than was tried at β = 3"
    short = judged_as(needing(math.nan, enough=False), **reference)
    assert short.remark == (
        "c = 3.2; it lies outside, which refutes nothing while the paper leaves a constant open; "
        "the constant does not serve the reference in this run"
    )
    held = Setting("β = 1", *[Interval(0.05, 0.04, 0.06, 20)] * 2, needs=1.25)
    assert judged_as(ForAll((held,), "c = 3.2"), **reference).remark == "c = 3.2"
    assert judged_as(Interval(0.05, 0.04, 0.06, 20)).remark == ""


OLD_FIELDS = {
    "paper", "id", "figure", "statement", "source", "quantity", "expected", "reason", "estimate", "interval",
    "is_bound", "verdict", "seeds", "control",
}  # fmt: skip
NEW_FIELDS = {
    "form", "reference", "answer", "remark", "missing_seeds", "unseen_share", "seeds_to_decide", "settings"
}  # fmt: skip


def test_a_record_has_all_old_fields_and_the_new_ones() -> None:
    found = judged_as(Interval(0.08, 0.05, 0.11, 10, 2)).to_json()
    assert set(found) >= OLD_FIELDS | NEW_FIELDS
    assert set(found["control"]) == {"description", "estimate", "interval", "verdict"}
    assert (found["form"], found["reference"], found["answer"], found["remark"]) == ("exact", None, None, "")
    assert (found["seeds"], found["missing_seeds"], found["seeds_to_decide"]) == (10, 2, 23)
    assert found["unseen_share"] == pytest.approx(unseen_share(10))
    assert (found["settings"], found["is_bound"]) == ([], False)
    assert judged_as(UpperBound(0.08, 0.05, 0.11, 10)).to_json()["is_bound"] is True


def test_a_record_holds_every_setting_and_what_is_not_a_number_is_null() -> None:
    inside, lost = Interval(0.05, 0.04, 0.06, 20), Interval(math.nan, 0.0, math.inf, 20, 20)
    estimate = ForAll((Setting("S1 = 1.1", inside, inside), Setting("S1 = 1.4", lost, lost)), note="c = 2")
    found = json.loads(json.dumps(judged_as(estimate).to_json(), allow_nan=False))
    assert (found["estimate"], found["interval"], found["missing_seeds"]) == (None, [0.0, None], 20)
    assert [(one["name"], one["estimate"], one["interval"], one["verdict"]) for one in found["settings"]] == [
        ("S1 = 1.1", 0.05, [0.04, 0.06], "holds"),
        ("S1 = 1.4", None, [0.0, None], "inconclusive"),
    ]
    assert [one["missing_seeds"] for one in found["settings"]] == [0, 20]


def test_a_question_of_ours_has_an_answer_beside_its_verdict() -> None:
    asked: dict[str, Any] = {"form": "ours", "answer": YES_NO}
    for estimate, verdict, answer in (
        (Interval(0.05, 0.04, 0.06, 20), "holds", "yes"),
        (Interval(0.5, 0.4, 0.6, 20), "fails", "no"),
        (Interval(0.1, 0.0, 0.2, 20), "inconclusive", "open"),
    ):
        found = judged_as(estimate, **asked)
        assert (found.verdict, found.answer, found.is_ours) == (verdict, answer, True)
        assert found.to_json()["answer"] == answer
    assert not judged_as(Interval(0.05, 0.04, 0.06, 20)).is_ours


@pytest.mark.parametrize(
    ("exponent", "limit", "measured", "verdict", "answer"),
    [
        (2.0, "large", 2.0, "holds", "tight"),
        (2.0, "large", 0.7, "fails", "looser by K^1.3"),  # c·K² is that much more than is needed
        (2.0, "large", 2.5, "fails", "what is needed grows faster than the law, by K^0.5 over this range"),
        (-1.0, "small", -0.4, "fails", "looser by K^−0.6"),
        (-1.0, "small", -1.6, "fails", "what is needed grows faster than the law, by K^−0.6 over this range"),
        (-1.0, "large", -2.0, "fails", "looser by K^1.0"),
        (2.0, "large", 0.7, "inconclusive", "open"),
        (2.0, "large", math.nan, "inconclusive", "open"),
        (2.0, "large", math.nan, "fails", "open"),
    ],
)
def test_how_tight_a_law_is(exponent: float, limit: Any, measured: float, verdict: Any, answer: str) -> None:
    estimate = Interval(measured, measured - 0.1, measured + 0.1, 20)
    assert tightness(exponent, "K", limit=limit)(estimate, verdict) == answer


@pytest.mark.parametrize(
    ("symbol", "power"),
    [("K", "K^1.3"), ("M1", "M1^1.3"), ("α'", "α'^1.3"), ("1/ε", "(1/ε)^1.3"), ("M1·√log M1", "(M1·√log M1)^1.3")],
)
def test_only_a_symbol_of_more_than_two_letters_stands_in_brackets(symbol: str, power: str) -> None:
    estimate = Interval(0.7, 0.6, 0.8, 20)
    assert tightness(2.0, symbol, limit="large")(estimate, "fails") == f"looser by {power}"
