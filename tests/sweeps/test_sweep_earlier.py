"""What version 0.3.0 left behind is read, and nothing of it is trained again.

`made_by_0_3_0/` was made before the package was laid out in rooms (commit e303e87, which calls itself 0.3.0; the
release had no sweeps): ``iclscope sweep old.yaml --out sweep --keep-weights``; in ``sweep.json`` the store's path
was replaced.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from iclscope.cli.main import main
from iclscope.execution import jobs
from iclscope.execution.stores.row_store import TRAINED
from iclscope.execution.stores.store import TrialStore
from iclscope.sweeps.file.sweep_file import load_sweep

MADE = Path(__file__).with_name("made_by_0_3_0")
FILE = MADE / "old.yaml"


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sweep, where nothing can be trained."""

    def train_trials(*_: Any, **__: Any) -> None:
        raise AssertionError("it was trained already")

    monkeypatch.setattr(jobs, "train_trials", train_trials)
    return Path(shutil.copytree(MADE / "sweep", tmp_path / "sweep"))


def test_a_sweep_goes_on_in_its_folder(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(FILE), "--out", str(left), "--keep-weights"]) == 0
    output = capsys.readouterr()
    assert "2 trials (0 trained now, 2 found in the store), 2 rows" in output.out
    assert output.err == ""
    assert_frame_equal(pl.read_parquet(left / "rows.parquet"), pl.read_parquet(MADE / "sweep" / "rows.parquet"))


def test_its_store_serves_other_sweeps_and_other_tests(left: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(FILE.read_text(encoding="utf-8") + "  same: {prompts: 16}\n", encoding="utf-8")
    out = tmp_path / "out"
    assert main(["sweep", str(file), "--out", str(out), "--store", str(left / "store"), "--keep-weights"]) == 0
    rows = pl.read_parquet(out / "rows.parquet")
    assert rows.height == 4
    assert rows["hinge_risk"].is_finite().all()


def test_its_weights_are_those_of_its_trials(left: Path) -> None:
    trials = [planned.trial for planned in load_sweep(FILE).trials()]
    store = TrialStore(left / "store" / TRAINED)
    assert store.missing(trials) == []
    assert store.load(trials).model.W_Q.isfinite().all()


def test_its_table_is_shown(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(left)]) == 0
    assert "task.alpha" in capsys.readouterr().out
