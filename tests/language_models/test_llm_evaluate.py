"""Evaluation: what is asked, what is kept, what is told, and that nothing is measured twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from language_models.plain_scoring import plain_scores

from iclscope.core.errors import BadRequest
from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.evaluation.report import evaluate_claims
from iclscope.language_models.evaluation.rows import AS_GIVEN, SHUFFLED, accuracy_table, draw_seed
from iclscope.language_models.measurement import Unit, measure, unit_tables
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts import answers as answers_module
from iclscope.language_models.prompts.draws import SampledTask, draw_queries, shuffled_labels
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import choose
from iclscope.language_models.selectors.random_selectors import balanced, random
from iclscope.language_models.settings import EvaluateSettings, TextMeasurement
from iclscope.language_models.texts.labelled_text import LabelledTexts, TextTask, load_task

SMALL = EvaluateSettings(shots=(0, 2, 3), selectors=("balanced", "random"))


@pytest.fixture(scope="module")
def prepared(tiny_llama: LanguageModel) -> Prepared:
    return prepare(TextMeasurement(model=tiny_llama.source, queries=10, draws=2))


@pytest.fixture(scope="module")
def rows(prepared: Prepared) -> pl.DataFrame:
    return unit_tables(Evaluation(prepared, SMALL))["rows"]


def units(prepared: Prepared) -> list[Unit]:
    return Evaluation(prepared, SMALL).units(prepared)


def test_each_unit_asks_all_queries(prepared: Prepared, rows: pl.DataFrame) -> None:
    counted = rows.group_by("arm", "selector", "shots", "draw").len()
    assert set(counted["len"]) == {10}
    assert {tuple(row[:4]) for row in counted.rows()} == {tuple(unit.tags.values()) for unit in units(prepared)}
    assert rows.filter(pl.col("shots") == 0)["draw"].unique().to_list() == [0]
    assert rows.filter(pl.col("arm") == SHUFFLED)["shots"].unique().to_list() == [3]
    assert rows["label"].to_list()[:10] == list(prepared.sampled.queries.labels)


def test_answers_are_those_of_the_plain_scorer(prepared: Prepared, rows: pl.DataFrame) -> None:
    """From texts to the likeliest label, and to the likeliest after calibration, written out."""
    part = rows.filter((pl.col("selector") == "random") & (pl.col("shots") == 3) & (pl.col("draw") == 1)).sort("query")
    shown = part["demonstrations"][0].to_list()
    pool = prepared.sampled.pool
    prefix = "".join(f"Text: {pool.texts[i]}\nLabel: {pool.labels[i]}\n\n" for i in shown)
    classes = prepared.sampled.classes
    words = [f" {kind}" for kind in classes]
    prompts = [f"{prefix}Text: {text}\nLabel:" for text in (*prepared.sampled.queries.texts, "N/A", "", "[MASK]")]
    scores = plain_scores(prepared.language_model, prompts, words)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    fair = p[:-3] / p[-3:].mean(axis=0)
    assert part["answer"].to_list() == [classes[i] for i in p[:-3].argmax(axis=1)]
    assert part["calibrated_answer"].to_list() == [classes[i] for i in fair.argmax(axis=1)]
    assert part["correct"].to_list() == [a == b for a, b in zip(part["answer"], part["label"], strict=True)]
    right = [classes.index(label) for label in part["label"]]
    assert part["log_probability"].to_list() == pytest.approx(np.log(p[range(10), right]).tolist(), abs=2e-4)


def test_accuracies_are_means_over_draws_and_queries(rows: pl.DataFrame) -> None:
    for row in accuracy_table(rows).iter_rows(named=True):
        same = (
            (pl.col("arm") == row["arm"]) & (pl.col("selector") == row["selector"]) & (pl.col("shots") == row["shots"])
        )
        assert row["accuracy"] == pytest.approx(rows.filter(same)["correct"].mean())
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert row["draws"] == (1 if row["shots"] == 0 else 2)


def test_what_is_finished_is_not_measured_again(
    prepared: Prepared, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the middle, it goes on from there, and the rows are those of an undisturbed run."""
    asked_for: list[int] = []
    scores = answers_module.scored_labels

    def counted(*args: Any, **settings: Any) -> Any:
        asked_for.append(1)
        if len(asked_for) == 4:
            raise KeyboardInterrupt
        return scores(*args, **settings)

    monkeypatch.setattr(answers_module, "scored_labels", counted)
    kept = {"command": "evaluate", **prepared.noted(), **SMALL.model_dump(mode="json")}
    folder = RunFolder(tmp_path / "out", kept)
    folder.begin()
    with pytest.raises(KeyboardInterrupt):
        unit_tables(Evaluation(prepared, SMALL, folder))
    again = RunFolder(tmp_path / "out", kept)
    again.begin()
    assert unit_tables(Evaluation(prepared, SMALL, again))["rows"].equals(rows)
    assert len(asked_for) == len(units(prepared)) + 1
    unit_tables(Evaluation(prepared, SMALL, again))
    assert len(asked_for) == len(units(prepared)) + 1


