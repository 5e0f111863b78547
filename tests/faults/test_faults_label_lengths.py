"""Labels of different lengths: three scores with three answers each, and a note where one label begins another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from language_models.tiny_models import make_tiny
from refusals import says

import iclscope as icl
from iclscope.cli.main import main

TEXTS = ("horse", "wolf", "bread", "soup", "a film", "good", "bad", "the", "and", "Review", "text", "or")
PAIRS = {
    "prefix": ("good", "good enough"),
    "long": ("animal", "something that one may well eat"),
    "scripts": ("é", "日本語の長い答え"),
    "single": ("bad", "food"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("lengths") / "tiny", "llama", seed=3)


def table(labels: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        [(text, labels[i % len(labels)]) for i, text in enumerate(TEXTS)], ["text", "label"], orient="row"
    )


def evaluated(model: Path, labels: tuple[str, ...], out: Path, **settings: Any) -> Any:
    pool = pl.DataFrame({"text": [f"t{i}" for i in range(len(labels))], "label": labels})
    asked = {"shots": 0, "draws": 1, "queries": 12, "test": table(labels), **settings}
    return icl.language_models.evaluate(model, pool, out=out, **asked)


@pytest.fixture(scope="module")
def done(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("done")
    return {name: evaluated(model, pair, folder / name) for name, pair in PAIRS.items()}


def by_hand(model: Path, text: str, label: str) -> tuple[float, int]:
    """The sum of log-probabilities, and the number of tokens, of a label behind its prompt."""
    loaded = icl.language_models.load_language_model(str(model))
    prompt = loaded.tokenizer(f"Text: {text}\nLabel:")["input_ids"]
    whole = loaded.tokenizer(f"Text: {text}\nLabel: {label}")["input_ids"]
    assert whole[: len(prompt)] == prompt
    with torch.inference_mode():
        told = loaded.model(input_ids=torch.tensor([whole])).logits[0].double().log_softmax(dim=-1)
    return sum(float(told[at - 1, whole[at]]) for at in range(len(prompt), len(whole))), len(whole) - len(prompt)


@pytest.mark.parametrize("name", PAIRS)
def test_the_three_scores_are_the_sum_and_its_means(done: dict[str, Any], model: Path, name: str) -> None:
    classes = sorted(PAIRS[name])
    for row in done[name].rows.sort("query").head(2).iter_rows(named=True):
        by_label = [by_hand(model, TEXTS[row["query"]], label) for label in classes]
        total = [score for score, _ in by_label]
        np.testing.assert_allclose(row["score_sum"], total, atol=2e-3)
        np.testing.assert_allclose(row["score_token"], [score / tokens for score, tokens in by_label], atol=1e-3)
        characters = [score / len(label) for label, score in zip(classes, total, strict=True)]
        np.testing.assert_allclose(row["score_character"], characters, atol=2e-3)


@pytest.mark.parametrize("name", PAIRS)
def test_every_answer_is_the_label_of_the_highest_score_of_its_kind(done: dict[str, Any], name: str) -> None:
    classes = sorted(PAIRS[name])
    rows = done[name].rows
    for ending, column in (("", "score_sum"), ("_by_token", "score_token"), ("_by_character", "score_character")):
        best = [classes[int(np.argmax(scores))] for scores in rows[column]]
        assert rows[f"answer{ending}"].to_list() == best
        right = [answer == label for answer, label in zip(best, rows["label"], strict=True)]
        assert rows[f"correct{ending}"].to_list() == right
        calibrated = rows[f"calibrated_answer{ending}"] == rows["label"]
        assert rows[f"calibrated_correct{ending}"].to_list() == calibrated.to_list()


def test_a_label_that_begins_with_another_can_win_by_its_mean_alone(done: dict[str, Any]) -> None:
    rows = done["prefix"].rows
    assert set(rows["answer"]) == {"good"}
    by_mean = set(rows["answer_by_token"]) | set(rows["answer_by_character"])
    assert "good enough" in by_mean


def test_of_single_tokens_sum_and_mean_agree(done: dict[str, Any]) -> None:
    rows = done["single"].rows
    assert rows["score_sum"].to_list() == rows["score_token"].to_list()
    assert rows["calibrated_answer"].to_list() == rows["calibrated_answer_by_token"].to_list()


def warned(notes: Any, *labels: str) -> bool:
    return any(all(label in note for label in labels) and "begin" in note for note in notes)


def test_only_where_a_label_begins_another_a_note_says_so(done: dict[str, Any]) -> None:
    assert warned(done["prefix"].notes, "good", "good enough")
    for name in ("long", "scripts", "single"):
        assert not any("begin" in note and "label" in note.lower() for note in done[name].notes)


@pytest.mark.parametrize(
    ("labels", "begins"),
    [
        (("1", "10"), True),
        (("bad", "very bad"), False),
        (("neg", "pos", "pos-strong"), True),
        (("Good", "good enough"), False),
    ],
)
def test_the_beginning_counts_and_nothing_else(
    model: Path, labels: tuple[str, ...], begins: bool, tmp_path: Path
) -> None:
    notes = evaluated(model, labels, tmp_path / "out", queries=2).notes
    assert any("begin" in note and labels[-1] in note for note in notes) is begins


def test_the_note_is_about_the_words_that_are_answered(model: Path, tmp_path: Path) -> None:
    """Labels in the data are 0 and 1; one word begins the other."""
    notes = evaluated(model, ("0", "1"), tmp_path / "a", queries=2, words={"0": "good", "1": "good enough"}).notes
    assert warned(notes, "good", "good enough")
    notes = evaluated(model, ("good", "good enough"), tmp_path / "b", queries=2, words={"good enough": "fine"}).notes
    assert not any("begin" in note for note in notes)


def accuracies(told: str) -> list[str]:
    return [line.split("as given")[1].split()[0] for line in told.splitlines() if "as given" in line]


def test_tables_go_by_the_score_that_is_asked_for_and_nothing_is_measured_again(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(PAIRS["prefix"]).write_csv(tmp_path / "test.csv")
    pl.DataFrame({"text": ["t0", "t1"], "label": PAIRS["prefix"]}).write_csv(tmp_path / "pool.csv")
    out = tmp_path / "out"
    asked = ["llm", "evaluate", str(model), str(tmp_path / "pool.csv"), "--test", str(tmp_path / "test.csv")]
    asked += ["--shots", "0", "--draws", "1", "--out", str(out)]
    measured: list[dict[str, int]] = []
    for score, column in (("sum", "correct"), ("token", "correct_by_token"), ("character", "correct_by_character")):
        capsys.readouterr()
        assert main([*asked, "--label-score", score]) == 0
        rows = pl.read_parquet((out / "rows.parquet").read_bytes())
        right = rows[column].to_list()
        assert accuracies(capsys.readouterr().out) == [f"{100 * sum(right) / len(right):.1f}"]
        assert json.loads((out / "run.json").read_text())["label score"] == score
        measured.append({file.name: file.stat().st_mtime_ns for file in (out / "parts").iterdir()})
    assert measured[0] == measured[1] == measured[2] != {}
    assert main([*asked, "--label-score", "mean"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "iclscope:" in line]
    assert says(line, "--label-score = 'mean'")


def test_each_score_has_its_own_calibration(done: dict[str, Any], model: Path) -> None:
    for name, classes in ((name, sorted(pair)) for name, pair in PAIRS.items()):
        free = np.array([[by_hand(model, text, label) for label in classes] for text in ("N/A", "", "[MASK]")])
        by = {"": free[..., 0], "_by_token": free[..., 0] / free[..., 1]}
        by["_by_character"] = free[..., 0] / np.array([len(label) for label in classes])
        for ending, scores in by.items():
            share = np.exp(scores - scores.max(axis=1, keepdims=True))
            taken_off = np.log((share / share.sum(axis=1, keepdims=True)).mean(axis=0))
            column = {"": "score_sum", "_by_token": "score_token", "_by_character": "score_character"}[ending]
            for row in done[name].rows.iter_rows(named=True):
                calibrated = np.array(row[column]) - taken_off
                if abs(calibrated[0] - calibrated[1]) > 0.01:
                    assert row[f"calibrated_answer{ending}"] == classes[int(calibrated.argmax())]
