"""The numbers that README and docs tell of verdicts come from one file, which is about today's claims."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from iclscope.study.experiment import PAPERS, experiments_of

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def verdicts() -> Iterator[ModuleType]:
    """The script that writes them; docs/ is no package."""
    spec = importlib.util.spec_from_file_location("verdicts", ROOT / "docs" / "verdicts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def records(verdicts: ModuleType) -> list[dict[str, Any]]:
    """What was found."""
    found: list[dict[str, Any]] = json.loads(verdicts.NUMBERS.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def minutes(verdicts: ModuleType) -> dict[str, float]:
    """How long each paper took."""
    found: dict[str, float] = json.loads(verdicts.RUNS.read_text(encoding="utf-8"))["minutes"]
    return found


def test_readmes_and_page_are_as_the_script_writes_them(
    verdicts: ModuleType, records: list[dict[str, Any]], minutes: dict[str, float]
) -> None:
    for path, language in ((verdicts.README, "en"), (verdicts.README_ZH, "zh")):
        readme = path.read_text(encoding="utf-8")
        assert readme == verdicts.with_summary(readme, records, minutes, language)
    assert verdicts.PAGE.read_text(encoding="utf-8") == verdicts.page(records, minutes)


def test_minutes_are_the_sum_of_what_figures_took(verdicts: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "li2024"
    folder.mkdir()
    figures = {"attention": {"seconds": 90.0}, "iterations": {"seconds": 30.0}}
    (folder / "run.json").write_text(json.dumps({"settings": {"paper": "li2024"}, "figures": figures}))
    assert verdicts.minutes_of(tmp_path) == {"li2024": 2.0}


def test_they_are_about_the_claims_that_are_made_today(records: list[dict[str, Any]]) -> None:
    made = {
        (paper, experiment.name, claim.id): (claim.form, claim.statement)
        for paper in PAPERS
        for experiment in experiments_of(paper)
        for claim in experiment.claims
    }
    told = {(one["paper"], one["figure"], one["id"]): (one["form"], one["statement"]) for one in records}
    assert told == made


def test_claims_of_papers_and_questions_of_ours_are_counted_apart(
    verdicts: ModuleType, records: list[dict[str, Any]]
) -> None:
    claims, questions = (verdicts.counts(records, ours=ours).total() for ours in (False, True))
    assert claims + questions == len(records)
    assert questions == sum(one["form"] == "ours" for one in records)
    last = verdicts.summary(records, {}).splitlines()[-1]
    assert last.startswith(f"| all | {claims} |")


def test_a_paper_whose_verdict_changes_changes_the_texts(verdicts: ModuleType, records: list[dict[str, Any]]) -> None:
    other = [{**records[0], "verdict": "fails" if records[0]["verdict"] != "fails" else "holds"}, *records[1:]]
    assert verdicts.summary(other, {}) != verdicts.summary(records, {})
    assert verdicts.page(other, {}) != verdicts.page(records, {})
