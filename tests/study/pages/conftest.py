"""Judged claims and reports made up for the tests of this folder. Fixtures return the functions that make them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Form, JudgedClaim, Region, judge
from iclscope.claims.families import ForAll
from iclscope.claims.intervals import Interval
from iclscope.study.pages.page import FigureSection, Report

ANSWER = answered(holds="tight", fails="not tight")
FAR = Interval(7.0, 6.5, 7.5, 5)
NOTHING = Interval(math.nan, -math.inf, math.inf, 0)


def _judged(
    name: str,
    estimate: Interval,
    expected: Region,
    *,
    control: Interval = FAR,
    statement: str = "Attention concentrates.",
    settings: ForAll | None = None,
    form: Form = "exact",
    reference: str | None = None,
) -> JudgedClaim:
    """A claim with the verdict that its numbers give, or those of several settings; a question of ours is answered."""
    claim = Claim(
        id=name,
        form=form,
        statement=statement,
        source="Theorem 3",
        quantity="share of attention",
        expected=expected,
        reason="Corollary 1",
        estimate=lambda _: estimate,
        control=Control("untrained weights", "untrained"),
        reference=reference,
        answer=ANSWER if form == "ours" else None,
    )
    verdict = judge(estimate if settings is None else settings, expected)
    return JudgedClaim(
        "li2024",
        "fig3",
        claim,
        estimate,
        verdict,
        control,
        judge(control, expected),
        measured=estimate if settings is None else settings,
        answer=None if claim.answer is None else claim.answer(estimate, verdict),
    )


def _section(name: str, *claims: JudgedClaim, svg: str = "<svg></svg>") -> FigureSection:
    """A figure with these claims."""
    return FigureSection(
        name=name,
        title=f"Figure {name}",
        caption="Error against length.",
        finding="",
        settings={"d": "30"},
        svg=svg,
        claims=claims,
        seconds=12.0,
        notes=["1 run of 40 diverged at step 12"],
    )


def _report(*figures: FigureSection, missing: tuple[str, ...] = (), unasked: tuple[str, ...] = ()) -> Report:
    """A report of these figures."""
    return Report(
        over="iclscope report on li2024",
        title="How do nonlinear transformers learn?",
        citation="Li et al., ICML 2024. https://arxiv.org/abs/2402.15607",
        facts="Preset quick, 5 seeds per setting",
        figures=figures,
        missing=missing,
        unasked=unasked,
        environment={"torch": "2.11.0"},
        about={"Model": "one layer & a half", "Data": "patterns < 3"},
    )


@pytest.fixture
def judged() -> Callable[..., JudgedClaim]:
    """``judged(name, estimate, expected)``: a claim with the verdict that its numbers give."""
    return _judged


@pytest.fixture
def section() -> Callable[..., FigureSection]:
    """``section(name, *claims)``: a figure."""
    return _section


@pytest.fixture
def report() -> Callable[..., Report]:
    """``report(*figures)``: a report."""
    return _report


@pytest.fixture
def claims() -> list[JudgedClaim]:
    """One claim of every verdict, and one of which nothing could be measured."""
    return [
        _judged("concentration", Interval(0.97, 0.95, 0.99, 5), Region(0.9, 1.0)),
        _judged("rate", Interval(-0.67, -0.72, -0.62, 5), Region(-0.6, -0.4)),
        _judged("single-seed", Interval(0.3, -math.inf, math.inf, 1), Region(0.2, 0.4)),
        _judged("undefined", NOTHING, Region(high=0.05)),
    ]


@pytest.fixture
def questions() -> list[JudgedClaim]:
    """Questions of ours, one with either answer."""
    return [
        _judged("tight", Interval(2.0, 1.9, 2.1, 20), Region(1.8, 2.2), form="ours", statement="Is it tight?"),
        _judged("loose-law", Interval(1.0, 0.9, 1.1, 20), Region(1.8, 2.2), form="ours", statement="Is it loose?"),
    ]


@pytest.fixture
def unproven() -> JudgedClaim:
    """A claim whose control holds too."""
    return _judged("loose", Interval(0.01, 0.0, 0.02, 5), Region(high=0.5), control=Interval(0.1, 0.05, 0.15, 5))
