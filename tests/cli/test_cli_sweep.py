"""`iclscope sweep`: what a dry run says, what a run writes, and what is refused before anything is done."""

from __future__ import annotations

import importlib
import re
import time
import warnings
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from refusals import says
from rich.console import Console
from sweeps.bad_sweeps import BAD_SWEEPS

from iclscope.cli.main import main

# Not "from iclscope.cli import sweep", which mypy would take for a function of that name elsewhere.
sweep_module = importlib.import_module("iclscope.cli.sweep")

TINY = """
question: Does a larger share help?
paper: li2024
base:
  task: {M1: 4, M2: 6, d_X: 10, d_Y: 6, length: 8}
  model: {d_X: 10, d_Y: 6, width: 12}
  training: {steps: 4, batch_size: 8}
vary:
  task.alpha: [0.2, 0.8]
  task.length: {from: 4, to: 8, count: 2, integer: true}
seeds: 2
tests:
  unseen: {task: {tasks: unseen}, vary: {alpha: [0.5, 0.9]}, prompts: 16}
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder with one small sweep, and a terminal wide enough for all columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")


def names(folder: str = ".") -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def refused(capsys: pytest.CaptureFixture[str], command: list[str], *words: str) -> None:
    before = names()
    assert main(command) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("iclscope: ")
    assert "Traceback" not in output.err
    for word in words:
        assert says(output.err, word), output.err
    assert names() == before, "nothing may be written"


def test_a_dry_run_says_what_would_be_done_and_does_not_do_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "tiny.yaml", "--dry-run"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    first, question, *lines = output.out.splitlines()
    assert first == "tiny: 8 trials, trained in 2 groups of 2 shapes"
    assert question == "Does a larger share help?"
    table = "\n".join(lines)
    assert re.search(r"task\.alpha +0\.2, 0\.8", table)
    assert re.search(r"task\.length +4, 8", table)
    assert re.search(r"seeds +0 … 1", table)
    assert re.search(r"test unseen +tasks = unseen; alpha: 0\.5, 0\.9; 2 tests of 16 prompts", table)
    assert re.search(r"paper +li2024, preset quick", table)
    assert re.search(r"base +task\.M1 = 4, task\.M2 = 6", table)
    assert re.search(r"training +steps = 4, batch_size = 8, learning_rate = 1\b", table)
    assert re.search(r"^A group trains together: trials of one shape .*, here at most 4 trials\.$", table, re.MULTILINE)
    assert re.search(r"Estimated time: about [\d.]+ s on \d+ cores? \(.*ms per step and run\)", table)
    assert lines[-1] == "Nothing was trained. Without --dry-run, results go to results/sweeps/tiny."
    assert names() == {"tiny.yaml"}


def test_a_dry_run_counts_what_is_drawn_twice(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        TINY.split("vary:\n  task")[0]
        + "vary: {task.alpha: [0.2, 0.4, 0.6, 0.8]}\ndesign: {kind: random, samples: 4, seed: 3}\nseeds: 1\n"
    )
    Path("drawn.yaml").write_text(text, encoding="utf-8")
    assert main(["sweep", "drawn.yaml", "--dry-run", "--out", "elsewhere"]) == 0
    output, told = capsys.readouterr()
    assert "4 trials (2 different), trained in 1 group of 1 shape" in output
    assert "4 random points, seed 3" in output
    again = (
        "warning: design: 2 of the 4 random points are drawn a second time; 2 different ones are trained, each once\n"
    )
    assert told == again
    assert "results go to elsewhere" in output
    assert main(["sweep", "drawn.yaml"]) == 0
    output, told = capsys.readouterr()
    assert "drawn: 2 trials (2 trained now, 0 found in the store), 2 rows" in output
    assert told == again
    Path("drawn.yaml").write_text(text.replace("samples: 4", "samples: 8"), encoding="utf-8")
    assert main(["sweep", "drawn.yaml"]) == 2
    assert "design.samples: expected at most 4, all the points there are" in capsys.readouterr().err


def test_many_trials_are_counted_before_they_are_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked(*_: Any, **__: Any) -> NoReturn:
        assert capsys.readouterr().err == "tiny: checking 900,000 trials, which takes a while\n"
        raise KeyboardInterrupt

    Path("tiny.yaml").write_text(TINY.replace("seeds: 2", "seeds: 225000"), encoding="utf-8")
    monkeypatch.setattr(sweep_module, "overview", checked)
    monkeypatch.setattr(sweep_module, "sweep_status", checked)
    for mode in (["--dry-run"], []):
        assert main(["sweep", "tiny.yaml", *mode]) == 130


def test_progress_tells_time_spent_from_time_left() -> None:
    console = Console(file=StringIO(), force_terminal=False, width=100)
    with sweep_module.progress_on(console) as progress:
        progress.update(progress.add_task("4 of 8 trials are finished", total=8), advance=4)
    with console.capture() as shown:
        console.print(progress)
    assert re.search(r"finished .* \d:\d\d:\d\d so far, [-\d]+:[-\d]+:[-\d]+ left", shown.get())


ODD = """
question: "\\e[2JWhy?"
paper: vonoswald2023
base: {training: {steps: 2}}
vary:
  model: [{kind: linear_attention, d_X: 10}, {kind: interleaved_attention, d_X: 10}]
  training.rate_decay: [true, false]
