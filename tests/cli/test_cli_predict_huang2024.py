"""``iclscope predict huang2024``: the theory's numbers, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import says

from iclscope.cli.main import main
from iclscope.papers.huang2024 import theory as huang2024


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide enough that no table wraps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def predicted(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert main(["predict", "huang2024", *options]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out.splitlines()


def line(lines: list[str], start: str) -> list[str]:
    (found,) = [one for one in lines if one.strip().startswith(start)]
    return found.split()


def test_the_numbers_are_those_of_the_theory(capsys: pytest.CaptureFixture[str]) -> None:
    lines = predicted(capsys, "--K=10", "--eta=0.25", "--epsilon=0.05", "--length=80", "--dominant=0.4")
    steps = huang2024.balanced_steps(K=10, eta=0.25, epsilon=0.05)
    assert line(lines, "steps of growth")[-1] == f"{steps.growth:.4g}"
    assert line(lines, "steps of convergence")[-1] == f"{steps.convergence:.4g}"
    p = (0.4, *(0.6 / 9,) * 9)
    times = [huang2024.times_of_flow((0.1,) * 10, 0, 0.05), *(huang2024.times_of_flow(p, k, 0.05) for k in (1, 0))]
    assert line(lines, "steps to loss ε")[-3:] == [f"{one.converged / 0.25:.4g}" for one in times]
    assert line(lines, "steps to own attention ½")[-3:-1] == [f"{one.half / 0.25:.4g}" for one in times[:2]]
    assert line(lines, "least loss")[-3] == f"{huang2024.least_loss((0.1,) * 10, 80):.3g}"
    text = " ".join(lines)
    assert "recollection" in text
    assert "ours" in text


@pytest.mark.parametrize("setting", ["--eta=1e-300", "--epsilon=1e-300", "--K=1000000", "--length=1000000000"])
def test_extreme_settings_do_not_end_in_a_traceback(capsys: pytest.CaptureFixture[str], setting: str) -> None:
    assert line(predicted(capsys, setting), "steps of growth")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--K 1", ("K", "1", "2")),
        ("--K 2.5", ("--K", "a whole number")),
        ("--eta 0", ("eta", "0", "positive")),
        ("--eta nan", ("eta", "nan", "finite")),
        ("--epsilon 1", ("epsilon", "1", "(0, 1)")),
        ("--epsilon 0", ("epsilon", "0", "(0, 1)")),
        ("--length 0", ("length", "0", "1")),
        ("--dominant 0.05", ("dominant", "0.05", "1/K")),
        ("--dominant 1", ("dominant", "1", "below 1")),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], options: str, words: tuple[str, ...]) -> None:
    assert main(["predict", "huang2024", *options.split()]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert all(says(output.err, word) for word in words), output.err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "huang2024", "--help"]) == 0
    output = capsys.readouterr().out
    assert all(option in output for option in ("--K", "--eta", "--epsilon", "--length", "--dominant"))
