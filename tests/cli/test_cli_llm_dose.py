"""``iclscope llm dose`` as a user runs it, on a tiny Llama."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_models.tiny_models import make_tiny

from iclscope.cli.main import main


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("cli")
    data = folder / "films.csv"
    lines = [f"a {['good', 'bad'][i % 2]} film of the {i}th kind,{['positive', 'negative'][i % 2]}" for i in range(60)]
    data.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    quick = ["--queries", "6", "--draws", "1", "--shots", "4,8"]
    return ["llm", "dose", str(make_tiny(folder / "tiny-llama", "llama")), str(data), *quick]


def test_it_measures_and_tells(asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked, "--labels", "flipped", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "logistic regression" in told
    assert "Note: At 8 demonstrations" in told
    assert "dose-exchange" in told
    assert "<svg" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alphas", "a"], "--alphas: expected shares from 0 to 1 with commas between, as 0,0.25,1, got 'a'"),
        (["--shots", "2"], "of 2 that is 0.5"),
        (["--labels", "odd"], "--labels: expected "),
        (["--irrelevant", "none.csv"], "--irrelevant: expected "),
        (["--shots", "64"], "--shots: expected fewer"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    options: list[str], message: str, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, "--out", str(tmp_path / "out"), *options]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
