"""The comparison of selectors: its rows, α', claims and page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from iclscope.claims.claim import JudgedClaim
from iclscope.core.errors import BadRequest
from iclscope.language_models.evaluation.rows import AS_GIVEN, OTHER_PATTERNS, SHUFFLED
from iclscope.language_models.measurement import MeasurementResult, measure
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selection.claims import select_claims
from iclscope.language_models.selection.figure import select_figure, select_text, shots_text
from iclscope.language_models.selection.measurement import Selection
from iclscope.language_models.settings import SELECTORS, ModelSource, SelectorOptions, SelectSettings, TextMeasurement

SETTINGS = SelectSettings(shots=(1, 2), options=SelectorOptions(patterns=3, candidates=60))


@pytest.fixture(scope="module")
def prepared(tiny_llama_folder: Path) -> Prepared:
    return prepare(TextMeasurement(model=ModelSource(name=str(tiny_llama_folder)), queries=6, draws=2))


@pytest.fixture(scope="module")
def folder(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return RunFolder(tmp_path_factory.mktemp("select"), {**prepared.noted(), **SETTINGS.model_dump(mode="json")})


@pytest.fixture(scope="module")
def done(prepared: Prepared, folder: RunFolder) -> MeasurementResult[pl.DataFrame]:
    return measure(Selection(prepared, SETTINGS, folder, explain=1))


def test_all_selectors_and_controls_are_measured(done: MeasurementResult[pl.DataFrame]) -> None:
    found = done.rows.group_by("arm", "selector", "shots").len()
    assert (found["len"] == 2 * 6).all()
    given = found.filter(pl.col("arm") == AS_GIVEN)
    assert set(given.select("selector", "shots").rows()) == {(name, shots) for name in SELECTORS for shots in (1, 2)}
    others = set(found.filter(pl.col("arm") != AS_GIVEN).select("arm", "selector", "shots").rows())
    assert others == {(OTHER_PATTERNS, "pattern", 1), (OTHER_PATTERNS, "pattern", 2), (SHUFFLED, "pattern", 2)}


def test_alpha_is_the_share_of_demonstrations_with_the_pattern(
    prepared: Prepared, done: MeasurementResult[pl.DataFrame]
) -> None:
    seen = Selection(prepared, SETTINGS).seen
    for row in done.rows.iter_rows(named=True):
        kinds = [seen.pool_patterns[place] for place in row["demonstrations"]]
        assert row["pattern"] == seen.query_patterns[row["query"]]
        assert row["alpha"] == pytest.approx(np.mean([kind == row["pattern"] for kind in kinds]))


def test_the_selector_pattern_has_the_largest_alpha_of_all(done: MeasurementResult[pl.DataFrame]) -> None:
    """Of all with balanced labels; others may share more by leaving the balance."""
    share = {key: part["alpha"].mean() for key, part in done.rows.group_by("arm", "selector")}
    assert share[AS_GIVEN, "pattern"] > share[AS_GIVEN, "balanced"] > share[OTHER_PATTERNS, "pattern"] == 0


def test_a_finished_comparison_is_not_measured_again(
    prepared: Prepared, folder: RunFolder, done: MeasurementResult[pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclscope.language_models.evaluation.rows.fitted_answers", None)
    again = RunFolder(folder.path, {**prepared.noted(), **SETTINGS.model_dump(mode="json")})
    assert measure(Selection(prepared, SETTINGS, again)).rows.equals(done.rows)


def test_an_explanation_names_what_was_taken_and_why(done: MeasurementResult[pl.DataFrame]) -> None:
    (table,) = done.explained
    assert [row[0] for row in table.rows] == [name for name in SELECTORS for _ in range(2)]
    for name, text, label, why, pattern, shares in table.rows:
        assert text
        assert label
        assert pattern in ("0", "1", "2")
        assert (why == "chance") == (name in ("random", "balanced"))
        assert (shares == "yes") == (f"of pattern {pattern};" in table.caption)


def test_the_page_and_the_claims_are_written(folder: RunFolder, done: MeasurementResult[pl.DataFrame]) -> None:
    page = (folder.path / "report.html").read_text(encoding="utf-8")
    assert "Shots for the same accuracy" in page
    assert "Demonstrations of query 2" in page
    claims = json.loads((folder.path / "claims.json").read_text(encoding="utf-8"))
    assert [claim["id"] for claim in claims] == ["select-pattern", "select-alpha", "select-shots"]
    assert (folder.path / "selectors.pdf").is_file()
    assert len(done.tables) == 2


@pytest.mark.parametrize("selectors", [("bm25",), ("pattern",), ("balanced", "random")])
def test_with_fewer_selectors_there_is_no_claim(
    selectors: tuple[str, ...], done: MeasurementResult[pl.DataFrame]
) -> None:
    controls = [OTHER_PATTERNS, SHUFFLED] if "pattern" in selectors else []
    rows = done.rows.filter(
        ((pl.col("arm") == AS_GIVEN) & pl.col("selector").is_in(selectors)) | pl.col("arm").is_in(controls)
    )
    assert select_claims(rows) == []
    assert select_figure(rows).finding
    assert select_text(rows).rows
    assert len(shots_text(rows).rows) == len(selectors) + ("pattern" in selectors)


def planted(gain: float, shots: tuple[int, ...] = (2, 4, 8, 16)) -> pl.DataFrame:
    """Rows whose error falls with α' as planted, and with shots."""
    numbers = np.random.default_rng(0)
    found = []
    for arm, selector, low, high in (
        (AS_GIVEN, "balanced", 0.2, 0.4),
        (AS_GIVEN, "pattern", 0.9, 1.0),
        (OTHER_PATTERNS, "pattern", 0.0, 0.0),
    ):
        for number in shots:
            query, draw = (each.ravel() for each in np.meshgrid(range(800), range(3), indexing="ij"))
            alpha = numbers.uniform(low, high, size=len(query))
            right = numbers.uniform(size=len(query)) < 0.5 + 0.05 * math.log2(number) + gain * (alpha - 0.3)
            found.append(
                pl.DataFrame({"query": query, "draw": draw, "alpha": alpha, "calibrated_correct": right}).select(
                    pl.lit(arm).alias("arm"),
                    pl.lit(selector).alias("selector"),
                    pl.lit(number).alias("shots"),
                    pl.all(),
                    alpha_elsewhere=pl.Series(numbers.permutation(alpha)) * 0 + numbers.uniform(0, 1, size=len(query)),
                )
            )
    return pl.concat(found)


