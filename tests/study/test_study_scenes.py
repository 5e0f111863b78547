"""The playground stands beside the report, and figures link their scenes in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from study.tiny import put_in_place, tiny_experiment

from iclscope.papers.li2024.scenes import SCENES
from iclscope.playground.build import is_ours
from iclscope.study.reproduce import reproduce


def test_a_figure_with_a_scene_links_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [tiny_experiment("attention", position=1), tiny_experiment("other", position=2)])
    reproduce("li2024", out=tmp_path, seeds=2, device="cpu")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("playground.html") == 1
    assert f'href="playground.html#{SCENES["attention"].replace("&", "&amp;")}"' in page
    assert is_ours(tmp_path / "playground.html")


def test_without_scenes_there_is_no_playground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [tiny_experiment("other", position=1)])
    reproduce("li2024", out=tmp_path, seeds=2, device="cpu")
    assert not (tmp_path / "playground.html").exists()
