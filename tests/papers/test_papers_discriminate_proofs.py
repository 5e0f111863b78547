"""Claims on what the proofs of Li 2024 say: rows made up so that a claim is true, or false; the verdict must follow."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import polars as pl
import pytest
from claims.made_up import SEEDS, judged, wobble

from iclscope.claims.claim import Verdict
from iclscope.papers.li2024.neurons import pruning_sizes, s1_argument
from iclscope.papers.li2024.neurons.neuron_kinds import LOST, LUCKY, SHUFFLED
from iclscope.papers.li2024.settings import IN_DOMAIN, OUT_OF_DOMAIN
from iclscope.study.experiment import experiments_named

FIGURES = ("s1-argument", "attn-filter", "neuron-kinds", "pruning-sizes")


class Case(NamedTuple):
    figure: str
    claim: str
    rows: pl.DataFrame
    verdict: Verdict


def line_rows(straight: float, of_stated: float, at_large: float) -> pl.DataFrame:
    """Fits of lines in S1, and pre-activations that are so many times those in domain at S1 > 1."""
    rows: list[dict[str, object]] = []
    for arm, seed in product(("trained", "untrained"), SEEDS):
        fit = (straight, of_stated * s1_argument.STATED) if arm == "trained" else (0.1, -0.5)
        rows.append(
            {"arm": arm, "seed": seed, "kind": "fit", "straight": fit[0] + wobble(seed, 1e-3), "of_offset": fit[1]}
        )
        for S1 in s1_argument.S1_VALUES:
            ratio = (at_large if S1 > 1 else 0.5) + wobble(seed, 1e-3)
            rows.append({"arm": arm, "seed": seed, "kind": "line", "S1": S1, "ratio": ratio})
    return pl.DataFrame(rows, infer_schema_length=None)


def filter_rows(cosine: float, label: float, irrelevant: float, before: float = 0.4) -> pl.DataFrame:
    """The attention's output in domain; out of domain nothing is as claimed."""
    rows = []
    for arm, seed, domain in product(("trained", "untrained"), SEEDS, (IN_DOMAIN, OUT_OF_DOMAIN)):
        values = (cosine, label, irrelevant) if arm == "trained" else (0.7, 0.1, before)
        if domain == OUT_OF_DOMAIN:
            values = (0.2, 0.2, 2.0)
        cos, along, rest = (value + wobble(seed, 1e-3) for value in values)
        measures = {"pattern_cosine": cos, "label": along, "irrelevant_norm": rest, "change": rest - before}
        rows.append({"arm": arm, "seed": seed, "domain": domain, **measures})
    return pl.DataFrame(rows)


def kind_rows(three: float, by_sign: float, lucky: float, gain: float) -> pl.DataFrame:
    """Shares of neurons by kind, and what luck does."""
    rows: list[dict[str, object]] = []
    for seed in SEEDS:
        own = wobble(seed, 1e-3)
        rows += [
            {"arm": "trained", "seed": seed, "three": three + own, "by_sign": by_sign + own},
            {"arm": "untrained", "seed": seed, "three": 0.0, "by_sign": 0.0},
            {"arm": LUCKY, "seed": seed, "lucky_share": lucky + own, "gain": gain + own},
            {"arm": SHUFFLED, "seed": seed, "lucky_share": lucky + own, "gain": own},
            {"arm": LOST, "seed": seed, "lucky_share": 0.02 + own},
        ]
    return pl.DataFrame(rows, infer_schema_length=None)


def size_rows(rise: float, exponent: float, at_many: float = 1.0) -> pl.DataFrame:
    """What removing the small group costs, at 12 relevant and 48 irrelevant patterns so many times as much."""
    rows = []
    sizes = [(M1, 24) for M1 in pruning_sizes.M1_VALUES] + [(6, M2) for M2 in pruning_sizes.M2_VALUES if M2 != 24]
    for arm, seed, (M1, M2) in product(("trained", pruning_sizes.LARGE), SEEDS, sizes):
        cost = rise * (at_many if M1 == 12 or M2 == 48 else 1.0) if arm == "trained" else 2.0
        norm = M2**exponent * (1 + wobble(seed, 1e-3))
        rows.append(
            {"arm": arm, "seed": seed, "M1": M1, "M2": M2, "hinge_rise": cost + wobble(seed, 1e-3), "norm": norm}
        )
    return pl.DataFrame(rows).with_columns(share=pl.lit(0.1))