together:
  - training.optimizer: [adam, sgd]
    training.learning_rate: {from: 0.001, to: 0.01, count: 2, spacing: log}
seeds: [7]
tests:
  far: {task: {length: 3}, vary: {x_scale: {from: 1, to: 9, count: 50}}, prompts: 2}
  own:
"""


def test_a_dry_run_speaks_as_a_file_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever values are, and whatever a question would do to a terminal."""
    Path("odd.yaml").write_text(ODD, encoding="utf-8")
    assert main(["sweep", "odd.yaml", "--dry-run"]) == 0
    lines = [re.sub(" +", " ", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:-3] == [
        "[2JWhy?",
        "paper vonoswald2023, preset quick",
        "base training.steps = 2",
        "training steps = 2, batch_size = 256",
        "vary model {kind: linear_attention, d_X: 10}, {kind: interleaved_attention, d_X: 10}",
        "vary training.rate_decay true, false",
        "vary training.optimizer adam, sgd",
        "with training.learning_rate 0.001, 0.01",
        "seeds 7",
        "test far length = 3; x_scale: 50 numbers from 1 to 9; 50 tests of 2 prompts",
        "test own the task trained on",
    ]
    assert lines[-3].endswith("here each trial alone.")


def test_a_dry_run_says_what_is_finished(capsys: pytest.CaptureFixture[str]) -> None:
    dry_run = ["sweep", "tiny.yaml", "--dry-run"]
    assert main(dry_run) == 0
    assert "finished" not in capsys.readouterr().out
    assert main(["sweep", "tiny.yaml"]) == 0
    capsys.readouterr()
    assert main(dry_run) == 0
    assert "Nothing is missing: all 8 trials are finished, and a run" in capsys.readouterr().out
    Path("tiny.yaml").write_text(TINY.replace("[0.2, 0.8]", "[0.2, 0.4, 0.8]"), encoding="utf-8")
    assert main(dry_run) == 0
    assert "8 of 12 trials are finished already; the estimate is of all." in capsys.readouterr().out
    assert main([*dry_run, "--store", "elsewhere"]) == 0
    assert "finished" not in capsys.readouterr().out
    assert names() == {"tiny.yaml", "results"}


def test_a_run_writes_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "tiny.yaml"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines() == [
        "tiny: 8 trials (8 trained now, 0 found in the store), 16 rows",
        "Rows: results/sweeps/tiny/rows.parquet",
    ]
    assert names("results/sweeps/tiny") == {"rows.parquet", "sweep.json", "store", "training"}
    rows = pl.read_parquet("results/sweeps/tiny/rows.parquet")
    assert rows.height == 16
    assert rows["task.alpha"].unique().sort().to_list() == [0.2, 0.8]
    assert rows["test.alpha"].unique().sort().to_list() == [0.5, 0.9]


def test_nothing_but_text_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["sweep", "tiny.yaml", "--dry-run"], ["sweep", "tiny.yaml"]):
        assert main(command) == 0
        output = capsys.readouterr().out
        assert not set("\x1b\r━⠋") & set(output)


