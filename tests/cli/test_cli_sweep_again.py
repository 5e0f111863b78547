"""`iclscope sweep`, run again: what is trained, found, tested, left out of the table, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from iclscope.cli.main import main

TINY = """
paper: li2024
base:
  task: {M1: 4, M2: 6, d_X: 10, d_Y: 6, length: 8}
  model: {d_X: 10, d_Y: 6, width: 12}
  training: {steps: 4, batch_size: 8}
vary:
  task.alpha: [0.2, 0.8]
  task.length: [4, 8]
seeds: 2
tests:
  unseen: {task: {tasks: unseen}, vary: {alpha: [0.5, 0.9]}, prompts: 16}
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder with one small sweep."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")


def test_a_second_run_trains_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "tiny.yaml", "--out", "out", "--engine", "local", "--device", "cpu"]
    assert main(command) == 0
    first = capsys.readouterr().out
    content = Path("out/rows.parquet").read_bytes()
    stored = {path: path.stat().st_mtime_ns for path in Path("out/store/rows").iterdir()}
    assert main(command) == 0
    second = capsys.readouterr().out
    assert "tiny: 8 trials (0 trained now, 8 found in the store), 16 rows" in second
    assert second == first.replace("8 trained", "0 trained").replace("0 found", "8 found")
    assert Path("out/rows.parquet").read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in Path("out/store/rows").iterdir()} == stored
    Path("tiny.yaml").write_text(TINY.replace("[0.2, 0.8]", "[0.2, 0.4, 0.8]"), encoding="utf-8")
    assert main(command) == 0
    assert "tiny: 12 trials (4 trained now, 8 found in the store), 24 rows" in capsys.readouterr().out
    assert pl.read_parquet("out/rows.parquet")["trial"].n_unique() == 12
    now = {path: path.stat().st_mtime_ns for path in Path("out/store/rows").iterdir()}
    assert {path: now[path] for path in stored} == stored, "what is there is not written again"


def test_trials_that_leave_the_table_are_told_of_and_stay_in_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the name of a sweep counts: the file may have changed, or be another one of that name."""
    assert main(["sweep", "tiny.yaml"]) == 0
    assert "Left out" not in capsys.readouterr().out
    Path("other").mkdir()
    Path("other/tiny.yaml").write_text(TINY.replace("[0.2, 0.8]", "[0.2, 0.4]"), encoding="utf-8")
    assert main(["sweep", "other/tiny.yaml"]) == 0
    told = "Left out: 4 trials of the table before, which this sweep does not have; what a store holds of them stays"
    assert f"{told} there." in capsys.readouterr().out.splitlines()
    assert pl.read_parquet("results/sweeps/tiny/rows.parquet")["task.alpha"].unique().sort().to_list() == [0.2, 0.4]
    assert main(["sweep", "tiny.yaml"]) == 0
    assert "tiny: 8 trials (0 trained now, 8 found in the store), 16 rows" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_a_damaged_table_is_written_anew(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "tiny.yaml", "--out", "out"]) == 0
    before = Path("out/rows.parquet").read_bytes()
    Path("out/rows.parquet").write_bytes(content)
    capsys.readouterr()
    assert main(["sweep", "tiny.yaml", "--out", "out"]) == 0
    assert "Left out" not in capsys.readouterr().out
    assert Path("out/rows.parquet").read_bytes() == before


def test_a_run_with_weights_says_what_was_only_tested(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "tiny.yaml", "--keep-weights"]
    assert main(command) == 0
    capsys.readouterr()
    Path("tiny.yaml").write_text(TINY + "  own: {prompts: 16}\n", encoding="utf-8")
    assert main(command) == 0
    told = "tiny: 8 trials (0 trained now, 8 only tested, 0 found in the store), 24 rows"
    assert capsys.readouterr().out.splitlines()[0] == told
