"""BM25 reads languages without spaces, and every selector says when it cannot tell texts apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.made_tokenizers import made_tokenizer, model_for
from language_models.tiny_models import make_tiny

import iclscope as icl
from iclscope.cli.main import main

# Two subjects each, a word of the first and one of the second, and two queries: one about each.
LANGUAGES = {
    "Chinese": ("天气", "足球", "明天天气如何", "谁喜欢足球呢"),
    "Japanese": ("天気予報", "サッカー", "明日の天気予報は", "私はサッカーが好き"),
    "Japanese in hiragana": ("おんせん", "ねこ", "わたしはおんせんへいく", "ねこがいる"),
    "Japanese in half-width letters": ("カメラ", "ピアノ", "ｶﾒﾗをかう", "ﾋﾟｱﾉをきく"),
    "Thai": ("ฟุตบอล", "อากาศ", "ใครชอบฟุตบอล", "วันนี้อากาศดี"),
    "Lao": ("ບານເຕະ", "ອາກາດ", "ໃຜມັກບານເຕະ", "ມື້ນີ້ອາກາດດີ"),
    "Khmer": ("បាល់ទាត់", "អាកាសធាតុ", "ខ្ញុំចូលចិត្តបាល់ទាត់", "អាកាសធាតុល្អ"),
    "Burmese": ("ဘောလုံး", "ရာသီဥတု", "ဘောလုံးကန်သည်", "ရာသီဥတုကောင်း"),
    "one character": ("猫", "狗", "猫", "狗"),
    "Chinese with Latin words": ("我学Python编程", "你用Rust写书", "Python吗", "Rust吗"),
    "Chinese beside spaces": ("钢琴 很美", "书法 比赛", "看 钢琴", "看 书法"),
}
FILLERS = "甲乙丙丁戊己庚辛"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("unspaced") / "tiny", "llama", num_hidden_layers=1)


def selected(model: Path, pool: list[tuple[str, str]], queries: list[tuple[str, str]], out: Path, **more: Any) -> Any:
    asked = {"selectors": "bm25", "shots": 1, "draws": 2, **more}
    columns = ["text", "label"]
    options = icl.language_models.SelectorOptions(candidates=len(pool), patterns=2)
    test = pl.DataFrame(queries, schema=columns, orient="row")
    data = pl.DataFrame(pool, schema=columns, orient="row")
    return icl.language_models.compare_selectors(model, data, test=test, options=options, out=out, **asked)


def as_given(done: Any, selector: str = "bm25") -> pl.DataFrame:
    rows: pl.DataFrame = done.rows
    return rows.filter((pl.col("arm") == "as given") & (pl.col("selector") == selector))


def cannot_tell(notes: Any) -> list[str]:
    return [note for note in notes if re.search(r"tell (the )?texts apart|equally good|chance alone", note)]


def pool_of(name: str) -> list[tuple[str, str]]:
    """What the first query is about stands behind the other subject, and labels say nothing of it."""
    first, second = LANGUAGES[name][:2]
    texts = [f"{filler}{subject}" for subject in (second, first) for filler in FILLERS]
    return [(text, "ab"[i % 2]) for i, text in enumerate(texts)]


@pytest.fixture(scope="module")
def of_all(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Any]:
    """One measurement with the texts of all languages: the pool, and what was found."""
    pool = [row for name in LANGUAGES for row in pool_of(name)]
    queries = [(query, "a") for name in LANGUAGES for query in LANGUAGES[name][2:]]
    return [text for text, _ in pool], selected(model, pool, queries, tmp_path_factory.mktemp("all") / "out")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_shares_words_is_shown(of_all: tuple[list[str], Any], language: str) -> None:
    pool, done = of_all
    for subject, place in zip(LANGUAGES[language][:2], (0, 1), strict=True):
        query = 2 * list(LANGUAGES).index(language) + place
        rows = as_given(done).filter(pl.col("query") == query)
        assert rows["undecided"].to_list() == [False, False]
        assert all(subject in pool[shown] for (shown,) in rows["demonstrations"])


def test_no_note_is_given_where_all_can_be_told_apart(of_all: tuple[list[str], Any]) -> None:
    assert not cannot_tell(of_all[1].notes)
    assert not of_all[1].rows["undecided"].any()


def test_the_text_that_shares_most_comes_nearest(model: Path, tmp_path: Path) -> None:
    pool = [
        (f"{name}大学{filler}", "ab"[i % 2]) for name in ("上海", "北京", "天津") for i, filler in enumerate(FILLERS)
    ]
    done = selected(model, pool, [("北京大学", "a"), ("天津大学", "b")], tmp_path / "out", shots=2)
    for row in as_given(done).iter_rows(named=True):
        wanted = ("北京", "天津")[row["query"]]
        assert all(wanted in pool[place][0] for place in row["demonstrations"])


SPACED = {
    "English": ("cat", "cat food", "concatenate these"),
    "Russian": ("кот", "кот спит", "который час"),
    "Korean": ("한국", "한국 음식", "대한국민 만세"),
    "French": ("café", "café noir", "decaféiné chaud"),
}


def test_languages_with_spaces_are_compared_by_whole_words(model: Path, tmp_path: Path) -> None:
    pool = [
        (f"{text} {number}", "ab"[number % 2]) for _, *both in SPACED.values() for text in both for number in range(8)
    ]
    queries = [(query, "a") for query, *_ in SPACED.values()]
    done = selected(model, pool, queries, tmp_path / "near")
    for row in as_given(done).iter_rows(named=True):
        near = list(SPACED.values())[row["query"]][1]
        assert all(near in pool[place][0] for place in row["demonstrations"])
    far = [(text, label) for text, label in pool if any(text.startswith(far) for _, _, far in SPACED.values())]
    alone = selected(model, far, queries, tmp_path / "far", draws=1)
    assert as_given(alone)["undecided"].to_list() == [True] * len(SPACED)
    assert cannot_tell(alone.notes)


def test_a_note_counts_the_queries_for_which_chance_chose(model: Path, tmp_path: Path) -> None:
    pool = [(f"{filler}天气", "ab"[i % 2]) for i, filler in enumerate(FILLERS)]
    queries = [("天气好", "a"), ("football", "b"), ("サッカー", "a"), ("?!", "b"), ("看天", "a")]
    mixed = [(f"{filler}足球", "ab"[i % 2]) for i, filler in enumerate(FILLERS)]
    done = selected(model, [*pool, *mixed], queries, tmp_path / "out")
    undecided = {row["query"] for row in as_given(done).iter_rows(named=True) if row["undecided"]}
    assert undecided == {1, 2, 3}
    (note,) = cannot_tell(done.notes)
    assert re.search(r"\b3\b", note) or re.search(r"\b6\b", note)
    assert "bm25" in note


def test_where_nothing_is_shared_the_first_rows_are_not_shown_to_everyone(model: Path, tmp_path: Path) -> None:
    pool = [(f"{first}{second}", "ab"[i % 2]) for i, first in enumerate(FILLERS) for second in "子丑寅卯"]
    queries = [(word, "a") for word in ("soup", "bread", "horse", "wolf", "film", "good", "bad", "the")]
    done = selected(model, pool, queries, tmp_path / "out", draws=1)
    shown = [places[0] for places in as_given(done).sort("query")["demonstrations"]]
    assert len(set(shown)) > 2
    again = selected(model, pool, queries, tmp_path / "again", draws=1)
    assert again.rows["demonstrations"].to_list() == done.rows["demonstrations"].to_list()
    other = selected(model, pool, queries, tmp_path / "other", draws=1, seed=1)
    assert other.rows["demonstrations"].to_list() != done.rows["demonstrations"].to_list()


@pytest.mark.parametrize("selector", ["balanced", "similarity"])
def test_a_selector_that_can_tell_texts_apart_or_need_not_gives_no_note(
    model: Path, selector: str, tmp_path: Path
) -> None:
    pool = [(f"{filler}天气", "ab"[i % 2]) for i, filler in enumerate(FILLERS)]
    done = selected(model, pool, [("football", "a"), ("足球", "b")], tmp_path / "out", selectors=selector)
    assert not cannot_tell(done.notes)
    assert not done.rows["undecided"].any()


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("selector", ["similarity"])
def test_texts_that_are_the_same_to_the_model_cannot_be_told_apart(selector: str, tmp_path: Path) -> None:
    """All words are unknown to this tokenizer, so all hidden states are equal."""
    made = model_for(made_tokenizer("word-level-begun"))
    made.model.save_pretrained(tmp_path / "m")
    made.tokenizer.save_pretrained(tmp_path / "m")
    pool = [(f"w{i}", ("animal", "and")[i % 2]) for i in range(8)]
    queries = [("q1", "animal"), ("q2", "and")]
    done = selected(tmp_path / "m", pool, queries, tmp_path / "out", selectors=selector)
    assert as_given(done, selector)["undecided"].all()
    (note,) = cannot_tell(done.notes)
    assert selector in note


def test_the_command_line_says_so(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d").mkdir()
    texts = [f"{filler}天气" for filler in FILLERS]
    pl.DataFrame({"text": texts, "label": ["a", "b"] * 4}).write_csv(tmp_path / "d" / "train.csv")
    pl.DataFrame({"text": ["x", "天气"], "label": ["a", "b"]}).write_csv(tmp_path / "d" / "test.csv")
    asked = ["llm", "select", str(model), str(tmp_path / "d"), "--selector", "bm25", "--shots", "1", "--patterns", "2"]
    assert main([*asked, "--draws", "1", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert cannot_tell(line for line in told.splitlines() if line.startswith("Note:"))