def by_id(claims: list[JudgedClaim]) -> dict[str, JudgedClaim]:
    return {claim.claim.id: claim for claim in claims}


def test_claims_hold_where_patterns_help_and_their_controls_fail() -> None:
    claims = by_id(select_claims(planted(0.3)))
    assert {name: claim.verdict for name, claim in claims.items()} == dict.fromkeys(claims, "holds")
    assert {name: claim.control_verdict for name, claim in claims.items()} == dict.fromkeys(claims, "fails")
    assert claims["select-alpha"].estimate.value == pytest.approx(-0.3, abs=0.03)


def test_claims_fail_where_patterns_do_nothing_or_harm() -> None:
    nothing = by_id(select_claims(planted(0.0)))
    assert nothing["select-alpha"].verdict == "fails"
    assert nothing["select-shots"].verdict != "holds"
    assert nothing["select-pattern"].verdict != "holds"
    harm = by_id(select_claims(planted(-0.3)))
    assert {claim.verdict for claim in harm.values()} == {"fails"}
    assert harm["select-shots"].estimate.value == -math.inf
    assert harm["select-shots"].to_json()["estimate"] is None


def test_one_number_of_shots_says_nothing_of_shots_needed() -> None:
    assert list(by_id(select_claims(planted(0.3, (4,))))) == ["select-pattern", "select-alpha"]


def test_a_number_that_is_not_reached_is_said_so() -> None:
    rows = planted(-0.3).with_columns(correct=pl.col("calibrated_correct"))
    table = {row[0]: row for row in shots_text(rows).rows}
    assert table["pattern"][2:4] == ("not reached with 16", "–")
    assert float(table["balanced"][3]) == 1
    assert table["other patterns"][4] == "–"  # an α' of 0 would take for ever


def test_what_cannot_be_measured_is_refused(prepared: Prepared) -> None:
    few = SelectSettings(shots=(8,), options=SelectorOptions(candidates=4))
    with pytest.raises(BadRequest, match="--shots: expected at most 4, the number of candidates"):
        Selection(prepared, few)
    many = SelectSettings(shots=(2,), options=SelectorOptions(candidates=20, patterns=21))
    with pytest.raises(BadRequest, match="--patterns: expected at most 20"):
        Selection(prepared, many)
    with pytest.raises(BadRequest, match="--shots"):
        SelectSettings(shots=(0,))
    with pytest.raises(BadRequest, match="--selector: expected"):
        SelectSettings(selectors=("best",))


def test_units_without_the_selector_pattern_shuffle_the_first(prepared: Prepared) -> None:
    found = Selection(prepared, SelectSettings(shots=(2, 4), selectors=("bm25", "random"))).arms([0])
    assert [name for arm, name, _, _ in found if arm == SHUFFLED] == ["bm25"]
    assert not any(arm == OTHER_PATTERNS for arm, _, _, _ in found)