CASES = [
    Case("s1-argument", "s1-argument-line", line_rows(0.97, 1.0, 1.1), "holds"),
    Case("s1-argument", "s1-argument-line", line_rows(0.6, 1.0, 1.1), "fails"),
    Case("s1-argument", "s1-argument-at-least", line_rows(0.97, 1.0, 1.1), "holds"),
    Case("s1-argument", "s1-argument-at-least", line_rows(0.97, 1.0, 0.9), "fails"),
    Case("s1-argument", "s1-argument-slope", line_rows(0.97, 1.1, 1.1), "holds"),
    Case("s1-argument", "s1-argument-slope", line_rows(0.97, 0.2, 1.1), "fails"),
    Case("attn-filter", "attn-filter-pattern", filter_rows(0.97, 0.9, 0.3), "holds"),
    Case("attn-filter", "attn-filter-pattern", filter_rows(0.8, 0.9, 0.3), "fails"),
    Case("attn-filter", "attn-filter-label", filter_rows(0.97, 0.9, 0.3), "holds"),
    Case("attn-filter", "attn-filter-label", filter_rows(0.97, 0.5, 0.3), "fails"),
    Case("attn-filter", "attn-filter-irrelevant", filter_rows(0.97, 0.9, 0.3), "holds"),
    Case("attn-filter", "attn-filter-irrelevant", filter_rows(0.97, 0.9, 0.8), "fails"),
    Case("attn-filter", "attn-filter-by-training", filter_rows(0.97, 0.9, 0.3), "holds"),
    Case("attn-filter", "attn-filter-by-training", filter_rows(0.97, 0.9, 0.5), "fails"),
    Case("neuron-kinds", "three-kinds", kind_rows(0.95, 0.99, 0.5, 0.7), "holds"),
    Case("neuron-kinds", "three-kinds", kind_rows(0.7, 0.99, 0.5, 0.7), "fails"),
    Case("neuron-kinds", "three-kinds-by-sign", kind_rows(0.95, 0.99, 0.5, 0.7), "holds"),
    Case("neuron-kinds", "three-kinds-by-sign", kind_rows(0.95, 0.6, 0.5, 0.7), "fails"),
    Case("neuron-kinds", "lucky-fraction", kind_rows(0.95, 0.99, 0.5, 0.7), "holds"),
    Case("neuron-kinds", "lucky-fraction", kind_rows(0.95, 0.99, 0.1, 0.7), "fails"),
    Case("neuron-kinds", "lucky-become-large", kind_rows(0.95, 0.99, 0.5, 0.7), "holds"),
    Case("neuron-kinds", "lucky-become-large", kind_rows(0.95, 0.99, 0.5, 0.1), "fails"),
    Case("pruning-sizes", "thm3.7-prune-small-M1", size_rows(0.05, -0.5), "holds"),
    # A constant of 1 is ours, so that more than the bound refutes nothing.
    Case("pruning-sizes", "thm3.7-prune-small-M1", size_rows(0.05, -0.5, at_many=20.0), "inconclusive"),
    Case("pruning-sizes", "thm3.7-prune-small-M2", size_rows(0.05, -0.5), "holds"),
    Case("pruning-sizes", "thm3.7-prune-small-M2", size_rows(0.05, -0.5, at_many=20.0), "inconclusive"),
    Case("pruning-sizes", "thm3.7-small-norm-M2", size_rows(0.05, -0.5), "holds"),
    Case("pruning-sizes", "thm3.7-small-norm-M2", size_rows(0.05, -0.1), "fails"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.claim}-{case.verdict}")
def test_the_verdict_follows_the_rows_and_the_control_fails(case: Case) -> None:
    found = judged(case.figure, case.claim, case.rows)
    assert found.verdict == case.verdict, found.estimate
    assert found.control_verdict == "fails", found.control_estimate


def test_every_claim_is_true_in_one_case_and_not_in_another() -> None:
    claims = {claim.id for experiment in experiments_named("li2024", FIGURES) for claim in experiment.claims}
    assert {case.claim for case in CASES if case.verdict == "holds"} == claims
    assert {case.claim for case in CASES if case.verdict != "holds"} == claims
