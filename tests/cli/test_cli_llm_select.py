"""``iclscope llm select`` as a user runs it, on a tiny Llama."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from language_models.tiny_models import make_tiny
from refusals import says

from iclscope.cli.main import main

QUICK = ["--queries", "4", "--draws", "1", "--shots", "1,2", "--candidates", "40", "--patterns", "2"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("cli") / "tiny-llama", "llama"))


def test_it_compares_tells_and_explains(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    asked = ["llm", "select", model, "words", "--selector", "balanced,bm25,pattern", *QUICK, "--out", str(out)]
    assert main([*asked, "--explain", "1"]) == 0
    told = capsys.readouterr().out
    assert pl.read_parquet(out / "rows.parquet").height == 4 * (2 * 3 + 2 + 1)
    assert (out / "report.html").is_file()
    assert "Shots for the same accuracy" in told
    assert "Demonstrations of query 1" in told
    assert "Demonstrations of query 2" not in told
    assert "select-alpha" in told
    assert "No claim was judged" not in told


def test_what_a_reader_must_know_is_told(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["llm", "select", model, "words", "--selector", "random", *QUICK, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    few = "With 1 draw(s) the intervals say little of other demonstrations"
    none = "No claim was judged: that takes balanced and pattern among the selectors."
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"Note: {none}" in told
    assert f"Note: {few}" in told
    assert none in page
    assert few in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--selector", "best"], "--selector: expected one of random, balanced, similarity, bm25"),
        (["--shots", "0,2"], "--shots: expected whole numbers from 1 on"),
        (["--shots", "50"], "--shots: expected at most 40, the number of candidates"),
        (["--patterns", "0"], "--patterns: expected"),
        (["--patterns", "41"], "--patterns: expected at most 40"),
        (["--candidates", "1"], "--candidates: expected"),
        (["--explain", "-1"], "--explain: expected"),
        (["--embeddings", "DIR"], "--embeddings: expected a sentence-transformers model"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    options: list[str], message: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(tmp_path) if word == "DIR" else word for word in options]
    assert main(["llm", "select", model, "words", *QUICK, "--out", str(tmp_path / "out"), *given]) == 2
    told = capsys.readouterr()
    assert says(told.err, message)
    assert len(told.err.strip().splitlines()) == 1
    assert told.out == ""
