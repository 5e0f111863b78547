"""`iclscope reproduce`: what it prints, what it writes, and what Ctrl-C leaves."""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from refusals import says
from study.tiny import put_in_place, tiny_experiment

import iclscope as icl
from iclscope.cli.main import main
from iclscope.study.experiment import PAPERS

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One tiny figure, an empty folder, and a terminal wide enough for all columns."""
    put_in_place(monkeypatch, [tiny_experiment()])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_verdicts_and_the_report_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["reproduce", "li2024", "--seeds", "2", "--out", "here"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    for name, verdict in (("tiny-holds", "holds"), ("tiny-fails", "fails"), ("tiny-open", "inconclusive")):
        (line,) = [line for line in lines if f" {name} " in line and not line.startswith("Warning")]
        assert verdict in line.split()[:2]
    assert lines[-1] == "Report: here/report.html"
    assert any("3 claims: 1 holds, 1 fails, 1 inconclusive." in line for line in lines)
    # Its control is at the initial values, where a risk is positive too: that must be said.
    assert any("Warning" in line and "tiny-holds" in line for line in lines)
    assert {"report.html", "claims.json", "run.json", "tiny.png", "tiny.pdf", "tiny.parquet"} <= written(
        tmp_path / "here"
    )
    verdicts = {claim["id"]: claim["verdict"] for claim in json.loads((tmp_path / "here/claims.json").read_text())}
    assert verdicts == {"tiny-holds": "holds", "tiny-fails": "fails", "tiny-open": "inconclusive"}


def test_nothing_but_text_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "li2024", "--seeds", "2"]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\r" not in output
    assert "━" not in output
    assert "steps" not in output


def test_the_default_folder_and_all(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for paper in PAPERS:
        put_in_place(monkeypatch, [tiny_experiment()], paper=paper)
    assert main(["reproduce", "all", "--seeds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    reports = [line for line in lines if line.startswith("Report: ")]
    assert reports == [f"Report: results/{paper}/report.html" for paper in PAPERS]
    assert lines[-1] == "All papers: results/index.html"
    assert written(tmp_path) == {"results"}
    assert written(tmp_path / "results") == {*PAPERS, "index.html"}
    page = (tmp_path / "results" / "index.html").read_text(encoding="utf-8")
    for paper in PAPERS.values():
        assert f'href="{paper.name}/report.html"' in page
        assert paper.title in html.unescape(page)
    for claim in tiny_experiment().claims:
        assert f'href="li2024/report.html#claim-{claim.id}"' in page


def test_a_page_that_is_not_ours_is_left_as_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("<title>mine</title>")
    assert main(["reproduce", "all", "--out", "out"]) == 2
    assert "index.html is of iclscope" in capsys.readouterr().err
    assert written(tmp_path / "out") == {"index.html"}


def test_a_second_command_says_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["reproduce", "li2024", "--seeds", "2", "--out", "here"]
    assert main(command) == 0
    first = capsys.readouterr().out
    made = (tmp_path / "here" / "tiny.png").stat().st_mtime_ns
    assert main(command) == 0
    assert capsys.readouterr().out == first
    assert (tmp_path / "here" / "tiny.png").stat().st_mtime_ns == made
    assert main([*command, "--force"]) == 0
    assert (tmp_path / "here" / "tiny.png").stat().st_mtime_ns > made


def test_figures_that_nobody_asked_for_are_not_missed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_in_place(monkeypatch, [tiny_experiment(), tiny_experiment("other", position=2)])
    assert main(["reproduce", "li2024", "--seeds", "2", "--figure", "other", "--out", "here"]) == 0
    assert "Not made yet" not in capsys.readouterr().out
    assert "tiny.png" not in written(tmp_path / "here")
    both = ["--figure", "other", "--figure", "tiny"]
    assert main(["reproduce", "li2024", "--seeds", "2", *both, "--out", "here"]) == 0
    assert "Not made yet" not in capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], command: list[str], *words: str) -> None:
    assert main(command) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("iclscope: ")
    assert [word for word in words if not says(output.err, word)] == []


def test_folders_that_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    command = ["reproduce", "li2024", "--seeds", "2", "--out"]
    for force in ([], ["--force"]):
        refused(capsys, [*command, "file", *force], "out", "file", "folder")
        refused(capsys, [*command, "file/below", *force], "out", "file/below")
        refused(capsys, [*command, "folder", *force], "out", "thesis.tex", "left as it is")
    assert (tmp_path / "file").read_text() == "mine"
    assert written(tmp_path / "folder") == {"thesis.tex"}
    assert main([*command, "here"]) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in (tmp_path / "here").glob("*.*")}
    refused(capsys, ["reproduce", "li2024", "--seeds", "3", "--out", "here"], "out", "seeds 2", "--force")
    refused(capsys, ["reproduce", "li2024", "--seeds", "2", "--preset", "paper", "--out", "here"], "quick", "--force")
    assert {path: path.read_bytes() for path in (tmp_path / "here").glob("*.*")} == before
    assert main(["reproduce", "li2024", "--seeds", "3", "--out", "here", "--force"]) == 0


def test_every_figure_is_checked_before_the_first_is_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refused(capsys, ["reproduce", "li2024", "--figure", "tiny", "--figure", "nosuch"], "figure", "nosuch", "tiny")
    assert written(tmp_path) == set()


def test_an_interrupted_command_tells_what_is_finished(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: Any) -> NoReturn:
        raise KeyboardInterrupt

    put_in_place(monkeypatch, [tiny_experiment(), replace(tiny_experiment("other", position=2), measure=interrupted)])
    assert main(["reproduce", "li2024", "--seeds", "2"]) == 130
    output = capsys.readouterr()
    assert output.err == ""
    assert "tiny-holds" in output.out
    assert "Not made yet: other" in output.out
    assert "Interrupted." in output.out


def start_attention(folder: Path) -> subprocess.Popen[str]:
    """The real figure in a process of its own, deaf to nothing."""
    return subprocess.Popen(
        [sys.executable, "-m", "iclscope.cli.main", "reproduce", "li2024", "--figure", "attention", "--out", folder],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_real_figure(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    # What is compiled is compiled now: a training that is still compiling has nothing to save, and is dropped.
    task = icl.tasks.PatternClassification()
    icl.evaluate(icl.train(icl.models.SoftmaxReLUTransformer(seeds=2), task, steps=1).model, task, prompts=4)
    process = start_attention(folder)
    try:
        deadline = time.monotonic() + 60
        while not (folder / "trained").exists():
            assert time.monotonic() < deadline, "training did not begin"
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, (output, errors)
    assert errors == ""
    assert "Interrupted." in output
    assert "\x1b" not in output
    # One for each group that was under way; twenty seeds are two groups.
    assert len(list((folder / "trained").glob("unfinished-*.safetensors"))) in (1, 2)
    assert json.loads((folder / "claims.json").read_text()) == []
    assert "attention" in (folder / "report.html").read_text(encoding="utf-8")

    process = start_attention(folder)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert list((folder / "trained").glob("unfinished-*.safetensors")) == []
    claims = {claim["id"]: claim for claim in json.loads((folder / "claims.json").read_text())}
    assert set(claims) == {
        "prop4.1-concentration-in-domain", "prop4.1-concentration-out-of-domain", "attention-curve"
    }  # fmt: skip
    assert all(claim["control"]["verdict"] == "fails" for claim in claims.values())
    assert all(claim["seeds"] == 20 for claim in claims.values())
    assert {"attention.png", "attention.pdf", "attention.parquet"} <= written(folder)
    assert f"Report: {folder}/report.html" in output
