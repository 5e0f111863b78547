"""`iclscope llm evaluate`: what it prints and writes, and what it refuses in one line before anything is computed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from language_models.tiny_models import make_tiny
from refusals import says
from rich.console import Console

from iclscope.cli.llm.measured import _prompts_bar
from iclscope.cli.main import main

FEW = ("--queries", "6", "--draws", "2", "--shots", "0,2")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("models") / "tiny-gpt2", "gpt2"))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["llm", "evaluate", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    return told.err


def test_it_prints_a_table_and_writes_a_report(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["llm", "evaluate", model, "words", *FEW]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert lines[0].split() == ["shots", "selector", "labels", "accuracy", "calibrated"]
    folder = Path("results/llm/evaluate-tiny-gpt2-words")
    assert lines[-1] == f"Report: {folder / 'report.html'}"
    assert pl.read_parquet(folder / "rows.parquet").height == 6 * (1 + 2 + 2)
    again = capsys.readouterr() if main(["llm", "evaluate", model, "words", *FEW]) == 0 else None
    assert again is not None
    assert again.out == told.out
    assert "--force" in refused(capsys, model, "words", "--queries", "7")


def test_labels_can_be_given_other_words(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data.csv").write_text(
        "sentence,kind\n" + "".join(f"text number {i},{i % 2}\n" for i in range(30)), encoding="utf-8"
    )
    names = ("--text", "sentence", "--label", "kind")
    words = ("--label-word", "0=bad", "--label-word", "1=good", "--format", r"Review: {text}\nSentiment:")
    assert main(["llm", "evaluate", model, "data.csv", *names, *words, *FEW, "--out", "out"]) == 0
    assert set(pl.read_parquet("out/rows.parquet")["label"]) == {"bad", "good"}
    assert r"Review: {text}\nSentiment: {label}" in Path("out/report.html").read_text(encoding="utf-8")


def test_data_of_another_encoding_with_tabs_in_the_format(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"Straße {i},{'süß' if i % 2 else 'herb'}\n" for i in range(30)]
    Path("data.CSV").write_bytes(("text,label\n" + "".join(lines)).encode("cp1252"))
    words = (model, "data.CSV", *FEW, "--format", r"Wo?\t{text}\\:")
    assert "row 1, line 2, is not UTF-8: byte 0xdf" in refused(capsys, *words)
    assert main(["llm", "evaluate", *words, "--encoding", "cp1252", "--out", "out"]) == 0
    assert set(pl.read_parquet("out/rows.parquet")["label"]) == {"süß", "herb"}
    noted = json.loads(Path("out/run.json").read_text(encoding="utf-8"))["settings"]
    assert noted["format"]["query"] == "Wo?\t{text}\\:"
    assert r"Wo?\t{text}" in Path("out/report.html").read_text(encoding="utf-8")


def test_what_was_left_out_is_told(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"text {i // 2}{'.' * (i % 2)}\t{'xy'[i // 2 % 2]}\n" for i in range(40)]
    Path("data.tsv").write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
    assert main(["llm", "evaluate", model, "data.tsv", *FEW, "--out", "out"]) == 0
    told = capsys.readouterr().out
    assert "Note: Rows of the pool with the text of a query, left out: 6 (texts are compared without case" in told
    assert "Note: Rows of the pool that repeat an earlier one, left out: 14 (" in told
    noted = json.loads(Path("out/run.json").read_text(encoding="utf-8"))["settings"]
    assert noted["data"]["left out"] == {"queries_in_pool": 6, "repeated_demonstrations": 14}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--shots", "0,x"], "--shots: expected whole numbers from 0 on"),
        (["--shots", "-1"], "--shots = '-1'"),
        (["--shots", "300"], "--shots: expected at most"),
        (["--selector", "best"], "--selector: expected one of random, balanced"),
        (["--queries", "0"], "--queries = 0"),
        (["--draws", "0"], "--draws = 0"),
        (["--seed", "-1"], "--seed = -1"),
        (["--dtype", "int8"], "--dtype = 'int8'"),
        (["--device", "tpu"], "--device = 'tpu'"),
        (["--format", "no place for it"], "--format: expected a text with {text}"),
        (["--format", "{text} {label}"], "--format"),
        (["--label-word", "good"], "--label-word: expected LABEL=WORD"),
        (["--label-word", "plant=tree"], "--label-word = 'plant=tree'"),
        (["--label-word", "food=eat", "--label-word", "food=meal"], "--label-word: expected"),
        (["--encoding", "klingon"], "--encoding: expected an encoding that Python knows"),
        (["--encoding", "utf-16"], "--encoding: expected nothing where no JSONL"),
        (["--too-long", "cut"], "--too-long: expected one of refuse, skip, drop-shots"),
        (["--test", "none.tsv"], "--test = 'none.tsv'"),
        (["--shot", "1"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_requests(model: str, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert says(refused(capsys, model, "words", *words), told)
    assert not Path("results").exists()


def test_bad_data(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert says(refused(capsys, model, "none.tsv"), "DATA = 'none.tsv'")
    Path("one.tsv").write_text("text\tlabel\na\tx\nb\tx\n", encoding="utf-8")
    assert "at least two classes" in refused(capsys, model, "one.tsv")
    long = " ".join(["word"] * 2000)
    lines = [f"{long} {i}\tx\nshort {i}\ty\n" for i in range(9)]
    Path("long.tsv").write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
    assert "expected at most 512 tokens, the context length of tiny-gpt2" in refused(
        capsys, model, "long.tsv", "--shots", "2"
    )


def test_prompts_that_are_too_long_can_be_left_out(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    short = [f"short {i}\t{'xy'[i % 2]}\n" for i in range(24)]
    lines = [*short, f"{'word ' * 300}\tx\n", f"{'other ' * 300}\ty\n"]
    Path("queries.tsv").write_text("text\tlabel\n" + "".join(lines[12:]), encoding="utf-8")
    Path("pool.tsv").write_text("text\tlabel\n" + "".join(lines[:12]), encoding="utf-8")
    asked = ("pool.tsv", "--test", "queries.tsv", "--shots", "0,2", "--draws", "1")
    told = refused(capsys, model, *asked)
    assert (
        told.startswith("Error: 8 of 42 prompts are longer than the model reads") or "of 42 prompts are longer" in told
    )
    assert "ask for shorter texts, or --too-long skip" in told
    assert not Path("results").exists()
    assert main(["llm", "evaluate", model, *asked, "--too-long", "skip"]) == 0
    assert "Note: 2 of 14 queries are left out of everything" in capsys.readouterr().out


def test_a_folder_with_other_files_is_left_alone(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("my work", encoding="utf-8")
    assert "is left as it is" in refused(capsys, model, "words", "--out", "mine", "--force")
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


def test_a_terminal_shows_progress_before_and_after_the_total_is_known() -> None:
    """The first frame is drawn while nobody has said yet how many prompts there are."""
    written = io.StringIO()
    with _prompts_bar(Console(file=written, force_terminal=True, width=100)) as told:
        assert told is not None
        told(3, 12)
    assert "prompts" in written.getvalue()
