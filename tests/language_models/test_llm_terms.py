"""Terms of texts in languages with and without spaces, and what happens where scores tell no text from another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.measurement import measure
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.draws import SampledTask
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.undecided import undecided_notes
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selection.measurement import Selection
from iclscope.language_models.selectors import TextFeatures, choose
from iclscope.language_models.selectors.by_pattern import by_pattern
from iclscope.language_models.selectors.by_similarity import Ranked, all_equal, by_words, diverse, nearest
from iclscope.language_models.settings import EvaluateSettings, SelectorOptions, SelectSettings, TextMeasurement
from iclscope.language_models.texts.labelled_text import LabelledTexts
from iclscope.language_models.texts.terms import terms_of

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

TERMS = {
    "The cat, the hat_2!": "the cat the hat_2",
    "": "",
    "?! … 👍🏽 ❤️": "",
    "好汤": "好 汤 好汤",
    "好": "好",
    "iPhone15很好": "iphone15 很 好 很好",
    "スープが": "ス ー プ が スー ープ プが",
    "ｽｰﾌﾟ": "ス ー プ スー ープ",
    "時々": "時 々 時々",
    "ไทย": "ไท ทย ไทย",
    "ก": "ก",
    "한국어 문장": "한국어 문장",
    "हिन्दी भाषा": "हिन्दी भाषा",
    "cafe\u0301 CAFÉ": "café café",
    "Straße": "strasse",
    "ＡＢＣ": "abc",
    "don't": "don t",
}


@pytest.mark.parametrize(("text", "terms"), TERMS.items(), ids=[ascii(text) for text in TERMS])
def test_the_terms_of_a_text(text: str, terms: str) -> None:
    assert terms_of(text) == terms.split()


LANGUAGES = {
    "Chinese": (["我喜欢喝汤", "今天天气很好", "这部电影很无聊", "火车晚点了"], "昨天的电影不错", 2),
    "Japanese": (
        ["スープを飲みました", "天気がいいですね", "映画はつまらなかった", "電車が遅れている"],
        "昨日の映画は面白い",
        2,
    ),
    "Thai": (["ฉันชอบซุป", "อากาศดีมาก", "หนังเรื่องนี้น่าเบื่อ", "รถไฟมาสาย"], "หนังเมื่อวานสนุก", 2),
    "Khmer": (["ខ្ញុំចូលចិត្តស៊ុប", "អាកាសធាតុល្អ", "ភាពយន្តនេះគួរឱ្យធុញ", "រថភ្លើងយឺត"], "ភាពយន្តម្សិលមិញ", 2),
    "mixed": (["我喜欢喝soup", "今天weather很好", "Netflix的电影", "火车 late"], "NETFLIX!", 2),
    "Hindi": (["मुझे सूप पसंद है", "मौसम अच्छा है", "यह फिल्म उबाऊ थी", "ट्रेन लेट थी"], "कल की फिल्म", 2),
}


@pytest.mark.parametrize(("pool", "query", "wanted"), LANGUAGES.values(), ids=LANGUAGES)
def test_words_are_found_in_languages_without_spaces(pool: list[str], query: str, wanted: int) -> None:
    found = by_words(tuple(pool), (query,), 1)
    assert found.places.tolist() == [[wanted]]
    assert found.scores[0, 0] > 0
    assert not found.undecided[0]


RANKERS: dict[str, Callable[[int, int], Ranked]] = {
    "bm25": lambda shots, seed: by_words(tuple(f"text{i}" for i in range(40)), ("other", "more"), shots, seed),
    "similarity": lambda shots, seed: nearest(ALIKE, QUERIES, shots, seed),
    "diverse": lambda shots, seed: diverse(ALIKE, QUERIES, shots, seed),
    "pattern": lambda shots, seed: by_pattern(
        np.arange(40), ["a"] * 40, np.zeros((2, 40), dtype=np.float32), shots, seed
    ),
}
ALIKE = np.tile(np.asarray([[1, 0, 0]], dtype=np.float32), (40, 1))
QUERIES = np.asarray([[0.6, 0.8, 0], [0, 0, 0]], dtype=np.float32)


@pytest.mark.parametrize("rank", RANKERS.values(), ids=RANKERS)
def test_chance_decides_between_equal_scores(rank: Callable[[int, int], Ranked]) -> None:
    """By the seed, for each query anew; fewer shots are part of more, and no row of the file comes first."""
    found = rank(4, 0)
    assert found.undecided.tolist() == [True, True]
    assert all(len(set(row)) == 4 for row in found.places.tolist())
    assert found.places.tolist() == rank(4, 0).places.tolist() != rank(4, 1).places.tolist()
    assert rank(2, 0).places.tolist() == found.places[:, -2:].tolist()
    shown = np.concatenate([rank(4, seed).places[0] for seed in range(60)])
    assert len(set(shown.tolist())) == 40
    assert 12 < shown.mean() < 27


@pytest.mark.parametrize("name", ["bm25", "similarity", "diverse"])
def test_queries_without_a_hint_are_given_different_texts(name: str) -> None:
    places = RANKERS[name](4, 0).places.tolist()
    assert places[0] != places[1]


def test_a_part_of_the_scores_may_be_equal() -> None:
    """The best is taken whatever the seed; chance decides among the others."""
    pool = ("good soup", *(f"text{i}" for i in range(30)))
    rows = [by_words(pool, ("soup",), 3, seed) for seed in range(8)]
    assert {row.places[0, -1] for row in rows} == {0}
    assert len({tuple(row.places[0, :2].tolist()) for row in rows}) > 4
    assert not any(row.undecided[0] for row in rows)


def test_equal_up_to_rounding() -> None:
    scores = np.asarray([[0.5, 0.5 + 5e-8, 0.5], [0.5, 0.51, 0.5], [0, 0, 0], [300, 300.0001, 300]], dtype=np.float32)
    assert all_equal(scores).tolist() == [True, False, True, True]
    assert all_equal(scores[:, :1]).tolist() == [False] * 4
    assert all_equal(scores[:, :0]).tolist() == [False] * 4
    assert all_equal(scores[:0]).tolist() == []


def made(texts: int = 24) -> SampledTask:
    """Texts that share no word, and queries of which one shares a word with some."""
    pool = LabelledTexts(tuple(f"word{i}" for i in range(texts)), tuple("ab"[i % 2] for i in range(texts)))
    pool = pool._replace(texts=tuple(f"{text} known" if i % 3 else text for i, text in enumerate(pool.texts)))
    return SampledTask("made", pool, LabelledTexts(("nothing", "known", "?"), ("a", "b", "a")), ("a", "b"))


def test_a_choice_names_the_queries_it_was_undecided_about(tiny_llama: LanguageModel) -> None:
    asked = made()
    choice = choose("bm25", tiny_llama, asked, 2, 0)
    assert choice.undecided == (0, 2)
    assert choose("balanced", tiny_llama, asked, 2, 0).undecided == ()
    one = TextFeatures(tiny_llama, asked, options=SelectorOptions(patterns=1))
    assert choose("pattern", tiny_llama, asked, 2, 0, seen=one).undecided == (0, 1, 2)
    assert choose("similarity", tiny_llama, asked, 2, 0, seen=one).undecided == ()


def test_the_report_says_which_selectors_could_not_tell(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    settings = TextMeasurement(model=tiny_llama.source, draws=2)
    prepared = Prepared(settings, tiny_llama, made())
    told = "bm25 could not tell texts apart for 2 of 3 queries: all scores were equal, so chance chose."
    asked = EvaluateSettings(shots=(0, 2), selectors=("bm25", "balanced"))
    done = measure(Evaluation(prepared, asked, RunFolder(tmp_path / "a", {})))
    assert told in done.notes
    assert set(done.rows.filter("undecided").select("selector", "query").rows()) == {("bm25", 0), ("bm25", 2)}
    assert told in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    options = SelectorOptions(patterns=1)
    compared = SelectSettings(shots=(2,), selectors=("balanced", "bm25", "pattern"), options=options)
    notes = measure(Selection(prepared, compared, RunFolder(tmp_path / "b", {}))).notes
    assert told in notes
    assert told.replace("bm25", "pattern").replace("2 of", "3 of") in notes
    assert not any(note.startswith("balanced") for note in notes)


def test_rows_of_an_older_version_say_nothing() -> None:
    assert undecided_notes(pl.DataFrame({"selector": ["bm25"], "query": [0]})) == []
    some = pl.DataFrame({"selector": ["bm25"] * 2, "query": [0, 0], "undecided": [True, None]})
    assert len(undecided_notes(some)) == 1
