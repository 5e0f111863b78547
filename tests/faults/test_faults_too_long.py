"""Prompts that are longer than a model reads are found before any is read, and are refused, left out or shortened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from language_models.tiny_models import make_tiny, tiny_tokenizer

from iclscope.cli.main import main
from iclscope.language_models import PromptFormat, PromptGroup, label_scores, load_language_model
from iclscope.language_models.texts.labelled_text import LabelledTexts

READS = 128
POOL = [(f"thing {place}", "ab"[place % 2]) for place in range(12)]
SHORT = [(f"query {place}", "ab"[place % 2]) for place in range(8)]
LONG = [("word " * 12 + "!", "a"), ("word " * 16 + "!", "b")]
ENDLESS = [("word " * 60 + "!", "b")]
EXTRA: dict[str, list[str]] = {
    "evaluate": ["--shots", "0,4"],
    "select": ["--shots", "2,4", "--selector", "random,bm25"],
    "prune": [
        "--shots",
        "4",
        "--rates",
        "0.2",
        "--score",
        "random",
        "--prompts",
        "2",
        "--texts",
        "2",
        "--timings",
        "0",
    ],
    "attention": ["--shots", "4"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("models") / "tiny", "gpt2", n_positions=READS))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asked(command: str, model: str, queries: list[tuple[str, str]], *more: str, out: str = "run") -> int:
    for name, rows in (("pool", POOL), ("queries", queries)):
        lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in rows]
        Path(f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    words = ["pool.jsonl", "--test", "queries.jsonl", "--draws", "2", "--out", out, *EXTRA[command], *more]
    return main(["llm", command, model, *words])


def scores(out: str, *names: str) -> dict[tuple[Any, ...], Any]:
    """The scores of all rows that are no control, by what tells them apart."""
    rows = pl.read_parquet(f"{out}/rows.parquet").filter(pl.col("arm") == "as given")
    return {tuple(row[name] for name in names): row for row in rows.iter_rows(named=True)}


@pytest.mark.parametrize("command", EXTRA)
def test_one_prompt_that_is_too_long_ends_everything_before_anything_is_written(
    command: str, model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert asked(command, model, [*SHORT, *LONG]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert str(READS) in told.err
    assert "--too-long" in told.err
    assert "--shots" in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool.jsonl", "queries.jsonl"]


def test_nobody_is_told_to_ask_for_less_than_no_shots(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("evaluate", model, [*SHORT, *ENDLESS], "--shots", "0") == 2
    told = capsys.readouterr().err
    assert "1 " in told
    assert "fewer --shots" not in told


@pytest.mark.parametrize("command", ["evaluate", "select"])
def test_skipped_queries_are_missing_everywhere_and_the_others_are_as_without_them(
    command: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(command, model, [*SHORT, *LONG, *ENDLESS], "--too-long", "skip") == 0
    told = capsys.readouterr().out
    assert any("3" in line and "long" in line for line in told.splitlines() if line.startswith("Note"))
    kept = pl.read_parquet("run/rows.parquet")
    counts = kept.group_by("arm", "selector", "shots", "draw").agg(pl.col("query").n_unique())
    assert counts["query"].unique().to_list() == [len(SHORT)]
    assert set(kept["query"]) == set(range(len(SHORT)))
    assert "3" in Path("run/report.html").read_text(encoding="utf-8")


def test_prompts_without_their_first_demonstrations_have_the_scores_of_what_is_left(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = [*SHORT, *LONG]
    assert asked("evaluate", model, queries, "--too-long", "drop-shots") == 0
    rows = pl.read_parquet("run/rows.parquet").filter((pl.col("arm") == "as given") & (pl.col("shots") == 4))
    assert rows.height == 2 * len(queries)
    loaded, tokenizer, written = load_language_model(model), tiny_tokenizer(), PromptFormat()
    dropped = 0
    for row in rows.iter_rows(named=True):
        places = row["demonstrations"]
        assert len(places) == 4 - row["dropped"]
        shown = LabelledTexts(texts=tuple(POOL[place][0] for place in places), labels=tuple(POOL[p][1] for p in places))
        text = queries[row["query"]][0]
        group = PromptGroup(written.prefix(shown), (written.render_query(text),))
        alone = label_scores(loaded, [group], [" a", " b"])[0][0]
        assert np.allclose(alone, row["score_sum"], atol=1e-4)
        if row["dropped"]:
            more = LabelledTexts(texts=(POOL[0][0], *shown.texts), labels=(POOL[0][1], *shown.labels))
            longer = written.prefix(more) + written.render_query(text) + " a"
            assert len(tokenizer(longer)["input_ids"]) > READS - 3
            assert row["query"] >= len(SHORT)
        dropped += bool(row["dropped"])
    assert dropped == 4
    assert any("Note" in line and "drop" in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("command", ["select", "prune", "attention"])
def test_every_command_can_go_on_without_the_longest(command: str, model: str) -> None:
    for how in ("skip", "drop-shots"):
        assert asked(command, model, [*SHORT, *LONG], "--too-long", how, out=how) == 0
        assert Path(how, "report.html").is_file()


def test_a_query_that_is_too_long_by_itself_cannot_be_saved_by_dropping(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked("evaluate", model, [*SHORT, *ENDLESS], "--too-long", "drop-shots") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "skip" in told


def test_if_all_are_too_long_nothing_is_left_to_skip(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        asked("evaluate", model, [(text + str(place), label) for place, (text, label) in enumerate(ENDLESS * 3)]) == 2
    )
    assert asked("evaluate", model, ENDLESS, "--too-long", "skip") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_longest_label_counts(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    endless = "word " * 60
    assert asked("evaluate", model, SHORT, "--shots", "0", "--label-word", f"a={endless}") == 2
    assert str(READS) in capsys.readouterr().err


def test_a_prompt_of_exactly_the_length_that_a_model_reads_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written, tokenizer = PromptFormat(), tiny_tokenizer()
    longest = max(len(tokenizer(written.render_query(text) + " a")["input_ids"]) for text, _ in SHORT)
    calibration = max(len(tokenizer(written.render_query(text) + " a")["input_ids"]) for text in ("N/A", "", "[MASK]"))
    assert calibration <= longest + 1
    needed = max(longest, calibration)
    fits = str(make_tiny(tmp_path / "fits", "gpt2", n_positions=needed))
    assert asked("evaluate", fits, SHORT, "--shots", "0") == 0
    lacks_two = str(make_tiny(tmp_path / "lacks", "gpt2", n_positions=needed - 2))
    assert asked("evaluate", lacks_two, SHORT, "--shots", "0", out="other") == 2
    assert not Path("other").exists()


def test_another_way_with_long_prompts_is_another_measurement(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("evaluate", model, [*SHORT, *LONG], "--too-long", "skip") == 0
    status = asked("evaluate", model, [*SHORT, *LONG], "--too-long", "drop-shots")
    rows = pl.read_parquet("run/rows.parquet")
    assert (status, rows["query"].n_unique()) in [(2, len(SHORT)), (0, len(SHORT) + len(LONG))]
