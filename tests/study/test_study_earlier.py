"""What version 0.3.0 left behind goes on, is trained anew where its numbers are others, or is refused; nothing is lost.

`made_by_0_3_0/` holds what `reproduce` wrote of ``tiny_experiment()`` with two seeds, without pictures and report:
``released`` by the code that was released (commit 16dbfd3), ``before_rooms`` by that before the package was laid out in
rooms (e303e87), which calls itself 0.3.0 too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from study.tiny import put_in_place, tiny_experiment

from iclscope.core.errors import BadRequest
from iclscope.execution import jobs
from iclscope.study import folder as folder_module
from iclscope.study.folder import KINDS
from iclscope.study.reproduce import reproduce

MADE = Path(__file__).with_name("made_by_0_3_0")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trials that are trained, in this version that calls itself 0.3.0."""
    begun: list[str] = []
    train_trials = jobs.train_trials

    def noted(trials: Any, **settings: Any) -> Any:
        begun.extend(trial.hash for trial in trials)
        return train_trials(trials, **settings)

    monkeypatch.setattr(jobs, "train_trials", noted)
    monkeypatch.setattr(folder_module, "__version__", "0.3.0")
    put_in_place(monkeypatch, [tiny_experiment()])
    return begun


def left(version: str, folder: Path) -> Path:
    """A copy of what was left, with pictures of a kind."""
    copy = Path(shutil.copytree(MADE / version, folder / "out"))
    for kind in KINDS[:-1]:
        (copy / f"tiny.{kind}").write_text("old", encoding="utf-8")
    return copy


def test_trained_models_are_measured_and_drawn_again(begun: list[str], tmp_path: Path) -> None:
    """Which code had made the rows was not noted, and other claims may ask for other columns."""
    out = left("before_rooms", tmp_path)
    made = reproduce("li2024", seeds=2, out=out, device="cpu")
    assert begun == []
    assert [claim.verdict for claim in made.claims] == ["holds", "fails", "inconclusive"]
    assert (out / "tiny.png").read_bytes().startswith(b"\x89PNG")
    known = pl.read_parquet(MADE / "before_rooms" / "tiny.parquet")
    assert_frame_equal(pl.read_parquet(out / "tiny.parquet").select(known.columns), known)


def test_numbers_that_are_others_are_trained_anew_beside_the_old(begun: list[str], tmp_path: Path) -> None:
    out = left("released", tmp_path)
    old = {path.name: path.read_bytes() for path in (out / "trained").iterdir()}
    made = reproduce("li2024", seeds=2, out=out, device="cpu")
    assert len(begun) == 2
    assert [claim.verdict for claim in made.claims] == ["holds", "fails", "inconclusive"]
    kept = {path.name: path.read_bytes() for path in (out / "trained").glob("*.safetensors")}
    assert len(kept) == 4
    assert old.items() <= kept.items()


@pytest.mark.parametrize("version", ["before_rooms", "released"])
def test_a_later_version_says_what_to_do(
    version: str, begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "__version__", "0.4.0")
    out = left(version, tmp_path)
    with pytest.raises(BadRequest, match=r"iclscope 0\.3\.0.*choose another folder, or --force") as refusal:
        reproduce("li2024", seeds=2, out=out, device="cpu")
    assert "\n" not in str(refusal.value)
    assert (out / "tiny.png").read_text(encoding="utf-8") == "old"
    assert begun == []
