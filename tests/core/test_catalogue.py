"""The catalogue is made anew when a file changes, and does without a place to remember it."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclscope.core import catalogue
from iclscope.core.registry import PAPERS, source_files


def card(name: str, made: list[str]) -> catalogue.Card:
    made.append(name)
    return {"name": name, "position": len(made)}


def test_cards_are_made_once_and_again_when_a_file_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalogue.FOLDER, str(tmp_path))
    made: list[str] = []
    first = catalogue.cards(lambda name: card(name, made))
    assert sorted(made) == sorted(PAPERS.names())
    assert catalogue.cards(lambda name: card(name, made)) == first
    assert len(made) == len(first), "nothing is made twice"
    file = tmp_path / "changed.py"
    file.write_text("", encoding="utf-8")
    monkeypatch.setattr(catalogue, "source_files", lambda name: [*source_files(name), file])
    catalogue.cards(lambda name: card(name, made))
    assert len(made) == 2 * len(first)


def test_a_paper_alone_is_remembered_beside_others_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(catalogue.FOLDER, str(tmp_path))
    made: list[str] = []
    for names in (["li2024"], ["garg2022"], ["li2024", "garg2022"], []):
        assert [one["name"] for one in catalogue.cards(lambda name: card(name, made), names)] == names
    assert made == ["li2024", "garg2022"]
    for _ in range(2):
        catalogue.cards(lambda name: card(name, made) | {"broken": "its library is not there"}, ["huang2024"])
    assert made == ["li2024", "garg2022", "huang2024", "huang2024"]


def test_without_a_home_folder_the_list_is_made_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(catalogue, "cache_folder", homeless)
    made: list[str] = []
    for times in (1, 2):
        catalogue.cards(lambda name: card(name, made))
        assert len(made) == times * len(PAPERS.names())


def test_the_files_of_a_module_are_those_of_its_topmost_package() -> None:
    files = source_files("iclscope.papers.li2024")
    assert Path(catalogue.__file__) in files
    assert source_files("no_such_package_anywhere") == []
