"""A figure that fails takes no other with it, and files and notes that are not a figure's own are not taken for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from study.tiny import put_in_place, reproduce_module, tiny_experiment

from iclscope.cli.main import main
from iclscope.core.errors import StorageFailed
from iclscope.study.experiment import Experiment
from iclscope.study.reproduce import IncompleteReproduction, reproduce

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

GOOD, BAD, LAST = "first", "second", "third"


def broken(*_arguments: Any, **_settings: Any) -> NoReturn:
    raise ZeroDivisionError("cannot read https://me:p@ss@h/x")


def experiments(**changes: Any) -> list[Experiment]:
    """Three figures; the second is changed."""
    made = [tiny_experiment(name, position=number) for number, name in enumerate((GOOD, BAD, LAST))]
    made[1] = replace(made[1], **changes)
    return made


@pytest.mark.parametrize("stage", ["measure", "draw", "finding"])
def test_a_figure_that_fails_takes_no_other_with_it(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place(monkeypatch, experiments(**{stage: broken}))
    with pytest.raises(IncompleteReproduction, match="second: ZeroDivisionError") as incomplete:
        reproduce("li2024", out=tmp_path, seeds=2)
    done = incomplete.value.reproduction
    assert list(done.failed) == [BAD]
    assert done.missing == [BAD]
    assert {claim.figure for claim in done.claims} == {GOOD, LAST}
    assert {entry["figure"] for entry in json.loads((tmp_path / "claims.json").read_text())} == {GOOD, LAST}
    trace = (tmp_path / "trained" / f"failed-{BAD}.txt").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in trace
    assert "p@ss" not in trace + str(incomplete.value)

    times = {name: (tmp_path / f"{name}.parquet").stat().st_mtime_ns for name in (GOOD, LAST)}
    put_in_place(monkeypatch, experiments())
    again = reproduce("li2024", out=tmp_path, seeds=2)
    assert (again.missing, dict(again.failed)) == ([], {})
    assert {name: (tmp_path / f"{name}.parquet").stat().st_mtime_ns for name in times} == times
    assert stage == "finding" or not list((tmp_path / "trained").glob("failed-*"))


def test_the_command_tells_it_and_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, experiments(draw=broken))
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["reproduce", "li2024", "--seeds", "2", "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr()
    failed, last = output.err.splitlines()
    assert failed.startswith("failed: second: ZeroDivisionError: cannot read https://***@h/x")
    assert last.startswith("iclscope: what did not fail is finished")
    assert "6 claims" in output.out
    assert "Not made yet: second" in output.out


def test_a_full_disk_ends_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_settings: Any) -> NoReturn:
        raise OSError(28, "No space left on device")

    put_in_place(monkeypatch, experiments())
    monkeypatch.setattr("iclscope.study.folder.save_figure", full)
    with pytest.raises(StorageFailed, match="No space left on device"):
        reproduce("li2024", out=tmp_path, seeds=2)


def test_ctrl_c_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: Any, **_settings: Any) -> NoReturn:
        raise KeyboardInterrupt

    put_in_place(monkeypatch, experiments())
    monkeypatch.setattr(reproduce_module, "new_figure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduce("li2024", out=tmp_path, seeds=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three figures, to be copied."""
    folder = tmp_path_factory.mktemp("made") / "out"
    with pytest.MonkeyPatch.context() as patch:
        put_in_place(patch, experiments())
        reproduce("li2024", out=folder, seeds=2)
    return folder


@pytest.fixture
def finished(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be damaged."""
    put_in_place(monkeypatch, experiments())
    shutil.copytree(made, tmp_path / "out")
    return tmp_path / "out"


def other_seeds(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(seed=pl.col("seed") + 7)


def other_columns(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"x": [1]})


def other_types(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("hinge_risk").cast(pl.String))


def no_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.clear()


@pytest.mark.parametrize("change", [other_seeds, other_columns, other_types, no_rows])
def test_a_foreign_parquet_under_a_figures_name_is_made_again(
    change: Callable[[pl.DataFrame], pl.DataFrame], finished: Path
) -> None:
    file = finished / f"{BAD}.parquet"
    rows, claims = pl.read_parquet(file.read_bytes()), (finished / "claims.json").read_bytes()
    change(rows).write_parquet(file)
    assert reproduce("li2024", out=finished, seeds=2).missing == []
    assert pl.read_parquet(file.read_bytes()).equals(rows)
    assert (finished / "claims.json").read_bytes() == claims


def test_the_rows_of_another_figure_are_not_the_figures(finished: Path) -> None:
    file = finished / f"{BAD}.parquet"
    whole = file.read_bytes()
    file.write_bytes((finished / f"{GOOD}.parquet").read_bytes())
    reproduce("li2024", out=finished, seeds=2)
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("figures", [1, 2]),
        ("figures", {BAD: 3}),
        ("figures", {BAD: {"fingerprint": 3, "seconds": "long", "trials": None}}),
        ("figures", None),
        ("environment", [1]),
        ("environment", {"device": ["cpu"]}),
    ],
)
def test_a_note_of_another_shape_is_as_good_as_none(name: str, value: object, finished: Path) -> None:
    run = json.loads((finished / "run.json").read_text())
    (finished / "run.json").write_text(json.dumps({**run, name: value}))
    assert reproduce("li2024", out=finished, seeds=2).missing == []
    after = json.loads((finished / "run.json").read_text())
    assert set(after["figures"]) == {GOOD, BAD, LAST}
    assert after["environment"] == run["environment"]
