"""What a release and the lowest versions are made of: contents of archives, the changelog, the citation."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml
from documentation.made_pages import ROOT, module_at
from packaging.requirements import Requirement

release = module_at("release/release.py")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_metadata_is_complete() -> None:
    assert {"name", "version", "description", "readme", "license", "license-files", "urls", "classifiers"} <= set(
        PROJECT
    )
    pythons = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    assert min(pythons, key=lambda text: int(text[2:])) == PROJECT["requires-python"].removeprefix(">=")


def test_everything_has_a_lowest_version() -> None:
    """`make test-lowest` can only hold ranges that begin somewhere."""
    for line in PROJECT["dependencies"]:
        assert any(part.operator == ">=" for part in Requirement(line).specifier), line


def test_the_citation_has_what_the_format_asks_for() -> None:
    """The keys that CFF 1.2.0 requires; `make release` validates the rest by its schema."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    assert all({"type", "title", "authors"} <= set(one) for one in CITATION["references"])
    assert str(CITATION["version"]) == PROJECT["version"]


def test_what_is_missing_from_an_archive_is_named() -> None:
    names = ["iclscope-1/pyproject.toml", "iclscope-1/tests/test_a.py"]
    assert release.missing(names, ("pyproject.toml", "tests", "docs"), 1) == ["docs"]
    assert release.missing(["iclscope/__init__.py"], ("iclscope/__init__.py",), 0) == []


def test_the_changelog_of_this_version_is_found() -> None:
    assert release.changes(PROJECT["version"])
    with pytest.raises(SystemExit, match="no section"):
        release.changes("99.0")


def test_what_a_person_must_still_decide_is_said() -> None:
    assert "Repository" in release.advice({"urls": {"Paper": "https://arxiv.org"}})
    assert release.advice({"urls": {"Repository": "https://example.org"}}) == ""
