"""What needs no training: lists, predictions, help, and every refusal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from refusals import says

import iclscope
from iclscope.cli.main import main
from iclscope.papers.li2024 import theory as li2024
from iclscope.study.experiment import PAPERS, experiments_of
from iclscope.tasks import PatternClassification


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide enough that no table wraps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_list_gives_every_paper_figure_and_claim_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    expected = []
    for paper in PAPERS.values():
        expected.append((paper.name, paper.citation))
        for experiment in experiments_of(paper.name):
            expected.append((experiment.name, experiment.title))
            expected += [(claim.id, claim.statement) for claim in experiment.claims]
    expected += [("tasks", "functions, linear_regression"), ("models", "linear_attention, softmax_attention")]
    assert len(lines) == len(expected)
    for line, (name, text) in zip(lines, expected, strict=True):
        assert line.split()[0] == name
        assert says(line, text)


def test_list_is_not_cut_at_the_width_of_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) > 100
    assert all(re.match(r"\s*[\w.-]+  \S", line) for line in lines)


def test_list_shows_what_is_named_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    everything = capsys.readouterr().out.splitlines()
    assert main(["list", "huang2024", "li2024"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in everything if line in shown] == shown
    assert [line.split()[0] for line in shown if not line.startswith(" ")] == ["li2024", "huang2024"]
    assert len(shown) == sum(
        1 + sum(1 + len(one.claims) for one in experiments_of(paper)) for paper in ("li2024", "huang2024")
    )


@pytest.mark.parametrize("names", [["attention"], ["li2024", "attention"]])
def test_list_shows_a_figure(capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    assert main(["list", *names]) == 0
    shown = capsys.readouterr().out.splitlines()
    (figure,) = (one for one in experiments_of("li2024") if one.name == "attention")
    assert [line.split()[0] for line in shown] == ["li2024", "attention", *(claim.id for claim in figure.claims)]


def test_list_shows_the_settings_of_a_task_and_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "patterns", "linear_attention"]) == 0
    lines = capsys.readouterr().out.splitlines()
    task, model = (index for index, line in enumerate(lines) if not line.startswith(" "))
    assert lines[task].startswith("patterns  Binary classification")
    assert "iclscope.models.linear_attention:LinearAttention of iclscope" in lines[model]
    assert "  alpha = 0.8  share α" in " ".join(lines[:model])
    assert "  output_sign = 1  " in " ".join(lines[model:])
    names = [line.split()[0] for line in lines[:model] if line.startswith(" ")]
    assert names == [name for name in PatternClassification.model_fields if name != "kind"]


def predicted(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """The table of `iclscope predict li2024`, each line under its first words."""
    assert main(["predict", "li2024", *options]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return {" ".join(line.split()[:2]): line for line in output.out.splitlines() if len(line.split()) > 2}


def shows(line: str, value: float) -> bool:
    """Whether a line holds a number, to at least three digits."""
    numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])", line)]
    return any(number == pytest.approx(value, rel=1e-3) for number in numbers)


@pytest.mark.parametrize(
    ("options", "settings", "promised"),
    [
        ([], {}, {}),
        (
            [
                "--alpha",
                "0.5",
                "--alpha-test",
                "0.4",
                "--beta",
                "3",
                "--M1",
                "5",
                "--eta",
                "0.2",
                "--epsilon",
                "0.05",
                "--M2",
                "16",
            ],
            {"alpha": 0.5, "alpha_test": 0.4, "beta": 3.0, "M1": 5, "eta": 0.2, "epsilon": 0.05},
            {"M1": 5, "M2": 16, "eta": 0.2, "epsilon": 0.05},
        ),
    ],
)
def test_predictions_are_those_of_the_theory(
    capsys: pytest.CaptureFixture[str], options: list[str], settings: dict[str, float], promised: dict[str, float]
) -> None:
    needed = li2024.requirements(**settings)  # type: ignore[arg-type]
    guarantees = li2024.guarantees(**promised)  # type: ignore[arg-type]
    table = predicted(capsys, *options)
    for name, value in {
        "training steps": needed.steps,
        "training length": needed.training_length,
        "testing length": needed.testing_length,
        "neurons m": needed.width,
        "batch size": needed.batch_size,
        "prompts in": needed.samples,
        "share of": needed.smallest_task_share,
        "norm of": guarantees.small_neuron_norm,
    }.items():
        assert shows(table[name], value), f"{value} is not in {table[name]!r}"


def test_predictions_answer_for_ones_own_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert "enough" in predicted(capsys)["training length"]
    assert "too short" in predicted(capsys, "--length", "2")["training length"]
    assert "enough" in predicted(capsys, "--length", "2")["testing length"]
    assert "too short" in predicted(capsys, "--length", "1")["testing length"]
    generalizes, not_promised = (predicted(capsys, "--S1", S1)["out of"] for S1 in ("1.2", "0.9"))
    assert "generalizes" in generalizes
    assert "not promised" in not_promised
    assert "12 of 30" in predicted(capsys, "--training-tasks", "0.4")["share of"]


BAD = {
    "nosuch": ["nosuch"],
    "--nosuch": ["--nosuch"],
    "list extra": ["extra"],
    "list garg2022 attention": ["'attention'"],
    "list li2042": ["li2042", "garg2022", "gpt2", "did you mean li2024?"],
    "list li2024 paterns": ["paterns", "did you mean patterns?"],
    "predict nosuch": ["nosuch"],
    "predict li2024 extra": ["extra"],
    "predict li2024 --nosuch 1": ["--nosuch"],
    "predict li2024 --alpha": ["--alpha"],
    "predict li2024 --alpha x": ["--alpha", "number"],
    "predict li2024 --alpha 0": ["alpha", "(0, 1]"],
    "predict li2024 --alpha 1.1": ["alpha", "1.1", "(0, 1]"],
    "predict li2024 --alpha nan": ["alpha", "nan", "finite"],
    "predict li2024 --alpha-test 0": ["alpha-test", "(0, 1]"],
    "predict li2024 --alpha-test -1": ["alpha-test", "(0, 1]"],
    "predict li2024 --beta 0.9": ["beta", "0.9", "at least 1"],
    "predict li2024 --beta inf": ["beta", "inf", "finite"],
    "predict li2024 --M1 2": ["M1", "2", "at least 3"],
    "predict li2024 --M1 2.5": ["--M1", "a whole number"],
    "predict li2024 --M1 -6": ["M1", "-6", "at least 3"],
    "predict li2024 --M2 0": ["M2", "0", "1"],
    "predict li2024 --d-X 5": ["d_X", "5"],
    "predict li2024 --length 0": ["length", "0", "at least 1"],
    "predict li2024 --length -3": ["length", "-3", "at least 1"],
    "predict li2024 --training-tasks 0": ["training_tasks", "0"],
    "predict li2024 --training-tasks 0.3": ["training_tasks", "0.3", "0.4"],
    "predict li2024 --training-tasks nan": ["training_tasks", "nan"],
    "predict li2024 --training-tasks 1.2": ["training_tasks", "1.2"],
    "predict li2024 --eta 0": ["eta", "(0, 1]"],
    "predict li2024 --eta 1.5": ["eta", "1.5", "(0, 1]"],
    "predict li2024 --epsilon 0": ["epsilon", "(0, 1)"],
    "predict li2024 --epsilon 1": ["epsilon", "(0, 1)"],
    "predict li2024 --S1 1.5": ["S1", "1.5", "1.414"],
    "predict li2024 --S1 nan": ["S1", "nan", "finite"],
    "reproduce": ["PAPER"],
    "reproduce nosuch": ["PAPER", "nosuch", "li2024", "garg2022", "all"],
    "reproduce li2024 nosuch": ["PAPER", "nosuch", "li2024", "garg2022", "all"],
    "reproduce li2024 --nosuch": ["--nosuch"],
    "reproduce li2024 --figure ood-s2": ["ood-s2", "did you mean ood-s1?"],
    "reproduce li2024 --figure nosuch": ["figure", "nosuch", "attention", "iterations"],
    "reproduce li2024 --figure attention --figure nosuch": ["figure", "nosuch", "attention"],
    "reproduce li2024 --preset nosuch": ["preset", "nosuch", "quick", "lab", "paper"],
    "reproduce li2024 --seeds 1": ["seeds", "1", "at least 2"],
    "reproduce li2024 --seeds 0": ["seeds", "0", "at least 2"],
    "reproduce li2024 --seeds -2": ["seeds", "-2", "at least 2"],
    "reproduce li2024 --seeds x": ["--seeds", "a whole number"],
    "reproduce li2024 --seeds 2.5": ["--seeds", "a whole number"],
    "reproduce li2024 --seeds": ["--seeds"],
    "reproduce li2024 --device tpu": ["device", "tpu", "auto", "cpu", "cuda"],
}


@pytest.mark.parametrize(("command", "words"), BAD.items(), ids=list(BAD))
def test_a_bad_request_is_refused_with_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, words: list[str]
) -> None:
    assert main(command.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.endswith("\n")
    assert output.err.count("\n") == 1, output.err
    assert output.err.startswith("iclscope: ")
    assert "Traceback" not in output.err
    missing = [word for word in words if not says(output.err, word)]
    assert missing == [], output.err
    assert list(tmp_path.iterdir()) == [], "something was written"


@pytest.mark.parametrize("words", [[], ["predict"]])
def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 0
    output = capsys.readouterr()
    assert "Usage" in output.out
    assert output.err == ""


@pytest.mark.parametrize("setting", ["--beta=1e308", "--epsilon=1e-300", "--eta=1e-300", "--alpha=1e-300"])
def test_extreme_settings_do_not_end_in_a_traceback(capsys: pytest.CaptureFixture[str], setting: str) -> None:
    assert main(["predict", "li2024", setting]) == 0
    assert "training steps" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["reproduce", "li2024", "--device", "cuda"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert all(word in line for word in ("device", "cuda", "auto", "cpu"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["reproduce", "evaluate", "predict", "list", "--version"]),
        (
            ["reproduce"],
            [
                "PAPER",
                "--figure",
                "--preset",
                "--seeds",
                "--device",
                "--out",
                "--force",
                "quick",
                "lab",
                "paper",
                "cuda",
            ],
        ),
        (["predict"], ["li2024"]),
        (
            ["predict", "li2024"],
            [
                "--alpha",
                "--alpha-test",
                "--beta",
                "--M1",
                "--M2",
                "--d-X",
                "--length",
                "--training-tasks",
                "--eta",
                "--epsilon",
                "--S1",
            ],
        ),
        (["list"], ["papers", "figures", "claims", "tasks", "models", " [NAME]...\n"]),
        (["reproduce"], [" {PAPER}...\n"]),
    ],
)
def test_help(capsys: pytest.CaptureFixture[str], command: list[str], words: list[str]) -> None:
    assert main([*command, "--help"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.startswith("Usage: iclscope")
    assert [word for word in words if word not in output.out] == []


def test_the_package_runs_as_a_module() -> None:
    shown = subprocess.run([sys.executable, "-m", "iclscope", "--version"], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout) == (0, f"iclscope {iclscope.__version__}\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"iclscope {iclscope.__version__}\n"


def in_a_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iclscope.cli.main", *arguments],
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_refusal_in_a_process_of_its_own(tmp_path: Path) -> None:
    process = in_a_process("reproduce", "li2024", "--figure", "nosuch")
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.startswith("iclscope: figure: expected")
    assert process.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_texts_survive_a_terminal_without_unicode(tmp_path: Path) -> None:
    """α and ‖ cannot be written in ASCII; that must not end in a traceback."""
    process = in_a_process("predict", "li2024", PYTHONIOENCODING="ascii")
    assert "Traceback" not in process.stderr
    assert process.returncode == 0
