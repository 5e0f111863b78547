"""Draws are added until the claims are decided, and the looks share one error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iclscope import language_models
from iclscope.claims.claim import Region, judge
from iclscope.claims.crossed import at_level, crossed_level, crossed_rate_difference
from iclscope.claims.intervals import LEVEL
from iclscope.core.errors import BadRequest
from iclscope.language_models.evaluation import measurement as evaluation
from iclscope.language_models.looks import LOOK_LEVEL
from iclscope.language_models.settings import LOOKS, PruneSettings, TextMeasurement

EDGE = 0.05


def ever_decided(numbers: np.random.Generator, level: float) -> bool:
    """One experiment whose quantity lies on the edge of its region: whether a look decides it, which is wrong.

    Answers to 60 queries with and without demonstrations; queries differ, and draws differ in how much they help.
    """
    queries = numbers.normal(0, 0.15, 60)
    draws = numbers.normal(EDGE, 0.05, LOOKS[-1])
    shown = numbers.random((LOOKS[-1], 60)) < 0.6 + queries + draws[:, None]
    none = np.broadcast_to(numbers.random(60) < 0.6 + queries, shown.shape)
    with at_level(level):
        for look in LOOKS:
            found = crossed_rate_difference(shown[:look].astype(float), none[:look].astype(float))
            if judge(found, Region(low=EDGE)) != "inconclusive":
                return True
    return False


def test_at_most_one_null_experiment_in_twenty_is_ever_decided() -> None:
    numbers = np.random.default_rng(0)
    wrong = sum(ever_decided(numbers, LOOK_LEVEL) for _ in range(400)) / 400
    assert wrong <= 0.05
    numbers = np.random.default_rng(0)
    assert sum(ever_decided(numbers, 0.5) for _ in range(50)) / 50 > 0.3  # an experiment can be decided


def test_an_effect_is_decided() -> None:
    numbers = np.random.default_rng(0)
    shown, none = numbers.random((4, 200)) < 0.9, numbers.random((4, 200)) < 0.5
    with at_level(LOOK_LEVEL):
        found = crossed_rate_difference(shown.astype(float), none.astype(float))
    assert judge(found, Region(low=EDGE)) == "holds"
    assert found.high - found.low > np.ptp(crossed_rate_difference(shown.astype(float), none.astype(float))[1:3])
    assert crossed_level() == LEVEL


@pytest.mark.usefixtures("figures_are_not_drawn")
@pytest.mark.parametrize(("decided_at", "asked_for"), [(4, [4]), (16, [4, 8, 16]), (99, [4, 8, 16, 32])])
def test_it_stops_when_all_claims_are_decided_and_goes_on_with_what_was_measured(
    decided_at: int, asked_for: list[int], tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_rows = evaluation.evaluate_claims

    def judged(rows: Any) -> Any:
        draws = rows.filter(rows["shots"] > 0)["draw"].n_unique()
        (claim,) = judge_rows(rows)
        return [language_models_claim(claim, "holds" if draws >= decided_at else "inconclusive")]

    monkeypatch.setattr(evaluation, "evaluate_claims", judged)
    asked: dict[str, Any] = {"shots": (0, 1), "queries": 3, "until_decided": True, "out": tmp_path / "out"}
    done = language_models.evaluate(str(tiny_llama_folder), **asked)
    noted = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert [look["draws"] for look in noted["looks"]] == asked_for
    assert done.rows.filter(done.rows["shots"] > 0)["draw"].n_unique() == asked_for[-1]
    assert any("Draws were added until the claims were decided" in note for note in done.notes)
    again = {**asked, "until_decided": False, "draws": asked_for[-1], "out": tmp_path / "again"}
    assert language_models.evaluate(str(tiny_llama_folder), **again).rows.equals(done.rows)


@pytest.mark.usefixtures("figures_are_not_drawn")
def test_a_smaller_model_is_saved_once_whatever_the_number_of_looks(tiny_llama_folder: Path, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"rates": 0.5, "scores": "magnitude", "shots": 2, "prompts": 2, "texts": 2, "timings": 0}
    save = language_models.Save(tmp_path / "smaller", 0.5, "magnitude")
    asked: dict[str, Any] = {"settings": PruneSettings(**quick), "save": save, "queries": 3, "until_decided": True}
    saved = language_models.measure_pruning(str(tiny_llama_folder), **asked).saved
    assert saved.folder == save.folder
    assert (save.folder / "config.json").is_file()


def language_models_claim(claim: Any, verdict: str) -> Any:
    """The same claim with another verdict."""
    from dataclasses import replace

    return replace(claim, verdict=verdict)


def test_a_number_of_draws_and_until_decided_are_two_wishes() -> None:
    assert TextMeasurement(model="m", until_decided=True).draws == LOOKS[-1]
    with pytest.raises(BadRequest, match="--draws: expected nothing with --until-decided"):
        TextMeasurement(model="m", until_decided=True, draws=5)
