"""Which texts are the same, and that no query stands in the pool, is asked twice, or has two answers."""

from __future__ import annotations

import pytest

from iclscope.core.errors import BadRequest
from iclscope.language_models.prompts.draws import SampledTask, draw_queries
from iclscope.language_models.texts.folding import folded
from iclscope.language_models.texts.labelled_text import LabelledTexts, TextTask, load_task
from iclscope.language_models.texts.repeats import LeftOut, rows_by_text

SAME = [
    ("a good film", "A Good FILM"),
    ("a good film", " a  good\tfilm\n"),
    ("a good film", "a\u00a0good\u3000film\u2028"),
    ("a good film", "a good film."),
    ("a good film", "a good film ."),
    ("a good film", "a good film..."),
    ("a good film", "a good film…"),
    ("好电影", "好电影。"),
    ("अच्छी फिल्म", "अच्छी फिल्म।"),
    ("Straße", "STRASSE"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("café", "cafe\u0301"),
    ("fine", "ﬁne"),
    ("ABC 123", "ＡＢＣ　１２３"),
    ("ガ", "ｶﾞ"),
    ("so\u00adso", "soso"),
    ("\ufeffso\u200b", "so"),
    ("...", "…"),
]
OTHER = [
    ("a good film", "a good film!"),
    ("a good film", "agoodfilm"),
    ("a good film", "a good, film"),
    ("1.5", "15"),
    ("...", "!"),
    ("ガ", "カ"),
    ("resume", "résumé"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_texts_that_are_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert folded(folded(one)) == folded(one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_texts_that_are_not(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_no_text_is_folded_to_nothing() -> None:
    for text in (".", "...", "。", "\u200b", "\u00ad."):
        assert folded(text)


def texts_of(*rows: tuple[str, str]) -> LabelledTexts:
    return LabelledTexts(tuple(row[0] for row in rows), tuple(row[1] for row in rows))


POOL = texts_of(*((f"text {i}", "xy"[i % 2]) for i in range(12)))


def test_rows_are_sorted_by_what_they_say() -> None:
    rows = rows_by_text(*texts_of(("a", "x"), ("A.", "x"), ("b", "x"), ("b", "y"), ("B", "y"), ("c", "y")))
    assert rows.keys == ("a", "a", "b", "b", "b", "c")
    assert rows.once == (0, 5)
    assert rows.by_label == (0, 2, 3, 5)
    assert (rows.repeated, rows.contradictory) == (2, 1)


@pytest.mark.parametrize("query", [one for pair in SAME for one in pair])
def test_what_has_the_text_of_a_query_is_no_demonstration(query: str) -> None:
    others = [other for pair in SAME for other in pair if folded(other) == folded(query)]
    task = TextTask(
        "made",
        POOL._replace(texts=(*POOL.texts, *others), labels=(*POOL.labels, *("x" for _ in others))),
        texts_of((query, "y")),
    )
    asked = draw_queries(task, 5, 0)
    assert asked.pool == POOL
    assert asked.left_out == LeftOut(queries_in_pool=len(others))


def test_a_text_is_asked_once() -> None:
    queries = texts_of(*((f"{spelling} {i}", "x") for i in range(5) for spelling in ("query", "Query", "QUERY ")))
    asked = draw_queries(TextTask("made", POOL, queries), 200, 0)
    assert asked.queries.texts == tuple(f"query {i}" for i in range(5))
    assert asked.left_out == LeftOut(repeated_queries=10)
    assert draw_queries(TextTask("made", POOL, queries), 3, 0).left_out == LeftOut(repeated_queries=10)


def test_a_query_with_two_answers_is_not_asked() -> None:
    queries = texts_of(("one", "x"), ("two", "x"), ("Two.", "y"), ("three", "y"), ("two", "x"))
    asked = draw_queries(TextTask("made", POOL, queries), 200, 0)
    assert asked.queries == texts_of(("one", "x"), ("three", "y"))
    assert asked.left_out == LeftOut(repeated_queries=1, contradictory_queries=1)
    with pytest.raises(BadRequest, match="at least two texts, each with one label"):
        draw_queries(TextTask("made", POOL, queries.at([1, 2])), 200, 0)


def test_a_demonstration_is_in_the_pool_once_with_each_of_its_labels() -> None:
    more = texts_of(("again", "x"), ("Again", "x"), ("AGAIN.", "x"), ("again", "y"))
    pool = LabelledTexts(POOL.texts + more.texts, POOL.labels + more.labels)
    asked = draw_queries(TextTask("made", pool, texts_of(("query", "x"))), 1, 0)
    assert asked.pool == LabelledTexts((*POOL.texts, "again", "again"), (*POOL.labels, "x", "y"))
    assert asked.left_out == LeftOut(repeated_demonstrations=2, contradictory_demonstrations=1)


def one_file(times: int) -> SampledTask:
    rows = [
        (spelling.format(i), "xy"[i % 2]) for i in range(12) for spelling in ("text {}", "Text {}.", "TEXT  {}")[:times]
    ]
    return draw_queries(TextTask("made", texts_of(*rows), None), 200, 0)


def test_repeats_within_one_file() -> None:
    """Queries are set aside from the pool: what repeats one of them goes, what repeats another row stays once."""
    once, thrice = one_file(1), one_file(3)
    assert once.left_out == LeftOut()
    assert len(once.queries.texts) == len(once.pool.texts) == 6
    assert (thrice.pool, thrice.queries) == (once.pool, once.queries)
    assert thrice.left_out == LeftOut(queries_in_pool=12, repeated_demonstrations=12)


def test_of_texts_without_repeats_nothing_is_left_out_and_the_draw_is_as_before() -> None:
    """The first places of the seed's permutation, in order."""
    task = load_task("words")
    asked = draw_queries(task, 4, 0)
    assert asked.left_out == LeftOut()
    assert asked.left_out.notes() == []
    assert asked.left_out.counted() == {}
    assert len(asked.pool.texts) == 196
    assert asked.queries.texts == ("glider", "sausage", "chaise", "donkey")


def test_notes_say_how_many_and_why() -> None:
    notes = LeftOut(1, 2, 3, 4, 5).notes()
    assert [note.split(":")[1].split()[0] for note in notes] == ["1", "2", "3", "4", "5"]
    assert "query, left out: 3 (texts are compared without case" in notes[2]
    assert LeftOut(queries_in_pool=3).counted() == {"queries_in_pool": 3}
