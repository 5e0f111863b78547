"""Selectors against plain references, on small pools."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from language_models.tiny_models import make_tiny
from sentence_transformers import SentenceTransformer

from iclscope.core.errors import BadRequest
from iclscope.language_models.models.hidden_states import middle_layer, text_states
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.draws import SampledTask, draw_queries
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.prompts.tokens import encode_texts
from iclscope.language_models.selectors import TextFeatures, choose
from iclscope.language_models.selectors.by_pattern import by_pattern
from iclscope.language_models.selectors.by_similarity import RELEVANCE_WEIGHT, by_words, diverse, nearest
from iclscope.language_models.selectors.patterns import unit
from iclscope.language_models.settings import SELECTORS, SelectorOptions
from iclscope.language_models.texts.labelled_text import LabelledTexts, load_task

BY_QUERY = ("similarity", "bm25", "diverse", "pattern")


@pytest.fixture(scope="module")
def asked() -> SampledTask:
    return draw_queries(load_task("words"), 12, 0)


@pytest.fixture(scope="module")
def seen(tiny_llama: LanguageModel, asked: SampledTask) -> TextFeatures:
    return TextFeatures(tiny_llama, asked, options=SelectorOptions(patterns=3))


def vectors(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32))


def test_hidden_states_in_batches_are_those_of_one_text_at_a_time(tiny: LanguageModel) -> None:
    texts = ["a", "the horse and the wolf", "Text: bread and soup\nLabel:", "film"]
    layer = middle_layer(tiny)
    found = text_states(tiny, texts)
    assert layer == 1
    for row, ids in enumerate(encode_texts(tiny, texts)):
        with torch.inference_mode():
            whole = tiny.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0].numpy()
        counted = whole[1:] if len(ids) > 1 else whole
        np.testing.assert_allclose(found.mean[row], counted.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.last[row], whole[-1], atol=1e-5)


def test_a_text_longer_than_the_model_reads_loses_its_beginning(tiny: LanguageModel) -> None:
    assert tiny.context_length == 512
    assert np.isfinite(text_states(tiny, ["film " * 600]).mean).all()


def test_the_nearest_stand_last() -> None:
    pool, queries = vectors(20, 0), vectors(6, 1)
    found = nearest(pool, queries, 4)
    for query, places, scores in zip(queries, found.places, found.scores, strict=True):
        cosines = [float(text @ query) for text in pool]
        wanted = sorted(range(20), key=lambda i: cosines[i])[-4:]
        assert places.tolist() == wanted
        np.testing.assert_allclose(scores, [cosines[i] for i in wanted], atol=1e-6)


def test_words_are_scored_by_the_formula_of_bm25() -> None:
    pool = ("a good film", "a bad film, a very bad film", "soup", "the good soup and the good bread", "?!")
    queries = ("Good soup", "a film", "nothing alike")
    found = by_words(pool, queries, 5)
    bags = [Counter(re.findall(r"\w+", text.lower())) for text in pool]
    average = sum(sum(bag.values()) for bag in bags) / len(pool)
    for query, places, scores in zip(queries, found.places, found.scores, strict=True):
        plain = []
        for bag in bags:
            score = 0.0
            for word in query.lower().split():
                having = sum(word in other for other in bags)
                if having:
                    rarity = math.log(1 + (len(pool) - having + 0.5) / (having + 0.5))
                    length = 1 - 0.75 + 0.75 * sum(bag.values()) / average
                    score += rarity * bag[word] / (bag[word] + 1.5 * length)
            plain.append(score)
        np.testing.assert_allclose(scores, sorted(plain), atol=1e-5)
        np.testing.assert_allclose([plain[i] for i in places], scores, atol=1e-5)


def test_texts_without_words_are_alike() -> None:
    found = by_words(("?", "!", "…"), ("?",), 2)
    assert found.scores.tolist() == [[0, 0]]
    assert found.undecided.tolist() == [True]


def test_diverse_demonstrations_are_those_of_the_plain_loop() -> None:
    pool, queries = vectors(15, 2), vectors(5, 3)
    found = diverse(pool, queries, 6)
    for query, places in zip(queries, found.places, strict=True):
        taken: list[int] = []
        for _ in range(6):
            left = [i for i in range(15) if i not in taken]
            value = {
                i: RELEVANCE_WEIGHT * pool[i] @ query
                - (1 - RELEVANCE_WEIGHT) * max((pool[i] @ pool[j] for j in taken), default=0)
                for i in left
            }
            taken.append(max(left, key=lambda i: value[i]))
        assert places.tolist() == taken[::-1]


def test_the_pattern_of_the_query_comes_first_with_labels_balanced() -> None:
    numbers = np.random.default_rng(0)
    patterns, labels = numbers.integers(0, 3, size=30), [str(i) for i in numbers.integers(0, 2, size=30)]
    similarity = numbers.normal(size=(8, 3)).astype(np.float32)
    for shots in (1, 2, 5, 8):
        found = by_pattern(patterns, labels, similarity, shots, 0)
        for row, places in enumerate(found.places):
            assert len(set(places)) == shots
            shown = Counter(labels[i] for i in places)
            assert max(shown.values()) - min(shown["0"], shown["1"]) <= 1
            for label, count in shown.items():  # no text of the label in a nearer pattern is left out
                near = sorted(-similarity[row, patterns[i]] for i in range(30) if labels[i] == label)[:count]
                mine = sorted(-similarity[row, patterns[i]] for i in places if labels[i] == label)
                np.testing.assert_allclose(mine, near)
            np.testing.assert_allclose(found.scores[row], similarity[row, patterns[places]])


def test_the_opposite_takes_the_farthest_pattern() -> None:
    patterns, labels = np.repeat([0, 1, 2], 10), ["a", "b"] * 15
    similarity = np.asarray([[0.9, 0.1, -0.5], [-0.2, 0.3, 0.1]], dtype=np.float32)
    far = by_pattern(patterns, labels, similarity, 4, 0, far=True).places
    assert (patterns[far] == [[2], [0]]).all()


def test_a_label_with_few_texts_leaves_its_turns_to_others() -> None:
    found = by_pattern(np.zeros(7, dtype=int), ["a"] * 6 + ["b"], np.ones((1, 1), dtype=np.float32), 6, 0)
    assert sorted(found.places[0]).count(6) == 1
    assert len(set(found.places[0])) == 6


@pytest.mark.parametrize("name", SELECTORS)
def test_fewer_shots_are_part_of_more(name: str, seen: TextFeatures, asked: SampledTask) -> None:
    few, more = (choose(name, seen.language_model, asked, shots, 3, seen=seen).demonstrations for shots in (3, 8))
    for some, all_of_them in zip(few, more, strict=True):
        assert len(set(all_of_them)) == 8
        shown = all_of_them[:3] if name in ("random", "balanced") else all_of_them[-3:]
        assert some == shown


@pytest.mark.parametrize("name", BY_QUERY)
def test_labels_of_queries_are_never_looked_at(name: str, seen: TextFeatures, asked: SampledTask) -> None:
    queries = LabelledTexts(asked.queries.texts, asked.queries.labels[::-1])
    other = TextFeatures(seen.language_model, asked._replace(queries=queries), options=seen.options)
    assert choose(name, seen.language_model, other.sampled, 4, 1, seen=other) == choose(
        name, seen.language_model, asked, 4, 1, seen=seen
    )


@pytest.mark.parametrize("name", BY_QUERY)
def test_each_draw_has_its_half_of_the_candidates(name: str, seen: TextFeatures, asked: SampledTask) -> None:
    first, again, second = (choose(name, seen.language_model, asked, 4, seed, seen=seen) for seed in (1, 1, 2))
    assert first == again
    assert first.demonstrations != second.demonstrations
    half = set(seen.candidates[seen.drawn(4, 1)].tolist())
    assert len(half) == len(asked.pool.texts) // 2
    assert {i for each in first.demonstrations for i in each} <= half
    assert not first.shared
    assert len(first.scores) == len(first.demonstrations) == 12


def test_candidates_are_as_many_as_asked_for_with_every_class(tiny_llama: LanguageModel, asked: SampledTask) -> None:
    few = TextFeatures(tiny_llama, asked, options=SelectorOptions(candidates=len(asked.classes)))
    assert set(few.pool.labels) == set(asked.classes)
    assert len(few.candidates) == len(asked.classes)
    with pytest.raises(BadRequest, match="the number of candidates"):
        choose("bm25", tiny_llama, asked, 20, 0, seen=few)


@pytest.mark.parametrize("name", BY_QUERY)
def test_no_shots_are_no_demonstrations(name: str, tiny_llama: LanguageModel, asked: SampledTask) -> None:
    assert choose(name, tiny_llama, asked, 0, 0).demonstrations == ((),) * 12


def test_all_of_the_pool_can_be_shown(seen: TextFeatures, asked: SampledTask) -> None:
    count = len(asked.pool.texts)
    found = choose("pattern", seen.language_model, asked, count, 0, seen=seen)
    assert sorted(found.demonstrations[0]) == list(range(count))


def test_embeddings_may_be_those_of_another_model(
    tiny_llama: LanguageModel, asked: SampledTask, tmp_path: Path
) -> None:
    """A plain checkpoint is a model for sentence-transformers too."""
    other = make_tiny(tmp_path / "other", "llama", seed=1)
    seen = TextFeatures(tiny_llama, asked, options=SelectorOptions(embeddings=str(other)))
    wanted = SentenceTransformer(str(other), device="cpu").encode(asked.queries.texts[0], normalize_embeddings=True)
    np.testing.assert_allclose(seen.directions[1][0], wanted, atol=1e-5)
    cosines = seen.directions[0] @ wanted
    found = choose("similarity", tiny_llama, asked, 2, 0, seen=seen)
    half = seen.drawn(2, 0)
    assert found.demonstrations[0][-1] == half[cosines[half].argmax()]


def test_embeddings_that_are_not_there_are_refused(
    tiny_llama: LanguageModel, asked: SampledTask, tmp_path: Path
) -> None:
    seen = TextFeatures(tiny_llama, asked, PromptFormat(), SelectorOptions(embeddings=str(tmp_path)))
    with pytest.raises(BadRequest, match="--embeddings: expected"):
        choose("similarity", tiny_llama, asked, 2, 0, seen=seen)


def test_without_the_package_its_name_is_told(
    tiny_llama: LanguageModel, asked: SampledTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    seen = TextFeatures(tiny_llama, asked, PromptFormat(), SelectorOptions(embeddings="some"))
    with pytest.raises(BadRequest, match="pip install sentence-transformers"):
        choose("similarity", tiny_llama, asked, 2, 0, seen=seen)
