"""Prompts that are longer than the model reads: counted before anything is read or written, then done with as asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from language_models.plain_scoring import plain_scores
from language_models.tiny_models import make_tiny

import iclscope.language_models as llm
from iclscope.core.errors import BadRequest
from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.evaluation.rows import draw_seed
from iclscope.language_models.heads.measurement import Attention
from iclscope.language_models.measurement import unit_tables
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors.random_selectors import balanced
from iclscope.language_models.settings import AttentionSettings, EvaluateSettings, PruneSettings, TextMeasurement

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

CONTEXT = 96
LONG = ("the horse and the wolf " * 8, "bread and soup and bread " * 9, "a good film and the wolf " * 7)
HUGE = "the horse and the wolf " * 40
Measure = Callable[..., Any]


def evaluate(model: str, **asked: Any) -> Any:
    return llm.evaluate(model, **{"shots": (0, 4), **asked})


def select(model: str, **asked: Any) -> Any:
    options = llm.SelectorOptions(patterns=2)
    return llm.compare_selectors(
        model, **{"shots": (4,), "selectors": ("balanced", "bm25", "pattern"), "options": options, **asked}
    )


def prune(model: str, **asked: Any) -> Any:
    shots = asked.pop("shots", 4)
    settings = PruneSettings(rates=(0.2,), scores=("random",), shots=shots, prompts=2, texts=2, timings=1)
    return llm.measure_pruning(model, settings=settings, **asked)


def attention(model: str, **asked: Any) -> Any:
    return llm.attention(model, **{"shots": 4, **asked})


COMMANDS: dict[str, Measure] = {f.__name__: f for f in (evaluate, select, prune, attention)}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "short"
    return str(make_tiny(folder, "llama", max_position_embeddings=CONTEXT))


def texts(folder: Path, long: tuple[str, ...] = LONG, *, pool: tuple[str, ...] = ()) -> Path:
    """A folder with a pool of 24 short texts and a test of 12, and some long ones among both."""
    folder.mkdir()
    rows = [(f"the horse {i}" if i % 2 else f"soup {i}", ("animal", "food")[i % 2 == 0]) for i in range(36)]
    more = {"train": [(text, "animal") for text in pool], "test": [(text, "food") for text in long]}
    for name, some in (("train", rows[:24]), ("test", rows[24:])):
        table = pl.DataFrame([*some, *more[name]], schema=["text", "label"], orient="row")
        table.write_csv(folder / f"{name}.csv")
    return folder


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """What all are asked: twelve short queries and three long ones, which fit without demonstrations only."""
    return {"data": texts(tmp_path / "texts"), "out": tmp_path / "out", "draws": 2}


def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """No prompt; what selectors look at is no prompt, nor what a model is tried with."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a prompt was read")

    for name in ("prompts.answers.scored_labels", "heads.measurement.demonstration_attention", "pruning.rows.activity"):
        monkeypatch.setattr(f"iclscope.language_models.{name}", never)


def written(language_model: LanguageModel, prompt: str, label: str) -> int:
    """Tokens of a prompt with a label, but for the last, which is only predicted."""
    return len(language_model.tokenizer(f"{prompt} {label}")["input_ids"]) - 1


def prompts_of(prepared: Prepared, shown: list[int], text: str) -> str:
    pool = prepared.sampled.pool
    return "".join(f"Text: {pool.texts[i]}\nLabel: {pool.labels[i]}\n\n" for i in shown) + f"Text: {text}\nLabel:"


