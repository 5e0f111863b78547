"""Labels of different lengths: scores by sum, by token and by character, and what is said where one begins another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from language_models.plain_scoring import plain_scores
from language_models.tiny_models import make_tiny

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts import answers as answers_module
from iclscope.language_models.prompts.answers import answers
from iclscope.language_models.prompts.draws import SampledTask
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.prompts.label_lengths import judged_by, label_notes, scores_by_length
from iclscope.language_models.prompts.scoring import ScoredGroup
from iclscope.language_models.selectors import Choice
from iclscope.language_models.settings import LABEL_SCORES, EvaluateSettings, PruneSettings, SelectSettings
from iclscope.language_models.texts.labelled_text import LabelledTexts

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

CLASSES = ("bad", "good", "good enough", "a long word of many tokens")
FORM = PromptFormat()


def asked() -> SampledTask:
    pool = LabelledTexts(tuple(f"film number {i}" for i in range(8)), CLASSES * 2)
    queries = LabelledTexts(("a horse", "soup", "the wolf", "bread"), CLASSES)
    return SampledTask("made", pool, queries, CLASSES)


def choice(shared: bool) -> Choice:
    return Choice(((0, 5),) * 4 if shared else ((0, 5), (1, 2), (3, 4), (7, 6)), shared)


def column(name: str, score: str) -> str:
    return name if score == "sum" else f"{name}_by_{score}"


@pytest.mark.parametrize("shared", [True, False])
def test_the_rows_are_those_of_the_plain_scorer(shared: bool, tiny: LanguageModel) -> None:
    """Each score written out, with its own calibration."""
    rows = answers(tiny, asked(), choice(shared), FORM)
    words = [f" {label}" for label in CLASSES]
    tokens = np.array([len(tiny.tokenizer(f"Label:{word}")["input_ids"]) for word in words])
    tokens -= len(tiny.tokenizer("Label:")["input_ids"])
    assert len(set(tokens)) > 2
    for place in range(4):
        shown = asked().pool.at(choice(shared).demonstrations[place])
        texts = (asked().queries.texts[place], "N/A", "", "[MASK]")
        sums = plain_scores(tiny, [FORM.prefix(shown) + FORM.render_query(text) for text in texts], words)
        lengths = {"sum": 1, "token": tokens, "character": np.array([len(label) for label in CLASSES])}
        for score, length in lengths.items():
            p = np.exp(sums / length)
            p /= p.sum(axis=1, keepdims=True)
            best, fair = CLASSES[p[0].argmax()], CLASSES[(p[0] / p[1:].mean(axis=0)).argmax()]
            row = rows.row(place, named=True)
            np.testing.assert_allclose(row[f"score_{score}"], (sums / length)[0], atol=2e-4)
            assert row[column("answer", score)] == best
            assert row[column("calibrated_answer", score)] == fair
            assert row[column("correct", score)] == (best == CLASSES[place])
            assert row[column("calibrated_correct", score)] == (fair == CLASSES[place])


def test_old_columns_stay(tiny_llama: LanguageModel) -> None:
    old = ["query", "label", "answer", "correct", "calibrated_answer", "calibrated_correct", "log_probability"]
    rows = answers(tiny_llama, asked(), choice(True), FORM)
    assert rows.columns[:8] == [*old, "demonstrations"]
    found = np.exp(np.asarray(rows["score_sum"].to_list()))
    right = np.log(found / found.sum(axis=1, keepdims=True))[range(4), range(4)]
    np.testing.assert_allclose(rows["log_probability"].to_numpy(), right)


def test_the_longer_of_two_can_win_by_means_alone(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log p(good) = −2, and "enough" follows it surely: its score by the sum is never larger."""
    one = np.array([[-9.0, -2.0, -2.1, -40.0]] * 7)
    one[4:] = [-3.0, -3.0, -3.5, -30.0]  # content-free
    scored = [ScoredGroup(one, np.array([[1, 1, 2, 6]] * 7))]
    monkeypatch.setattr(answers_module, "scored_labels", lambda *_, **__: scored)
    rows = answers(tiny_llama, asked(), choice(True), FORM)
    assert set(rows["answer"]) == {"good"}
    assert set(rows["answer_by_token"]) == {"good enough"}  # −1.05 against −2
    assert set(rows["answer_by_character"]) == {"good enough"}  # −2.1/11 against −2/4
    assert set(rows["calibrated_answer"]) == {"good enough"}  # 1.4 gained, where good gained 1
    assert judged_by(rows, "token")["correct"].to_list() == [False, False, True, False]
    assert judged_by(rows, "sum").equals(rows)


