"""Experiments that train in a fraction of a second, in place of the paper's; for the tests of the command line too."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import Interval
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.core.registry import PAPERS
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.models.softmax_relu import SoftmaxReLUConfig
from iclscope.plotting.style import curve
from iclscope.study.experiment import Experiment, Preset, paper_named
from iclscope.tasks.patterns import PatternClassification
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Evaluation, Training, Trial

# The module, whose functions are replaced, not the function of its name.
reproduce_module = importlib.import_module("iclscope.study.reproduce")
TASK = PatternClassification(M1=4, M2=6, d_X=10, d_Y=6, length=6)


def tiny_trials(preset: Preset, steps: int) -> list[Trial]:
    evaluation = Evaluation(on={"in-domain": TASK.replace(tasks="unseen")}, every=2, prompts=16)
    return [
        Trial(
            task=TASK,
            model=SoftmaxReLUConfig(d_X=10, d_Y=6, width=6),
            training=Training(steps=steps, batch_size=8),
            evaluation=evaluation,
            seed=seed,
        )
        for seed in preset.seeds
    ]


def tiny_rows(group: TrainedGroup, preset: Preset) -> pl.DataFrame:
    test = TASK.replace(tasks="unseen")
    rows = []
    for arm, model in (("trained", group.model), ("untrained", group.model.untrained())):
        risks = evaluate(model, test, prompts=64)
        rows.append(group.rows(arm=arm, width=6, prompts=64, **risks._asdict()))
    return pl.concat(rows)


def tiny_drawing(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots()
    points = summarise(rows, "width", "hinge_risk")
    curve(axes, points["width"], points["value"], points["low"], points["high"], label="risk", index=0)


def tiny_claim(name: str, expected: Region, *, measurable: bool = True) -> Claim:
    def estimate(rows: pl.DataFrame) -> Interval:
        return over_seeds(rows if measurable else rows.head(0), "hinge_risk")

    return Claim(
        id=name,
        form="exact",
        statement="Risks are positive < 2 & [small].",
        source="Nobody 2024, Theorem 1",
        quantity="hinge risk on unseen tasks",
        expected=expected,
        reason="a test",
        estimate=estimate,
        control=Control("the same models at their initial values", "untrained"),
    )


def tiny_experiment(name: str = "tiny", *, position: int = 1, steps: int = 4) -> Experiment:
    """Two claims that are decided whatever is measured, and one of which nothing is."""
    return Experiment(
        name=name,
        title=f"A tiny figure called {name}",
        caption="Hinge risk on unseen tasks.",
        position=position,
        trials=lambda preset: tiny_trials(preset, steps),
        measure=tiny_rows,
        claims=(
            tiny_claim(f"{name}-holds", Region(low=0.0)),
            tiny_claim(f"{name}-fails", Region(high=-1e6)),
            tiny_claim(f"{name}-open", Region(0.0, math.pi), measurable=False),
        ),
        draw=tiny_drawing,
        finding=lambda rows: f"The risk is {over_seeds(rows, 'hinge_risk').value:.3f}.",
        size=(3.0, 2.0),
    )


def put_in_place(monkeypatch: pytest.MonkeyPatch, experiments: Sequence[Experiment], *, paper: str = "li2024") -> None:
    """Let these experiments be all that a paper has."""
    only = replace(paper_named(paper), package="", figures=tuple(experiments))
    monkeypatch.setitem(PAPERS._loaded, paper, only)
