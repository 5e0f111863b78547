"""``iclscope predict zhang2024`` says what the theory says, warns in one line, and refuses in one line."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
from refusals import says

from iclscope.cli.main import main
from iclscope.papers.zhang2024 import theory as zhang2024


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide enough that no table wraps."""
    monkeypatch.setenv("COLUMNS", "200")


def predicted(capsys: pytest.CaptureFixture[str], words: str = "") -> tuple[dict[str, list[float]], str]:
    """The numbers in each line's last column by the line's first words, and what stands on stderr."""
    assert main(["predict", "zhang2024", *shlex.split(words)]) == 0
    output = capsys.readouterr()
    table = {}
    for line in output.out.splitlines():
        columns = re.split(r"\s{2,}", line.strip())
        if len(columns) == 3:
            table[columns[0]] = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", columns[2])]
    return table, output.err


def test_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    table, errors = predicted(capsys)
    assert errors == ""
    assert table["eigenvalues of Γ"] == [1.6, 5]  # five of them
    assert table["limit of W_PV, last entry u"] == [pytest.approx((5 / 2.56) ** 0.25, rel=1e-3)]
    assert table["risk E(ŷ − y)²"] == [pytest.approx(30 / 2.56 / 20 + 1.8 / 2.56, rel=1e-3)]
    assert table["start condition"][0] == pytest.approx(0.01 * 1.6 * 5**0.5, rel=1e-3)


def test_other_settings(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--covariance '1,0.2;0.2,0.5' --train-length 7 --test-length 3 --noise 0.5"
    table, errors = predicted(capsys, words)
    assert errors == ""
    Lambda = np.array([[1.0, 0.2], [0.2, 0.5]])
    moments = zhang2024.linear_moments(Lambda, noise=0.5)
    terms = zhang2024.risk_terms(Lambda, train_length=7, test_length=3, moments=moments)
    for name, value in (
        ("risk E(ŷ − y)²", terms.total),
        ("best linear risk", 0.25),
        ("variance, gone as M → ∞", terms.variance),
        ("bias, gone as N → ∞", terms.bias),
        ("risk of predicting 0", 1.75),
    ):
        assert table[name] == [pytest.approx(value, rel=1e-3)]
    slope = zhang2024.slope(zhang2024.predictor(Lambda, 7), Lambda)
    assert table["slope of ŷ on ⟨w, x⟩"] == [pytest.approx(slope, rel=1e-3)]
    assert table["inputs twice as large"] == [pytest.approx(4 * slope, rel=1e-3)]
    diagonal, _ = predicted(capsys, "--eigenvalues 1,1,0.5")
    assert diagonal["eigenvalues of Γ"] == [1.35, 1.35, 0.8]


def test_many_eigenvalues_are_not_all_printed(capsys: pytest.CaptureFixture[str]) -> None:
    many = ",".join(str(value) for value in range(1, 13))
    table, _ = predicted(capsys, f"--eigenvalues {many}")
    assert len(table["eigenvalues of Γ"]) == 8


def test_a_start_that_is_too_large_is_a_warning_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    table, errors = predicted(capsys, "--initial-scale 3")
    assert table["start condition"][0] > 2
    assert errors.startswith("warning: initial scale s = 3 breaks")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--d 0", ("d-X = 0", "1 to 1000")),
        ("--d-X 100000", ("d-X = 100000", "1 to 1000")),
        ("--noise 1e200", ("noise = 1e+200", "1e+06")),
        ("--eigenvalues 1e200,1e200", ("eigenvalues = 1e+200", "1e+06")),
        ("--initial-scale 1e200", ("initial-scale = 1e+200", "1e+06")),
        ("--d 3 --eigenvalues 1,1", ("d = 3", "2")),
        ("--d 3 --covariance '1,0;0,1'", ("d = 3", "2")),
        ("--train-length 0", ("train-length = 0", "1 to")),
        ("--test-length -1", ("test-length = -1", "1 to")),
        ("--noise -1", ("noise = -1", "0 or more")),
        ("--noise nan", ("noise = nan", "finite")),
        ("--eigenvalues 1,0", ("covariance", "positive definite")),
        ("--eigenvalues 1,-1", ("covariance", "-1", "positive definite")),
        ("--eigenvalues 1,x", ("eigenvalues", "1,x", "numbers")),
        ("--eigenvalues ''", ("eigenvalues", "numbers")),
        ("--eigenvalues 1,inf", ("covariance", "finite")),
        ("--covariance '1,2;2,1'", ("covariance", "positive definite")),
        ("--covariance '1,0.5;0,1'", ("covariance", "symmetric")),
        ("--covariance '1,0'", ("covariance", "as many rows as columns")),
        ("--covariance '1,0;0,1' --eigenvalues 1,1", ("covariance", "without --eigenvalues")),
        ("--initial-scale 0", ("initial-scale = 0", "a number from 1e-06")),
        ("--nosuch 1", ("--nosuch",)),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], words: str, expected: tuple[str, ...]) -> None:
    assert main(["predict", "zhang2024", *shlex.split(words)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert all(says(output.err, word) for word in expected), output.err
