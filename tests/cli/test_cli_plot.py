"""`iclscope plot`: which file is written, which is never touched, and what is refused."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import polars as pl
import pytest
from refusals import says
from sweeps.made_results import made_rows, write_results

from iclscope.cli.main import main

TINY = """
paper: zhang2024
base: {training: {steps: 4, batch_size: 8}}
vary: {task.length: [5, 10, 20]}
seeds: 2
tests:
  longer: {vary: {length: [5, 20]}, prompts: 8}
  larger: {vary: {x_scale: [1, 2]}, prompts: 8}
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A made-up sweep of two tests, in ``made``."""
    monkeypatch.chdir(tmp_path)
    first = made_rows(
        {"task.alpha": [0.2, 0.8], "task.tasks": ["all", "cycle"], "test.alpha": [0.0, 0.5]},
        lambda seed, task_alpha, **_: {
            "hinge_risk": task_alpha + 0.1 * seed,
            "classification_error": 0.0,
            "stopped_at": 10 + seed,
        },
        test="first",
    )
    second = made_rows({"task.alpha": [0.2, 0.8], "task.tasks": ["all", "cycle"]}, lambda **_: {"hinge_risk": 1.0})
    write_results(Path("made"), pl.concat([first, second], how="diagonal_relaxed"))


def plotted(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["plot", *arguments]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(["plot", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    return output.err


def test_a_real_sweep_is_drawn_without_training(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")
    assert main(["sweep", "tiny.yaml", "--out", "out"]) == 0
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}
    lines = plotted(capsys, "out", "--x", "test.length", "--hue", "task.length", "--log", "xy")
    assert lines == [
        "Not shown: test larger has no test.length.",
        "Plot: out/plots/squared_error-by-test.length-task.length.png",
    ]
    assert plotted(capsys, "out") == ["Plot: out/plots/squared_error-by-task.length.png"]
    after = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} == {
        "squared_error-by-task.length.png",
        "squared_error-by-test.length-task.length.png",
    }
    # The sweep goes on in a folder that has plots.
    assert main(["sweep", "tiny.yaml", "--out", "out"]) == 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "hinge_risk-by-task.alpha.png"),
        (["--x", "tasks", "--y", "classification_error"], "classification_error-by-task.tasks.png"),
        (["--x", "tasks", "--hue", "task.alpha"], "hinge_risk-by-task.tasks-task.alpha.png"),
        (["--test", "first", "--log", "y"], "hinge_risk-by-task.alpha-on-first.png"),
        (["--y", "stopped_at"], "stopped_at-by-task.alpha.png"),
        (["--x", "test.alpha", "--hue", "tasks"], "hinge_risk-by-test.alpha-task.tasks.png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_file_is_named_after_what_it_shows(
    arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plotted(capsys, "made", *arguments)[-1] == f"Plot: made/plots/{name}"
    assert (Path("made/plots") / name).read_bytes().startswith(b"\x89PNG")


def test_our_own_files_are_replaced_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    for name, start in (("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")):
        assert plotted(capsys, "made", "--out", name) == [f"Plot: {name}"]
        first = Path(name).read_bytes()
        assert first.startswith(start)
        plotted(capsys, "made", "--out", name)
        assert Path(name).read_bytes() == first
        plotted(capsys, "made", "--x", "tasks", "--out", name)
        assert Path(name).read_bytes() != first
        edited = Path(name).read_bytes().replace(b"0", b"1", 1) + b"\n"
        Path(name).write_bytes(edited)
        assert "this one is left as it is" in refused(capsys, "made", "--out", name)
    Path("thesis.pdf").write_bytes(b"%PDF mine")
    assert says(refused(capsys, "made", "--out", "thesis.pdf"), "--out = 'thesis.pdf'")
    Path("made/plots").mkdir()
    Path("made/plots/hinge_risk-by-task.alpha.png").write_bytes(b"mine")
    assert "left as it is" in refused(capsys, "made")


def test_a_link_is_not_followed(capsys: pytest.CaptureFixture[str]) -> None:
    plotted(capsys, "made", "--out", "a.png")
    Path("link.png").symlink_to("a.png")
    Path("nowhere.png").symlink_to("not-there.png")
    for name in ("link.png", "nowhere.png"):
        assert says(refused(capsys, "made", "--out", name), f"--out = '{name}'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], ("DIR = 'nothing'", "does not exist")),
        (["."], ("DIR = '.'", "this holds made")),
        (["made", "--x", "task.alhpa"], ("--x = 'task.alhpa'", "did you mean task.alpha?")),
        (["made", "--x", "alpha"], ("--x = 'alpha' could be task.alpha or test.alpha; write one of them",)),
        (["made", "--x", "seed"], ("--x = 'seed'",)),
        (["made", "--y", "hinge_rsk"], ("--y = 'hinge_rsk'", "did you mean hinge_risk?")),
        (["made", "--y", "squared_error"], ("--y = 'squared_error'", "hinge_risk, classification_error, stopped_at")),
        (["made", "--x", "task.alpha", "--hue", "task.alpha"], ("--hue = 'task.alpha'", "another setting")),
        (["made", "--test", "frist"], ("--test = 'frist'", "did you mean first?")),
        (["made", "--test", "own-task", "--x", "test.alpha"], ("test own-task has no test.alpha",)),
        (["made", "--y", "stopped_at", "--x", "test.alpha"], ("--x = 'test.alpha'", "a setting of training")),
        (["made", "--y", "stopped_at", "--test", "first"], ("--test", "stopped_at")),
        (["made", "--log", "z"], ("--log = 'z'", "x, y, xy")),
        (["made", "--log", "x", "--x", "tasks"], ("--log = 'x'", "task.tasks is not a number")),
        (["made", "--log", "xy", "--x", "test.alpha"], ("--log = 'xy'", "has the value 0")),
        (["made", "--log", "y", "--y", "classification_error"], ("--log = 'y'", "never positive")),
        (["made", "--out", "a.jpg"], ("--out = 'a.jpg'", ".png, .pdf, .svg")),
        (["made", "--out", "a"], ("--out = 'a'",)),
        (["made", "--out", "no/such/a.png"], ("--out = 'no/such/a.png'", "no/such does not")),
        (["made", "--out", "made/rows.parquet"], ("--out = 'made/rows.parquet'",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_cannot_be_asked(arguments: list[str], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, *arguments)
    for word in words:
        assert says(error, word), error


def test_a_plots_folder_that_is_a_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("made/plots").write_bytes(b"mine")
    assert "a folder that can be written to" in refused(capsys, "made")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_is_read_only_is_refused_and_another_place_works(capsys: pytest.CaptureFixture[str]) -> None:
    Path("made").chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "a folder that can be written to" in refused(capsys, "made")
    plotted(capsys, "made", "--out", "a.png")


def test_too_many_panels_or_colours_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    tables = [made_rows({"task.n": [1, 2]}, lambda **_: {"squared_error": 0.5}, test=f"t{i}") for i in range(13)]
    write_results(Path("many"), pl.concat(tables))
    assert "at most 12 at once" in refused(capsys, "many")
    plotted(capsys, "many", "--test", "t3", "--test", "t4")
    texts = made_rows({"task.n": [1, 2], "task.t": list("abcdefghijklm")}, lambda **_: {"squared_error": 0.5})
    assert "at most 12 values" in refused(capsys, str(write_results(Path("texts"), texts)), "--hue", "t")
    nothing = write_results(Path("nothing-varied"), made_rows({}, lambda **_: {"squared_error": 0.5}))
    assert "varies no setting" in refused(capsys, str(nothing))


def test_an_odd_name_stays_in_the_plots_folder(capsys: pytest.CaptureFixture[str]) -> None:
    rows = made_rows({"task.a/../../b": [1, 2]}, lambda **_: {"squared_error": 0.5}, test="../t" * 100)
    folder = write_results(Path("odd"), rows)
    (line,) = plotted(capsys, str(folder), "--test", "../t" * 100)
    assert re.fullmatch(r"Plot: odd/plots/[\w.+-]+\.png", line)


def test_help_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for command, options in (
        ("plot", ("--x", "--y", "--hue", "--test", "--log", "--out")),
        ("show", ("--by", "--csv")),
    ):
        assert main([command, "--help"]) == 0
        text = capsys.readouterr().out
        for option in ("DIR", *options):
            assert option in text
