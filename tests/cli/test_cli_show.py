"""`iclscope show`: tables and slopes of a real small sweep and of made-up ones, and what is refused."""

from __future__ import annotations

import io
import math
import os
import pty
import re
import sys
from pathlib import Path

import polars as pl
import pytest
from refusals import says
from sweeps.made_results import made_rows, write_results

from iclscope.claims.formats import format_interval, format_number
from iclscope.claims.intervals import mean_interval
from iclscope.cli.main import main

TINY = """
question: Does a larger share help?
paper: li2024
base:
  task: {M1: 4, M2: 6, d_X: 10, d_Y: 6, length: 8}
  model: {d_X: 10, d_Y: 6, width: 12}
  training: {steps: 4, batch_size: 8}
vary:
  task.alpha: [0.2, 0.4, 0.8]
  task.length: [4, 8]
seeds: 2
tests:
  unseen: {task: {tasks: unseen}, vary: {alpha: [0.5, 0.9]}, prompts: 16}
  easy: {task: {alpha: 1.0}, prompts: 16}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that was really run."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    assert main(["sweep", str(folder / "tiny.yaml"), "--out", str(folder / "out")]) == 0
    return folder / "out"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["show", *map(str, arguments)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["show", *map(str, arguments)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


def test_a_real_sweep_is_shown_with_its_numbers(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, swept)
    first, question, *_ = text.splitlines()
    assert first == "tiny: 12 trials, 2 seeds"
    assert question == "Does a larger share help?"
    rows = pl.read_parquet(swept / "rows.parquet")
    cell = rows.filter(
        (pl.col("test") == "unseen")
        & (pl.col("task.alpha") == 0.4)
        & (pl.col("task.length") == 8)
        & (pl.col("test.alpha") == 0.9)
    )
    risk = mean_interval(cell["hinge_risk"].to_list())
    line = rf"^ 0\.4 +8 +0\.9 +{re.escape(format_number(risk.value))} {re.escape(format_interval(risk))} .* 2 *$"
    assert re.search(line, text, re.MULTILINE), text
    assert text.index("test unseen") < text.index("test easy")
    assert len(re.findall(r"^ task\.alpha +task\.length = [48], test\.alpha = 0\.[59] ", text, re.MULTILINE)) == 4
    assert " No slopes against task.length, test.alpha: fewer than 3 positive values." in text
    assert "95 % interval over seeds" in text
    assert "least squares of log against log" in text
    assert not set("\x1b\r━") & set(text)


def test_other_settings_are_averaged_over_and_that_is_said(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, swept, "--by", "task.alpha", "--test", "unseen", "--metric", "hinge_risk")
    assert "test unseen, averaged over task.length and test.alpha\n" in text
    rows = pl.read_parquet(swept / "rows.parquet").filter((pl.col("test") == "unseen") & (pl.col("task.alpha") == 0.2))
    risk = mean_interval(rows.group_by("seed").agg(pl.col("hinge_risk").mean())["hinge_risk"].to_list())
    assert f" 0.2         {format_number(risk.value)} {format_interval(risk)} " in text
    assert "classification_error" not in text
    assert "easy" not in text


def test_csv_has_every_number_in_full(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, swept, "--csv")
    table = pl.read_csv(io.StringIO(text))
    assert table.height == 6 * 2 + 6
    rows = pl.read_parquet(swept / "rows.parquet").filter(pl.col("test") == "easy")
    own = rows.group_by("task.alpha", "task.length", maintain_order=True).agg(pl.col("hinge_risk").mean())
    assert table.filter(pl.col("test") == "easy")["hinge_risk"].to_list() == pytest.approx(own["hinge_risk"].to_list())


def test_steps_and_lost_runs_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = made_rows(
        {"training.learning_rate": [0.1, 0.2, 0.4]},
        lambda seed, training_learning_rate, **_: {
            "squared_error": math.nan if (seed, training_learning_rate) == (0, 0.4) else 0.5 + seed,
            "diverged_at": 3 if (seed, training_learning_rate) == (0, 0.4) else None,
            "stopped_at": None if seed == 0 else round(10 / training_learning_rate),
        },
    )
    text = shown(capsys, write_results(tmp_path / "made", rows))
    assert text.startswith("made: 9 trials, 1 of which diverged, 3 seeds\nWhy?\n")
    training, test = text.split("test own-task")
    assert re.search(r"^ 0\.1 +100 \[.*∞\] \(2 of 3\) +3 *$", training, re.MULTILINE), training
    assert re.search(r"^ training\.learning_rate +−1 \[−∞, ∞\] \(2 of 3\) *$", training, re.MULTILINE), training
    assert re.search(r"^ 0\.4 +2 \[.*\] \(2 of 3\) +3 +1 *$", test, re.MULTILINE), test
    assert "(k of n): the other seeds diverged" in text


def test_long_tables_are_cut_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = made_rows({"task.n": range(1, 51), "task.m": range(1, 41)}, lambda **_: {"squared_error": 0.5}, seeds=1)
    folder = write_results(tmp_path, rows)
    text = shown(capsys, folder)
    assert " … and 1,970 more of 2,000 points: --all shows every one, --csv as CSV\n" in text
    assert " … and 60 more of 90 slopes: --all shows every one\n" in text
    assert len(text.splitlines()) < 80
    assert "One seed alone has no interval." in text
    text = shown(capsys, folder, "--all")
    assert "more of" not in text
    assert len(text.splitlines()) > 2000 + 90


def test_many_tests_are_cut_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = [made_rows({"task.n": [1, 2]}, lambda **_: {"squared_error": 0.5}, test=f"t{i}") for i in range(25)]
    folder = write_results(tmp_path, pl.concat(tables))
    text = shown(capsys, folder)
    assert text.count("\ntest t") == 10
    assert "… and 15 more tests" in text
    assert shown(capsys, folder, "--test", "t20").count("\ntest t") == 1


def test_odd_values_cannot_act_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = made_rows({"task.name": ["\x1b[31mred\n[bold]x", "é" * 200]}, lambda **_: {"squared_error": 0.5})
    text = shown(capsys, write_results(tmp_path, rows, name="\x1b]0;x\x07"))
    assert "\x1b" not in text
    assert "?[31mred?[bold]x" in text
    assert "é" * 39 + "…" in text


def test_nothing_is_cut_where_there_is_no_terminal(
    swept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = shown(capsys, swept)
    assert re.search(
        r"^ task\.alpha +task\.length +test\.alpha +hinge_risk +classification_error +seeds *$", text, re.M
    )


@pytest.mark.parametrize(("columns", "tables"), [(60, 2), (200, 1)])
def test_a_narrow_terminal_gets_a_table_per_metric(
    columns: int, tables: int, swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real terminal, that says it has so many columns."""
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["show", str(swept), "--test", "easy"]) == 0
        monkeypatch.undo()
        terminal.flush()
        content = os.read(ours, 65_536)
    os.close(ours)
    text = re.sub(r"\x1b\[[\d;]*m", "", content.decode())
    points = [line for line in text.splitlines() if re.match(r" 0\.4 +8 ", line)]
    assert len(points) == tables
    assert "…" not in text
    assert b"\x1b[1mhinge_risk" in content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "alhpa"], ("--by = 'alhpa'", "task.alpha", "did you mean")),
        (["--by", "alpha"], ("--by = 'alpha' could be task.alpha or test.alpha; write one of them",)),
        (["--by", "task.alpha,"], ("--by = 'task.alpha,'",)),
        (["--metric", "hinge"], ("--metric = 'hinge'", "did you mean hinge_risk?")),
        (["--metric", "stopped_at"], ("--metric = 'stopped_at'", "hinge_risk, classification_error")),
        (["--test", "unsen"], ("--test = 'unsen'", "unseen, easy", "did you mean unseen?")),
        (["--everything"], ("--everything",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_cannot_be_asked(
    arguments: list[str], words: tuple[str, ...], swept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, swept, *arguments)
    for word in words:
        assert says(error, word), error


def test_folders_without_a_sweep_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert says(refused(capsys, tmp_path / "nothing"), "DIR = ")
    assert "has no sweep.json" in refused(capsys, tmp_path)
    folder = write_results(tmp_path / "made", made_rows({}, lambda **_: {"squared_error": 1.0}))
    assert "this holds" in refused(capsys, tmp_path)
    assert "own-task" in shown(capsys, folder)  # a sweep that varies nothing has one point
    (folder / "rows.parquet").unlink()
    assert "no rows yet" in refused(capsys, folder)
