"""von Oswald 2023: rows made up so that a claim is true, or false; the verdict must follow, the control fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble

from iclscope.papers.vonoswald2023 import alignment, deep, distractors, interleaved, loss, ood, sine
from iclscope.papers.vonoswald2023.settings import CODE, RANGES, TEXT, UNTRAINED
from iclscope.study.experiment import experiments_of

Rows = list[dict[str, Any]]


def per_seed(**values: Any) -> Rows:
    """One row per seed; numbers of quantities differ a little between seeds."""
    names = {"loss", "ratio", "difference", "cosine", "distance", "interpolated", "gamma", "neighbour"}
    return [
        {"seed": seed}
        | {name: value * (1 + wobble(seed, 1e-3)) if name in names else value for name, value in values.items()}
        for seed in SEEDS
    ]


def loss_rows(ratio: float = 1.004, difference: float = 1e-15) -> pl.DataFrame:
    rows: Rows = []
    for name in RANGES:
        rows += per_seed(arm="trained", range=name, step=0, ratio=2.0)
        rows += per_seed(arm="trained", range=name, step=500, ratio=ratio)
        rows += per_seed(arm=loss.SLOWER, range=name, step=0, ratio=1.04)
        rows += per_seed(arm=loss.CONSTRUCTED, range=name, difference=difference)
        rows += per_seed(arm=loss.BY_A_MILLIONTH, range=name, difference=1e-6)
    return pl.DataFrame(rows)


def alignment_rows(cosine: float = 0.998, distance: float = 0.05, interpolated: float = 1.0) -> pl.DataFrame:
    rows: Rows = []
    for name in RANGES:
        start = {"range": name, "step": 0, "cosine": 0.01, "distance": 1.0, "ratio": 2.0, "interpolated": 9.0}
        end = {"range": name, "step": 500, "cosine": cosine, "distance": distance, "ratio": 1.0}
        rows += [*per_seed(arm="trained", **start), *per_seed(arm=UNTRAINED, **start)]
        rows += per_seed(arm="trained", **end, interpolated=interpolated)
        rows += per_seed(arm=alignment.ASCENT, **end, interpolated=2.0)
    return pl.DataFrame(rows)


def deep_rows(
    plus: float = 0.11, recurrent: float = 0.112, own: float = 0.1, gamma: float = 0.175, exact: float = 1e-15
) -> pl.DataFrame:
    rows: Rows = []
    right = {deep.GD: 0.157, deep.PLUS: 0.11, deep.RECURRENT: 0.112, deep.DEEP: 0.1}
    found = {deep.GD: 0.157, deep.PLUS: plus, deep.RECURRENT: recurrent, deep.DEEP: own}
    arms = {
        "trained": {},
        deep.ONE_LAYER: {deep.RECURRENT: 0.206, deep.DEEP: 0.206},
        deep.NO_GAMMA: {deep.PLUS: 2.0},
        deep.OTHER_RANGE: {},
    }
    for (arm, changed), (method, value), layers in product(arms.items(), found.items(), deep.LAYERS):
        of_arm = 0.0435 if arm == deep.OTHER_RANGE else gamma
        # What a case makes false is so at one K alone.
        loss = changed.get(method, value if layers == 4 else min(value, right[method]))
        rows += per_seed(arm=arm, method=method, layers=layers, loss=loss, gamma=of_arm, short=False)
    for arm, value in ((deep.EXACT, exact), (deep.EXACT_PLUS, exact), (deep.OFF, 1e-6), (deep.OFF_PLUS, 1e-6)):
        rows += per_seed(arm=arm, difference=value, short=False)
    return pl.DataFrame(rows, infer_schema_length=None)


def ood_rows(inputs: float = 1.01, tasks: float = 1.01) -> pl.DataFrame:
    rows: Rows = []
    for changed, ratio in ((ood.INPUTS, inputs), (ood.TASKS, tasks)):
        for scale in (1.0, 2.0):
            apart = scale == 2.0
            rows += per_seed(arm="trained", changed=changed, scale=scale, ratio=ratio if apart else 1.0)
            rows += per_seed(arm=ood.READJUSTED, changed=changed, scale=scale, ratio=0.1 if apart else 1.0)
            rows += per_seed(arm=ood.UNCHANGED, changed=changed, scale=scale, ratio=1.05)
    return pl.DataFrame(rows)


def copy_rows(neighbour: float = 0.5, ratio: float = 0.95) -> pl.DataFrame:
    rows = per_seed(arm="trained", step=0, neighbour=0.05, ratio=2.0)
    rows += per_seed(arm=UNTRAINED, step=0, neighbour=0.05, ratio=2.0)
    return pl.DataFrame(rows + per_seed(arm="trained", step=800, neighbour=neighbour, ratio=ratio))


def sine_rows(waves: str, own: float = 0.1, distance: float = 0.05) -> pl.DataFrame:
    """The other kind of waves is all wrong."""
    rows: Rows = []
    for kind in sine.WAVES:
        right = kind == waves
        at = {"waves": kind, "rule": sine.ATTENTION}
        rows += per_seed(arm="trained", **at, loss=own if right else 0.5, distance=distance if right else 0.5)
        rows += per_seed(arm=UNTRAINED, **at, loss=1.0, distance=1.0)
        rows += per_seed(arm=sine.NO_MLP, **at, loss=0.95)
        for arm in ("trained", sine.NO_MLP):
            rows += per_seed(arm=arm, waves=kind, rule=sine.DESCENT, loss=0.1)
    return pl.DataFrame(rows)


def distractor_rows(ratio: float = 1.003) -> pl.DataFrame:
    """The ratio is what is said at one number of distractors alone."""
    rows: Rows = []
    for count in distractors.COUNTS:
        rows += per_seed(arm="trained", noise_answers=count, ratio=ratio if count == 6 else 1.002)
        rows += per_seed(arm=distractors.ZERO, noise_answers=count, ratio=2.0 - count / 8)
    return pl.DataFrame(rows)


class Case(NamedTuple):
    """A claim, the rows in which it is true, and what makes it false."""

    figure: str
    claim: str
    rows: Callable[..., pl.DataFrame]
    false: dict[str, float]


CASES = [
    Case("loss", "loss-code", loss_rows, {"ratio": 1.03}),
    Case("loss", "loss-text", loss_rows, {"ratio": 0.95}),
    Case("loss", "construction-one-layer", loss_rows, {"difference": 1e-9}),
    *(
        Case("alignment", f"alignment-{what}-{name}", alignment_rows, false)
        for name in ("code", "text")
        for what, false in (
            ("cosine", {"cosine": 0.98}),
            ("prediction", {"distance": 0.2}),
            ("interpolation", {"interpolated": 1.1}),
        )
    ),
    Case("deep", "construction-gd", deep_rows, {"exact": 1e-9}),
    Case("deep", "construction-gd-plus-plus", deep_rows, {"exact": 1e-9}),
    Case("deep", "deep-gd-plus-plus", deep_rows, {"plus": 0.156}),
    Case("deep", "deep-gamma", deep_rows, {"gamma": 0.1}),
    Case("deep", "deep-recurrent-gd", deep_rows, {"recurrent": 0.17}),
    Case("deep", "deep-recurrent-gd-plus-plus", deep_rows, {"recurrent": 0.13}),
    Case("deep", "deep-own-weights-gd", deep_rows, {"own": 0.17}),
    Case("ood", "ood-inputs", ood_rows, {"inputs": 1.3}),
    Case("ood", "ood-tasks", ood_rows, {"tasks": 1.05}),
    Case("copy", "copy-attention", copy_rows, {"neighbour": 0.2}),
    Case("copy", "copy-loss", copy_rows, {"ratio": 1.2}),
    *(
        Case("sine", f"sine-{what}-{id}", partial(sine_rows, waves), false)
        for id, waves in (("code", sine.TIED), ("free", sine.FREE))
        for what, false in (("loss", {"own": 0.2}), ("descent", {"distance": 0.3}))
    ),
    Case("distractors", "distractors-loss", distractor_rows, {"ratio": 1.1}),
]


def test_every_claim_has_a_case() -> None:
    claims = [claim.id for experiment in experiments_of("vonoswald2023") for claim in experiment.claims]
    assert sorted(one.claim for one in CASES) == sorted(claims)
    assert interleaved.EXPERIMENT.name == "copy"
    assert list(RANGES) == [CODE, TEXT]


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.claim)
def test_the_verdict_follows_the_rows_and_the_control_fails(one: Case) -> None:
    true = judged(one.figure, one.claim, one.rows(), paper="vonoswald2023")
    false = judged(one.figure, one.claim, one.rows(**one.false), paper="vonoswald2023")
    assert (true.verdict, false.verdict) == ("holds", "fails"), (true.estimate, false.estimate)
    for found in (true, false):
        assert found.control_verdict == "fails", found.control_estimate
        assert found.estimate.seeds == found.control_estimate.seeds == len(SEEDS)


def test_a_short_training_leaves_the_comparison_with_gd_plus_plus_open() -> None:
    rows = deep_rows(recurrent=0.13).with_columns(short=pl.col("arm") == "trained")
    found = judged("deep", "deep-recurrent-gd-plus-plus", rows, paper="vonoswald2023")
    assert (found.verdict, found.control_verdict) == ("inconclusive", "fails")
    better = deep_rows(recurrent=0.1).with_columns(short=pl.col("arm") == "trained")
    assert judged("deep", "deep-recurrent-gd-plus-plus", better, paper="vonoswald2023").verdict == "holds"
