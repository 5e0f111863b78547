"""``iclscope llm attention`` as a user runs it, on a tiny Llama."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from language_models.tiny_models import make_tiny
from refusals import says

from iclscope.cli.main import main

QUICK = ["--queries", "60", "--draws", "1", "--shots", "8"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("cli") / "tiny-llama", "llama"))


def test_it_measures_and_tells(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["llm", "attention", model, "words", *QUICK, "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "concentration" in told
    assert "attention-concentrates" in told
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in told.replace("\n", "")
    assert pl.read_parquet(tmp_path / "out" / "rows.parquet").height == 6 * 2 * 8
    claims = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert [claim["id"] for claim in claims] == [
        "attention-concentrates",
        "attention-label-words",
        "attention-follows-text",
        "attention-nearest-pattern",
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page
    assert "The most concentrated heads" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shots", "1"], "--shots: expected a whole number from 2 on"),
        (["--shots", "3"], "--shots: expected at least"),
        (["--queries", "4"], "--queries: expected more"),
        (["--shots", "60"], "expected at most 512 tokens, the context length of tiny-llama"),
        (["--draws", "0"], "--draws: expected"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    options: list[str], message: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["llm", "attention", model, "words", *QUICK, "--out", str(tmp_path / "out"), *options]) == 2
    told = capsys.readouterr()
    assert says(told.err, message)
    assert len(told.err.strip().splitlines()) == 1
    assert told.out == ""
