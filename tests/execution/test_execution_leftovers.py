"""What killed processes left behind is removed when it is old, and nothing else is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from sweeps.sweep_processes import yaml_of
from sweeps.sweep_runs import run_here

from iclscope.core.files import OLD, remove_leftovers
from iclscope.sweeps.file.sweep_file import load_sweep

HEX = "0123456789abcdef" * 2
LEFT = (f".a.parquet.{HEX}.unfinished", ".a.parquet.4711", ".a.png.4711.tmp", f".{HEX}.lock")
OURS = ("a.parquet", ".hidden", ".a.parquet", "a.unfinished", "unfinished-a.safetensors", "a.lock")


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_old_ones_go_and_all_else_stays(tmp_path: Path) -> None:
    for name in (*LEFT, *OURS):
        (tmp_path / name).write_text("half", encoding="utf-8")
        age(tmp_path / name, OLD + 60)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / LEFT[0]).write_text("half", encoding="utf-8")
    age(tmp_path / "below" / LEFT[0], OLD + 60)
    remove_leftovers([tmp_path, tmp_path / "not-there"])
    assert {path.name for path in tmp_path.iterdir()} == {*OURS, "below"}
    assert (tmp_path / "below" / LEFT[0]).exists()


@pytest.mark.parametrize("name", LEFT)
def test_new_ones_stay(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("half", encoding="utf-8")
    remove_leftovers([tmp_path])
    assert (tmp_path / name).exists()


def test_a_sweep_tidies_its_folders(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml_of(lengths=2, shares=2, seeds=1), encoding="utf-8")
    sweep = load_sweep(tmp_path / "small.yaml")
    run_here(sweep, tmp_path / "out")
    folders = [tmp_path / "out" / name for name in (".", "training", "store", "store/rows", "store/trained")]
    for folder in folders:
        (folder / LEFT[0]).write_text("half", encoding="utf-8")
        age(folder / LEFT[0], OLD + 60)
    run_here(sweep, tmp_path / "out")
    assert not [folder for folder in folders if (folder / LEFT[0]).exists()]
