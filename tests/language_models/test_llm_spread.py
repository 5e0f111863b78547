"""Margins, areas, paired differences and variance components, against numbers that were put in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from iclscope.language_models.evaluation.rows import AS_GIVEN
from iclscope.language_models.evaluation.spread import (
    area_under_curve,
    components,
    margins,
    paired_text,
    spread_text,
)

CLASSES = ("a", "b", "c")


def test_components_are_those_that_were_put_in() -> None:
    numbers = np.random.default_rng(0)
    sizes = {"queries": 2.0, "draws": 1.0, "rest": 0.5}
    values = (
        numbers.normal(0, sizes["queries"], (1, 300))
        + numbers.normal(0, sizes["draws"], (300, 1))
        + numbers.normal(0, sizes["rest"], (300, 300))
    )
    found, total = components(values), sum(size**2 for size in sizes.values())
    assert found is not None
    assert sum(found) == pytest.approx(1)
    for name, size in sizes.items():
        assert getattr(found, name) == pytest.approx(size**2 / total, abs=0.06)


def test_no_components_of_one_draw_or_of_answers_that_are_all_the_same() -> None:
    assert components(np.array([[0.0, 1.0]])) is None
    assert components(np.ones((3, 4))) is None


def made(shots: int, scores: np.ndarray, labels: list[str], *, draw: int = 0) -> pl.DataFrame:
    right = [CLASSES[at] == label for at, label in zip(scores.argmax(axis=1), labels, strict=True)]
    return pl.DataFrame(
        {
            "arm": AS_GIVEN, "selector": "balanced", "shots": shots, "draw": draw, "query": range(len(labels)),
            "label": labels, "score_sum": scores.tolist(), "calibrated_correct": right,
        }
    )  # fmt: skip


def test_margins_written_out() -> None:
    rows = made(1, np.array([[-1.0, -3.0, -2.0], [-1.0, -3.0, -2.5]]), ["a", "b"])
    assert margins(rows, CLASSES)["margin"].to_list() == [1.0, -2.0]


def test_areas_rank_and_do_not_mind_a_favourite() -> None:
    labels = ["a", "b", "c"] * 4
    scores = np.array([[0.0 if kind == label else -1.0 for kind in CLASSES] for label in labels])
    assert area_under_curve(made(1, scores, labels), CLASSES) == 1.0
    biased = made(1, scores + np.array([5.0, 0.0, 0.0]), labels)
    assert area_under_curve(biased, CLASSES) == 1.0
    assert biased["calibrated_correct"].sum() == 4
    assert area_under_curve(made(1, np.zeros((12, 3)), labels), CLASSES) == 0.5
    assert np.isnan(area_under_curve(made(1, scores[:1], labels[:1]), CLASSES))


def test_tables_tell_each_setting_and_differences_from_the_fewest_shots() -> None:
    labels = ["a", "b", "c"] * 10
    numbers = np.random.default_rng(0)
    perfect = np.array([[0.0 if kind == label else -1.0 for kind in CLASSES] for label in labels])
    rows = pl.concat(
        made(shots, perfect if shots == 4 else numbers.normal(size=(30, 3)), labels, draw=draw)
        for shots in (2, 4)
        for draw in range(3)
    )
    assert [row[0] for row in spread_text(rows, CLASSES).rows] == ["2", "4"]
    paired = paired_text(rows)
    assert paired is not None
    ((name, _, told),) = paired.rows
    gain = 100 * (1 - rows.filter(pl.col("shots") == 2)["calibrated_correct"].mean())  # type: ignore[operator]
    assert name == "4 less 2"
    assert told.startswith(f"{gain:.1f} [")
    assert paired_text(rows.filter(pl.col("shots") == 2)) is None