@pytest.mark.parametrize("name", BAD_SWEEPS)
@pytest.mark.parametrize("mode", [["--dry-run"], []], ids=["dry", "run"])
def test_what_no_sweep_can_be(name: str, mode: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text, words = BAD_SWEEPS[name]
    Path("bad.yaml").write_text(text, encoding="utf-8")
    started = time.process_time()  # of this process, however busy the machine is
    # YAML may be refused at another letter than the file's, and a line is wrapped nowhere.
    refused(capsys, ["sweep", "bad.yaml", *mode], "bad.yaml", *words)
    assert time.process_time() - started < 1.0


def test_a_point_that_is_met_late_is_refused_before_any_training(capsys: pytest.CaptureFixture[str]) -> None:
    text = "paper: li2024\ndesign: {kind: random, samples: 50}\nvary: {task.alpha: {from: 0.2, to: 1.1}}\n"
    Path("late.yaml").write_text(text, encoding="utf-8")
    for mode in (["--dry-run"], []):
        refused(capsys, ["sweep", "late.yaml", *mode], "late.yaml: vary.task.alpha = 1.")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["sweep"], ("FILE.yaml",)),
        (["sweep", "nothing.yaml"], ("FILE = 'nothing.yaml'", "does not exist")),
        (["sweep", "."], ("FILE = '.'", "folder")),
        (["sweep", "tiny.yaml", "--engine", "slurm"], ("--engine = 'slurm'", "local, ray")),
        (["sweep", "tiny.yaml", "--address", "127.0.0.1:6379"], ("--address = '127.0.0.1:6379'", "--engine ray")),
        (["sweep", "tiny.yaml", "--engine", "ray", "--address", "nowhere"], ("--address = 'nowhere'", "HOST:PORT")),
        (["sweep", "tiny.yaml", "--device", "tpu"], ("device = 'tpu'", "auto, cpu, cuda")),
        (["sweep", "tiny.yaml", "--dryrun"], ("--dryrun",)),
        (["sweep", "tiny.yaml", "--out", "tiny.yaml"], ("out = 'tiny.yaml'", "this is a file")),
        (["sweep", "tiny.yaml", "--out", "tiny.yaml/below"], ("out = 'tiny.yaml/below'",)),
        (["sweep", "tiny.yaml", "--out", "/proc/nothing"], ("out = '/proc/nothing'",)),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked(command: list[str], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, command, *words)


def test_a_folder_of_something_else_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("x", encoding="utf-8")
    refused(capsys, ["sweep", "tiny.yaml", "--out", "mine"], "out = 'mine'", "thesis.tex")
    refused(capsys, ["sweep", "tiny.yaml", "--out", "mine", "--dry-run"], "out = 'mine'", "thesis.tex")
    assert names("mine") == {"thesis.tex"}
    assert main(["sweep", "tiny.yaml", "--out", "out"]) == 0
    capsys.readouterr()
    Path("other.yaml").write_text(TINY, encoding="utf-8")
    refused(capsys, ["sweep", "other.yaml", "--out", "out"], "out = 'out'", "holds those of tiny")


def test_an_interrupted_run_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "run_sweep", interrupted)
    assert main(["sweep", "tiny.yaml"]) == 130
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "Interrupted. 0 of 8 trials are finished; the same command goes on from there."


def test_a_theory_that_is_left_is_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A start at which Theorem 4.1 of Zhang 2024 does not hold, for each of four trials; the run goes on."""
    text = "paper: zhang2024\nbase: {model: {initial_scale: 3}, training: {steps: 1, batch_size: 2}}\nseeds: 4\n"
    Path("far.yaml").write_text(f"{text}tests: {{own: {{prompts: 4}}}}\n", encoding="utf-8")
    for mode in (["--dry-run"], []):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert main(["sweep", "far.yaml", *mode]) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("warning: ")
        assert "Theorem 4.1" in line


def test_help_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--help"]) == 0
    text = capsys.readouterr().out
    for option in ("FILE.yaml", "--dry-run", "--engine", "--address", "--device", "--out", "--store", "--keep-weights"):
        assert option in text
    assert main(["--help"]) == 0
    assert "sweep" in capsys.readouterr().out