def test_all_prompts_are_counted_before_the_first_is_read(
    command: str, model: str, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_read(monkeypatch)
    with pytest.raises(BadRequest, match=r"^\d+ of \d+ prompts are longer than the model reads: .*") as told:
        COMMANDS[command](model, **asked)
    message = str(told.value)
    assert f"expected at most {CONTEXT} tokens, the context length of short" in message
    assert message.endswith("ask for fewer --shots, or --too-long skip or drop-shots")
    assert "\n" not in message
    assert not asked["out"].exists()


def test_how_many_and_how_long_is_counted_by_hand(model: str, asked: dict[str, Any]) -> None:
    prepared = prepare(TextMeasurement(model=model, data=asked["data"], draws=2))
    lengths = []
    for draw in range(2):
        shown = list(balanced(prepared.sampled, 4, draw_seed(0, draw)))
        lengths += [
            max(
                written(prepared.language_model, prompts_of(prepared, shown, text), kind) for kind in ("animal", "food")
            )
            for text in prepared.sampled.queries.texts
        ]
    count = sum(length > CONTEXT for length in lengths)
    assert count == 6
    with pytest.raises(BadRequest) as told:
        Evaluation(prepared, EvaluateSettings(shots=(4,))).fit()
    # Labels dealt anew, in the control, are of other lengths by a token or two.
    assert str(told.value).startswith("12 of 60 prompts are longer")
    assert abs(int(str(told.value).split(", got ")[1].split()[0]) - max(lengths)) <= 4


def test_at_no_shots_fewer_are_no_advice(model: str, tmp_path: Path) -> None:
    data = texts(tmp_path / "texts", (HUGE,))
    for shots in ((0,), (0, 4)):
        with pytest.raises(BadRequest, match=r"ask for shorter texts, or --too-long skip$"):
            evaluate(model, data=data, out=tmp_path / "out", shots=shots)
    with pytest.raises(BadRequest, match=r"^1 prompts without demonstrations are longer .* or --too-long skip$"):
        evaluate(model, data=data, out=tmp_path / "out", too_long="drop-shots")
    assert not (tmp_path / "out").exists()


def test_queries_are_left_out_of_everything(command: str, model: str, asked: dict[str, Any]) -> None:
    done = COMMANDS[command](model, too_long="skip", **asked)
    assert f"3 of 15 queries are left out of everything: a prompt of theirs is longer than the {CONTEXT} tokens" in (
        " ".join(done.notes)
    )
    assert json.loads((asked["out"] / "run.json").read_text())["settings"]["too_long"] == "skip"
    assert "3 of 15 queries are left out" in (asked["out"] / "report.html").read_text()
    if command == "attention":
        assert done.heads["queries"].unique().to_list() == [12]
        return
    rows = done.rows.answers if command == "prune" else done.rows
    keys = [name for name in ("arm", "selector", "shots", "draw", "score", "rate") if name in rows.columns]
    assert rows.group_by(keys).len()["len"].unique().to_list() == [12]
    assert "dropped" not in rows.columns


def growing(folder: Path) -> Path:
    """Queries of which some fit behind the demonstrations of some draws only."""
    return texts(folder, tuple("the wolf " * count for count in range(9, 21)))


def test_a_query_too_long_in_one_draw_is_left_out_of_all(model: str, tmp_path: Path) -> None:
    prepared = prepare(TextMeasurement(model=model, data=growing(tmp_path / "texts"), draws=3, too_long="skip"))
    fitted = Evaluation(prepared, EvaluateSettings(shots=(4,), selectors=("random",))).fit()
    queries = range(len(prepared.sampled.queries.texts))
    long: list[set[int]] = []
    for unit, choice in fitted.choices.items():
        shown = prepared.sampled.pool.at(choice.demonstrations[0])
        if unit.tags["arm"] == "as given":
            prefix = PromptFormat().prefix(shown)
            prompts = [f"{prefix}Text: {text}\nLabel:" for text in prepared.sampled.queries.texts]
            kinds = ("animal", "food")
            longest = [max(written(prepared.language_model, one, kind) for kind in kinds) for one in prompts]
            long.append({i for i in queries if longest[i] > CONTEXT})
    assert set.union(*long) > set.intersection(*long), "the case must be one in which a query fits into one draw only"
    assert set(fitted.left_out) >= set.union(*long)
    kept = [text for i, text in enumerate(prepared.sampled.queries.texts) if i not in fitted.left_out]
    assert list(fitted.prepared.sampled.queries.texts) == kept
    assert {len(choice.demonstrations) for choice in fitted.choices.values()} == {len(kept)}


def test_nothing_is_left_to_ask(model: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"--too-long: expected drop-shots, fewer --shots or"):
        evaluate(model, data=texts(tmp_path / "texts", ()), shots=(20,), too_long="skip", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_draws_that_leave_out_more(model: str, tmp_path: Path) -> None:
    """Finished parts of other queries are not mixed in: the rows are those of as many draws at once."""
    data = growing(tmp_path / "texts")

    def rows(draws: int, out: str) -> pl.DataFrame:
        prepared = prepare(TextMeasurement(model=model, data=data, draws=draws, too_long="skip"))
        folder = RunFolder(tmp_path / out, prepared.noted())
        folder.begin()
        settings = EvaluateSettings(shots=(4,), selectors=("random",))
        return unit_tables(Evaluation(prepared, settings, folder))["rows"]

    fewer, more = rows(1, "out"), rows(4, "out")
    assert fewer["query"].n_unique() > more["query"].n_unique(), "another draw must leave out more"
    assert more.equals(rows(4, "at once"))
    assert more.equals(rows(4, "out"))


@pytest.mark.parametrize("command", ["evaluate", "select", "prune"])
def test_the_first_demonstrations_are_dropped(command: str, model: str, asked: dict[str, Any]) -> None:
    """As few as it takes, from the prompts that need it; the others are those of a model that reads more."""
    done = COMMANDS[command](model, too_long="drop-shots", **asked)
    rows = done.rows.answers if command == "prune" else done.rows
    prepared = prepare(TextMeasurement(model=model, data=asked["data"], draws=2))
    queries, classes = prepared.sampled.queries.texts, prepared.sampled.classes
    shots = rows["shots"] if "shots" in rows.columns else pl.repeat(4, len(rows), eager=True)
    assert rows["dropped"].to_list() == (shots - rows["demonstrations"].list.len().cast(pl.Int64)).to_list()
    lost = rows.filter(pl.col("dropped") > 0)
    assert {queries[i] for i in lost["query"].unique()} == {text.strip() for text in LONG}
    assert f"{6 if command == 'prune' else len(lost)} of " in " ".join(done.notes)  # the same prompts for all rates
    for row in lost.iter_rows(named=True):
        if row.get("arm") == "shuffled labels" or command == "select":
            continue
        shown = list(balanced(prepared.sampled, 4, draw_seed(0, row["draw"])))
        assert row["demonstrations"] == shown[row["dropped"] :]
        whole = prompts_of(prepared, row["demonstrations"], queries[row["query"]])
        longer = prompts_of(prepared, shown[row["dropped"] - 1 :], queries[row["query"]])
        assert max(written(prepared.language_model, whole, kind) for kind in classes) <= CONTEXT
        assert max(written(prepared.language_model, longer, kind) for kind in classes) > CONTEXT


def test_answers_behind_fewer_demonstrations_are_those_of_the_plain_scorer(model: str, asked: dict[str, Any]) -> None:
    done = evaluate(model, too_long="drop-shots", **{**asked, "shots": (4,)})
    prepared = prepare(TextMeasurement(model=model, data=asked["data"], draws=2))
    part = done.rows.filter((pl.col("arm") == "as given") & (pl.col("draw") == 1))
    assert part["query"].to_list() == list(range(15))
    assert part["dropped"].max() > 0
    for row in part.iter_rows(named=True):
        prompt = prompts_of(prepared, row["demonstrations"], prepared.sampled.queries.texts[row["query"]])
        scores = plain_scores(prepared.language_model, [prompt], [f" {kind}" for kind in prepared.sampled.classes])[0]
        assert row["answer"] == prepared.sampled.classes[int(scores.argmax())]
        right = prepared.sampled.classes.index(row["label"])
        expected = scores[right] - np.logaddexp.reduce(scores)
        assert row["log_probability"] == pytest.approx(expected, abs=2e-4)


def test_all_prompts_of_a_draw_show_the_same_to_attention(model: str, asked: dict[str, Any]) -> None:
    done = attention(model, too_long="drop-shots", **asked)
    assert "Of 4 demonstrations all prompts show only the last" in " ".join(done.notes)
    prepared = prepare(TextMeasurement(model=model, data=asked["data"], draws=2, too_long="drop-shots"))
    fitted = Attention(prepared, AttentionSettings(shots=4)).fit()
    of_draw: dict[int, set[tuple[int, ...]]] = {}
    for unit, choice in fitted.choices.items():
        of_draw.setdefault(unit.tags["draw"], set()).update(choice.demonstrations)
    assert len(fitted.choices) == 2 * len(of_draw) == 4
    for draw, (shown,) in of_draw.items():  # one for both units of the draw, labels as given and dealt
        assert shown == balanced(prepared.sampled, 4, draw_seed(0, draw))[4 - len(shown) :]
    longer = texts(asked["data"].parent / "longer", ("the wolf " * 34, *LONG))
    with pytest.raises(BadRequest, match=r"--too-long: expected .* no demonstration of each label would fit"):
        attention(model, too_long="drop-shots", **{**asked, "data": longer, "out": asked["out"] / "other"})


def test_texts_that_perplexity_is_measured_on_are_counted_too(model: str, tmp_path: Path) -> None:
    """Queries are short; the pool has long texts, which stand in prompts of demonstrations."""
    data = texts(tmp_path / "texts", (), pool=LONG)
    asked: dict[str, Any] = {"data": data, "draws": 1, "shots": 13, "out": tmp_path / "out"}
    with pytest.raises(BadRequest, match=r"^\d of 2 texts of demonstrations are longer than the model reads"):
        prune(model, **asked)
    assert not (tmp_path / "out").exists()
    done = prune(model, too_long="drop-shots", **asked)
    assert "texts of demonstrations lost their first demonstrations" in " ".join(done.notes)
    assert done.rows.texts["tokens"].max() < CONTEXT


def test_prompts_that_fit_are_as_before(model: str, tmp_path: Path) -> None:
    """Nothing of the setting is seen where nothing is too long, and a folder without it goes on."""
    asked: dict[str, Any] = {"data": texts(tmp_path / "texts", ()), "draws": 1, "shots": (2,)}
    done = [evaluate(model, out=tmp_path / way, too_long=way, **asked) for way in ("refuse", "skip")]
    assert done[0].notes == done[1].notes
    assert done[0].rows.equals(done[1].rows)
    first, second = (json.loads((tmp_path / way / "run.json").read_text())["settings"] for way in ("refuse", "skip"))
    assert "too_long" not in first
    assert second == {**first, "too_long": "skip"}
    for one, other in (("refuse", "skip"), ("skip", "refuse")):
        there, wanted = ("null" if way == "refuse" else f'"{way}"' for way in (one, other))
        with pytest.raises(BadRequest, match=rf"it has another too_long \(there: {there}.*; asked for: {wanted}\)"):
            evaluate(model, out=tmp_path / one, too_long=other, **asked)


def test_another_way_is_refused(model: str) -> None:
    with pytest.raises(BadRequest, match="--too-long: expected one of refuse, skip, drop-shots"):
        TextMeasurement(model=model, too_long="cut")  # type: ignore[arg-type]


def test_labels_of_the_same_tokens_are_refused_before_anything_is_written(
    command: str, model: str, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_read(monkeypatch)
    tokenizer = type(load_language_model(model).tokenizer)
    reads = tokenizer.__call__

    def loses_labels(self: Any, texts: Any, *rest: Any, **more: Any) -> Any:
        cut = [text.removesuffix("food").removesuffix("animal") for text in texts] if isinstance(texts, list) else texts
        return reads(self, cut, *rest, **more)

    monkeypatch.setattr(tokenizer, "__call__", loses_labels)
    with pytest.raises(BadRequest, match=r"labels: expected .* got 'animal' and 'food'"):
        COMMANDS[command](model, **asked)
    assert not asked["out"].exists()


def test_texts_that_spell_control_tokens_are_told_of(model: str, tmp_path: Path) -> None:
    data = texts(tmp_path / "texts", ("a <|endoftext|> here",))
    done = evaluate(model, data=data, draws=1, out=tmp_path / "out")
    assert any("spell <|endoftext|>: read as text" in note for note in done.notes)
    assert "spell &lt;|endoftext|&gt;: read as text" in (tmp_path / "out" / "report.html").read_text()