def test_scores_written_out() -> None:
    sums, tokens = np.array([[-6.0, -3.0]]), np.array([[3, 1]])
    found = scores_by_length(sums, tokens, ("größer", "是"))
    assert {name: scores.tolist() for name, scores in found.items()} == {
        "sum": [[-6.0, -3.0]],
        "token": [[-2.0, -3.0]],
        "character": [[-1.0, -3.0]],
    }


def test_labels_of_one_length_are_the_same_by_all(tiny_llama: LanguageModel) -> None:
    """What is counted is the tokens behind each prompt."""
    same = SampledTask("made", asked().pool, asked().queries, CLASSES)._replace(classes=("x", "y"))
    texts = LabelledTexts(same.queries.texts[:2], ("x", "y"))
    pool = LabelledTexts(same.pool.texts, ("x", "y") * 4)
    rows = answers(tiny_llama, same._replace(queries=texts, pool=pool), Choice(((0, 1),) * 2, True), FORM)
    for name in ("answer", "calibrated_answer"):
        assert len({tuple(rows[column(name, score)]) for score in LABEL_SCORES}) == 1


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("bad", "good"), []),
        (("good", "good enough"), ["'good' of 'good enough'. By the sum"]),
        (("1", "10", "100", "11"), ["'1' of '10', '1' of '100', '1' of '11' and 1 more. By the sum"]),
        (("Good", "good enough"), []),
        (("not bad", "bad"), []),
    ],
)
def test_labels_that_begin_others(labels: tuple[str, ...], told: list[str]) -> None:
    notes = label_notes(labels, "sum")
    assert len(notes) == len(told)
    assert all(words in note for words, note in zip(told, notes, strict=True))
    assert len(label_notes(labels, "token")) == len(told)


@pytest.mark.parametrize("kind", [EvaluateSettings, SelectSettings, PruneSettings])
def test_another_score_is_refused(kind: Any) -> None:
    assert kind().label_score == "sum"
    assert kind(label_score="token").label_score == "token"
    with pytest.raises(BadRequest, match="--label-score: expected one of sum, token, character"):
        kind(label_score="length")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lines = [json.dumps({"text": f"film number {i}", "label": CLASSES[i % 3]}) for i in range(24)]
    (tmp_path / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "data.jsonl"


QUICK = {
    "evaluate": ["--shots", "0,3"],
    "select": ["--shots", "3", "--selector", "balanced,pattern", "--patterns", "2"],
    "prune": ["--shots", "3", "--rates", "0.2", "--score", "magnitude,largest", "--timings", "0"],
}


@pytest.mark.parametrize("command", QUICK)
def test_all_three_commands_tell_and_compare(
    command: str, tiny_llama_folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["llm", command, str(tiny_llama_folder), str(data), *QUICK[command], "--queries", "8", "--draws", "1"]
    words += ["--out", str(out)]
    capsys.readouterr()
    assert main(words) == 0
    note = "Note: A label is the beginning of another: 'good' of 'good enough'. By the sum of log-probabilities"
    assert note in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "A label is the beginning of another" in page
    assert "the sum of the log-probabilities of their tokens" in page
    rows, parts = pl.read_parquet(out / "rows.parquet"), sorted((out / "parts").iterdir())
    times = [part.stat().st_mtime_ns for part in parts]
    assert "good enough" not in set(rows["answer"])
    assert main([*words, "--label-score", "token"]) == 0
    assert "Compared by the mean log-probability of their tokens" in capsys.readouterr().out
    assert "the mean log-probability of their tokens" in (out / "report.html").read_text(encoding="utf-8")
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["label score"] == "token"
    assert pl.read_parquet(out / "rows.parquet").equals(rows)
    assert [part.stat().st_mtime_ns for part in parts] == times  # nothing was measured again
    assert main([*words, "--label-score", "length"]) == 2
    assert "--label-score: expected one of sum, token, character" in capsys.readouterr().err


def test_tables_and_claims_go_by_the_score(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_tiny(tmp_path / "tiny-gpt2", "gpt2", seed=3)
    told = {}
    for score in LABEL_SCORES:
        words = ["llm", "evaluate", str(model), str(data), "--shots", "0", "--queries", "8", "--draws", "1"]
        capsys.readouterr()
        assert main([*words, "--out", str(tmp_path / "out"), "--label-score", score]) == 0
        told[score] = capsys.readouterr().out.splitlines()[1]
    rows = pl.read_parquet(tmp_path / "out" / "rows.parquet")
    for score in LABEL_SCORES:
        rate = rows[column("correct", score)].mean()
        assert isinstance(rate, float)
        assert f"{100 * rate:.1f} [" in told[score]
    assert len(set(told.values())) > 1