def test_the_folder_has_all_that_was_promised(prepared: Prepared, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    folder = RunFolder(tmp_path / "out", {"command": "evaluate"})
    done = measure(Evaluation(prepared, SMALL, folder), progress=lambda read, total: told.append((read, total)))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *(
            "accuracy.pdf",
            "accuracy.png",
            "claims.csv",
            "claims.json",
            "claims.tex",
            "parts",
            "report.html",
            "rows.parquet",
        ),
        "run.json",
    }
    assert pl.read_parquet(tmp_path / "out" / "rows.parquet").equals(done.rows)
    (claim,) = json.loads((tmp_path / "out" / "claims.json").read_text(encoding="utf-8"))
    assert claim["id"] == "evaluate-demonstrations"
    assert claim["control"]["description"] == "the same demonstrations with labels dealt at random"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "tiny-llama on words" in page
    assert "<script" not in page
    assert told[-1][0] == told[-1][1] == sum(total for total in {told[-1][1]})
    assert told[-1][1] == len(units(prepared)) * 13


def made_rows(right: dict[tuple[str, int], float]) -> pl.DataFrame:
    """Rows in which so many of the answers are right, by arm and shots."""
    numbers = np.random.default_rng(0)
    parts = []
    for (arm, shots), rate in right.items():
        for draw in range(3 if shots else 1):
            hits = numbers.random(200) < rate
            part = pl.DataFrame({"query": np.arange(200), "correct": hits, "calibrated_correct": hits})
            tags = {"arm": arm, "selector": "balanced", "shots": shots, "draw": draw}
            parts.append(part.with_columns(*(pl.lit(value).alias(name) for name, value in tags.items())))
    return pl.concat(parts)


def test_the_claim_holds_where_demonstrations_help_and_labels_matter() -> None:
    (judged,) = evaluate_claims(made_rows({(AS_GIVEN, 0): 0.5, (AS_GIVEN, 8): 0.9, (SHUFFLED, 8): 0.3}))
    assert (judged.verdict, judged.control_verdict) == ("holds", "fails")
    (judged,) = evaluate_claims(made_rows({(AS_GIVEN, 0): 0.9, (AS_GIVEN, 8): 0.6, (SHUFFLED, 8): 0.9}))
    assert (judged.verdict, judged.control_verdict) == ("fails", "inconclusive")


def test_no_claim_without_prompts_to_compare() -> None:
    assert evaluate_claims(made_rows({(AS_GIVEN, 4): 0.5, (AS_GIVEN, 8): 0.9, (SHUFFLED, 8): 0.3})) == []
    assert evaluate_claims(made_rows({(AS_GIVEN, 0): 0.5})) == []


def task_of(texts: int, classes: int = 3) -> TextTask:
    pool = LabelledTexts(tuple(f"text {i}" for i in range(texts)), tuple(f"kind {i % classes}" for i in range(texts)))
    return TextTask("made", pool, None)


def test_queries_are_a_function_of_the_seed_and_not_in_the_pool() -> None:
    task = task_of(60)
    one, same, other = (draw_queries(task, 20, seed) for seed in (0, 0, 1))
    assert one == same
    assert one.queries != other.queries
    assert len(one.queries.texts) == 20
    assert not set(one.queries.texts) & set(one.pool.texts)
    assert len(draw_queries(task, 500, 0).queries.texts) == 30  # half of what there is


def test_queries_that_leave_a_class_without_demonstrations() -> None:
    own = LabelledTexts(("a", "b", "c", "d"), ("x", "x", "x", "y"))
    task = TextTask(
        "made", own, own.at([3])
    )  # a query of its own that is in the pool too, as the only one of its class
    with pytest.raises(BadRequest, match=r"--queries: expected fewer: .* no text of y left"):
        draw_queries(task, 1, 0)


def test_demonstrations_are_nested_balanced_and_seeded() -> None:
    asked = draw_queries(task_of(60), 12, 0)
    for draw in (random, balanced):
        assert draw(asked, 4, 7) == draw(asked, 9, 7)[:4]
        assert draw(asked, 9, 7) != draw(asked, 9, 8)
        assert len(set(draw(asked, 48, 7))) == 48
    for shots in (3, 6, 12):
        labels = [asked.pool.labels[i] for i in balanced(asked, shots, 1)]
        assert {labels.count(kind) for kind in asked.classes} == {shots // 3}


def test_shuffled_labels_are_the_same_labels_elsewhere() -> None:
    pool = task_of(60).pool
    dealt = shuffled_labels(pool, 0)
    assert dealt.texts == pool.texts
    assert sorted(dealt.labels) == sorted(pool.labels)
    assert dealt.labels != pool.labels
    assert draw_seed(0, 1) != draw_seed(0, 2) != draw_seed(1, 1)


def test_more_shots_than_texts_are_refused(prepared: Prepared) -> None:
    few: SampledTask = prepared.sampled._replace(pool=prepared.sampled.pool.at(range(5)))
    with pytest.raises(BadRequest, match=r"--shots: expected at most 5, the size of the pool"):
        choose("random", prepared.language_model, few, 6, 0)


def test_the_words_are_a_task_of_five_classes() -> None:
    task = load_task("words")
    assert len(task.pool.texts) == len(set(task.pool.texts)) == 200
    assert task.pool.classes == ("animal", "clothing", "food", "furniture", "vehicle")
    assert {task.pool.labels.count(kind) for kind in task.pool.classes} == {40}
