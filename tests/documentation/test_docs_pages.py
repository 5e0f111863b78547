"""Pages that are made from code say what the code says, and committed pictures are current."""

from __future__ import annotations

import json
import math
import re

import jsonschema
import pytest
from documentation.made_pages import DOCS, ROOT, module_at
from PIL import Image

from iclscope.claims.paper import PAPERS
from iclscope.study.experiment import experiments_of

tables = module_at("docs/generate/paper_tables.py")
gallery = module_at("docs/gallery.py")
VERDICTS = json.loads((DOCS / "verdicts.json").read_text(encoding="utf-8"))
NOTES = json.loads((DOCS / "gallery.json").read_text(encoding="utf-8"))
SCHEMA = json.loads((DOCS / "schemas" / "claims.schema.json").read_text(encoding="utf-8"))
OWN = [paper.name for paper in PAPERS.values() if paper.package.startswith("iclscope.")]


@pytest.mark.parametrize("name", OWN)
def test_every_paper_has_a_page_with_its_parts(name: str) -> None:
    page = (DOCS / "papers" / f"{name}.md").read_text(encoding="utf-8")
    assert f"made/parts/{name}_facts.md" in page
    assert f"made/parts/{name}_measured.md" in page
    assert name in (DOCS / "papers" / "index.md").read_text(encoding="utf-8")
    if name != "comparison":
        assert "## What nobody knows" in page
        assert page.count("$$") >= 2


def test_the_table_over_papers_counts_as_the_verdicts_do() -> None:
    rows = [line.split(" | ") for line in tables.overview(DOCS).splitlines()[2:]]
    assert len(rows) == len(PAPERS)
    for cells, name in zip(rows, PAPERS, strict=True):
        chosen = [one for one in VERDICTS if one["paper"] == name]
        if chosen:
            held = sum(one["verdict"] == "holds" and one["form"] != "ours" for one in chosen)
            assert int(cells[1]) == held


def test_a_paper_that_was_not_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "records", lambda _docs: [])
    assert "not run" in tables.overview(DOCS)
    assert "No whole run" in tables.measured(PAPERS["li2024"], DOCS)


def test_what_is_written_as_claims_json_is_what_the_schema_says() -> None:
    written = sorted((ROOT / "tests" / "study" / "made_by_0_3_0").glob("*/claims.json"))
    assert written
    for path in written:
        records = json.loads(path.read_text(encoding="utf-8"))
        names = SCHEMA["items"]["required"]
        older = [{**dict.fromkeys(("form", "answer"), None), **record} for record in records]
        for record in older:
            record["form"] = record["form"] or "exact"  # 0.3.0 had no forms
        jsonschema.validate(older, SCHEMA)
        assert all(set(names) <= set(record) for record in older)


def test_the_schema_refuses_what_is_no_claim() -> None:
    with pytest.raises(jsonschema.ValidationError, match="required"):
        jsonschema.validate([{"paper": "li2024"}], SCHEMA)


@pytest.mark.parametrize("note", NOTES, ids=lambda note: f"{note['paper']}-{note['figure']}")
def test_pictures_of_the_gallery_are_small_and_of_figures_that_exist(note: dict[str, object]) -> None:
    path = DOCS / "images" / "gallery" / f"{note['paper']}-{note['figure']}.png"
    assert path.stat().st_size < 60_000
    with Image.open(path) as picture:
        assert picture.width <= gallery.WIDEST
    assert note["figure"] in {experiment.name for experiment in experiments_of(str(note["paper"]))}


@pytest.mark.parametrize("note", [note for note in NOTES if note["full"]], ids=lambda note: note["figure"])
def test_pictures_are_of_runs_that_agree_with_the_verdicts(note: dict[str, object]) -> None:
    """Another machine rounds differently; an estimate outside the interval of the verdicts is of another version."""
    told = {one["id"]: one for one in VERDICTS if one["paper"] == note["paper"]}
    estimates = note["estimates"]
    assert isinstance(estimates, dict)
    for name, estimate in estimates.items():
        if name in told and estimate is not None:
            low, high = (
                (math.inf * sign if end is None else end)
                for sign, end in zip((-1, 1), told[name]["interval"], strict=True)
            )
            assert low - 0.01 * abs(low) <= estimate <= high + 0.01 * abs(high), name


def test_there_is_no_picture_of_a_figure_that_the_gallery_does_not_tell_of() -> None:
    there = {path.stem for path in (DOCS / "images" / "gallery").glob("*.png")}
    assert there == {f"{note['paper']}-{note['figure']}" for note in NOTES}


def test_the_moving_picture_is_small_and_moves() -> None:
    path = DOCS / "images" / "playground.gif"
    assert path.stat().st_size < 1_000_000
    with Image.open(path) as picture:
        assert picture.n_frames > 10  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["alt", "src"])
def test_every_iframe_and_picture_says_what_it_shows(name: str) -> None:
    """Pictures in Markdown have words for those who do not see them."""
    for page in DOCS.rglob("*.md"):
        if "made" not in page.parts and name == "alt":
            assert not re.search(r"!\[\]\(", page.read_text(encoding="utf-8")), page
        elif name == "src":
            assert 'src="http' not in page.read_text(encoding="utf-8"), page
