"""``iclscope predict vonoswald2023``: the theory's numbers, and every refusal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from refusals import says

from iclscope.cli.main import main
from iclscope.papers.vonoswald2023 import theory as theory

FAST = ("--tasks", "500", "--steps", "2")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide enough that no line wraps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")


def predicted(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["predict", "vonoswald2023", *options]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


@pytest.mark.parametrize(
    ("options", "half_width", "d", "length"),
    [((), 0.5, 10, 10), (("--half-width", "1"), 1.0, 10, 10), (("--d", "4", "--length", "7"), 0.5, 4, 7)],
)
def test_one_step_is_exact(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], half_width: float, d: int, length: int
) -> None:
    best = theory.optimal_step(d=d, length=length, moments=theory.uniform_moments(half_width))
    text = predicted(capsys, *options, *FAST)
    assert says(text, f"best η = {best.eta:.4g}, loss {best.loss:.4g}")
    assert f"predicting 0 scores {d * half_width**2 / 6:.4g}" in text


def test_several_steps_are_searched(capsys: pytest.CaptureFixture[str]) -> None:
    text = predicted(capsys, "--steps", "3", "--tasks", "2000")
    rows = [[float(cell) for cell in line.split()] for line in text.splitlines() if re.match(r"\s*\d ", line)]
    assert [row[0] for row in rows] == [1, 2, 3]
    for k, eta, loss, eta_plus, gamma, loss_plus in rows:
        assert (loss_plus < 0.9 * loss and gamma > 0.1) if k > 1 else (loss_plus, eta_plus, gamma) == (loss, eta, 0)
    assert rows[1][4] == pytest.approx(theory.PUBLISHED_GAMMA[10], rel=0.1)
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)


def test_noise_leaves_one_step(capsys: pytest.CaptureFixture[str]) -> None:
    best = theory.optimal_step(d=10, length=10, moments=theory.uniform_moments(0.5), noise=0.5)
    text = predicted(capsys, "--noise", "0.5")
    assert f"loss {best.loss:.4g}" in text
    assert "without noise" in text


BAD = {
    "--d 0": ["d-X", "0", "at least 1"],
    "--length 0": ["length", "0", "at least 1"],
    "--half-width 0": ["half-width", "0"],
    "--half-width nan": ["half-width", "nan"],
    "--weight-scale 0": ["weight-scale", "0", "a number from 1e-06"],
    "--weight-scale inf": ["weight-scale", "inf"],
    "--noise -1": ["noise", "-1"],
    "--steps 0": ["steps", "0", "1 to 20"],
    "--steps 21": ["steps", "21", "1 to 20"],
    "--tasks 1": ["tasks", "1", "at least 10"],
    "--tasks 100000000000": ["tasks", "at most 50000000"],
    "--half-width 1e200": ["half-width", "1e+200", "1e+06"],
    "--weight-scale 1e-170": ["weight-scale", "1e-170", "1e-06"],
    "--noise 1e160": ["noise", "1e+160", "1e+06"],
}


@pytest.mark.parametrize(("options", "words"), BAD.items(), ids=list(BAD))
def test_refusals(capsys: pytest.CaptureFixture[str], options: str, words: list[str]) -> None:
    assert main(["predict", "vonoswald2023", *options.split()]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert all(says(output.err, word) for word in words), output.err
