"""When a finished figure is made again, and that two commands in one folder do not forget each other's figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from study.tiny import put_in_place, reproduce_module, tiny_experiment

from iclscope.core.errors import BadRequest
from iclscope.study.experiment import Experiment
from iclscope.study.progress import NullProgress
from iclscope.study.reproduce import planned, reproduce
from iclscope.training.trained import TrainedGroup

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

ASKED: dict[str, Any] = {"seeds": 2, "device": "cpu"}


def forbidden(*_arguments: object, **_settings: object) -> NoReturn:
    raise AssertionError("this trains again")


def figure_of(file: Path, text: str) -> Experiment:
    """A figure whose drawing and sentence stand in a file."""
    file.write_text(text, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(text, str(file), "exec"), names)
    return replace(tiny_experiment(), draw=names["draw"], finding=names["finding"])


BEFORE = "def draw(figure, rows):\n    figure.subplots()\n\ndef finding(rows):\n    return 'As it was.'\n"


def test_a_figure_is_made_again_without_training_when_its_code_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, code = tmp_path / "out", tmp_path / "figure.py"
    put_in_place(monkeypatch, [figure_of(code, BEFORE)])
    reproduce("li2024", out=out, **ASKED)
    drawn = (out / "tiny.png").stat().st_mtime_ns
    reproduce("li2024", out=out, **ASKED)
    assert (out / "tiny.png").stat().st_mtime_ns == drawn, "nothing has changed"
    put_in_place(monkeypatch, [figure_of(code, BEFORE.replace("As it was.", "As it is."))])
    monkeypatch.setattr("iclscope.execution.jobs.train_trials", forbidden)
    done = reproduce("li2024", out=out, **ASKED)
    assert (out / "tiny.png").stat().st_mtime_ns > drawn
    assert "As it is." in done.report.read_text(encoding="utf-8")


def test_redraw_measures_and_draws_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    plain = tiny_experiment()

    def measure(group: TrainedGroup[Any], preset: Any) -> pl.DataFrame:
        measured.append(len(group.trials))
        return plain.measure(group, preset)

    put_in_place(monkeypatch, [replace(plain, measure=measure)])
    reproduce("li2024", out=tmp_path, **ASKED)
    monkeypatch.setattr("iclscope.execution.jobs.train_trials", forbidden)
    reproduce("li2024", out=tmp_path, **ASKED)
    assert measured == [2]
    reproduce("li2024", out=tmp_path, redraw=True, **ASKED)
    assert measured == [2, 2]


def test_a_second_command_in_the_folder_is_refused_while_the_first_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place(monkeypatch, [tiny_experiment()])
    first = planned("li2024", out=tmp_path, **ASKED)
    with first.folder.reserved(), pytest.raises(BadRequest, match=r"out = .*another iclscope command is at work in it"):
        reproduce("li2024", out=tmp_path, **ASKED)
    assert reproduce("li2024", out=tmp_path, **ASKED).missing == []


def test_a_command_that_was_planned_earlier_forgets_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [tiny_experiment("first"), tiny_experiment("second", position=2)])
    later = planned("li2024", figures=["second"], out=tmp_path, **ASKED)
    reproduce("li2024", figures=["first"], out=tmp_path, **ASKED)
    with later.folder.reserved():
        reproduce_module._reproduced("li2024", later, NullProgress(), force=False, redraw=False)
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert sorted(run["figures"]) == ["first", "second"]
    assert {claim["figure"] for claim in json.loads((tmp_path / "claims.json").read_text())} == {"first", "second"}
