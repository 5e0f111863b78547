"""Attention to demonstrations against transformers' own, prompt by prompt; concentration on attention made by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from language_models.tiny_models import make_tiny
from transformers import AutoModelForCausalLM

from iclscope.claims.crossed import crossed_mean
from iclscope.claims.intervals import Interval
from iclscope.core.errors import BadRequest
from iclscope.language_models.heads.claims import BEST, attention_claims, best_heads
from iclscope.language_models.heads.concentration import (
    LEAST_MASS,
    WHOLE,
    WORDS,
    Concentrations,
    balanced_over_labels,
    concentrations,
    heads_table,
)
from iclscope.language_models.heads.figure import attention_figure, heads_text
from iclscope.language_models.heads.measurement import BY_QUERY, Attention
from iclscope.language_models.heads.prompts import Queries, dealt_labels, measured_queries
from iclscope.language_models.heads.reading import demonstration_attention, eager_attention
from iclscope.language_models.heads.rows import (
    ARMS,
    NEAREST,
    NEAREST_OTHER,
    RANDOM_QUERY,
    SAME_LABEL,
    Group,
    grouped_rows,
    label_group,
)
from iclscope.language_models.measurement import unit_tables
from iclscope.language_models.models.cached import LastAttention, PrefixCache
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.demonstration_tokens import NOBODY, token_owners
from iclscope.language_models.prompts.draws import SampledTask
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.run_folder import PARTS, RunFolder
from iclscope.language_models.selectors.nearest_demonstrations import NearestDemonstrations, nearest_half
from iclscope.language_models.settings import AttentionSettings, ModelSource, TextMeasurement
from iclscope.language_models.texts.labelled_text import LabelledTexts

FORM = PromptFormat(instruction="Sort the words.")
SHOWN = LabelledTexts(("the horse", "bread and soup", "a wolf"), ("animal", "food", "animal"))
QUERIES = ("a dog", "bread, and after it some cheese with a lot of red wine from the south", "soup", "")
CLASSES = ("animal", "food")
MISTRAL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "sliding_window": 24,
}


def measured(language_model: LanguageModel, queries: tuple[str, ...] = QUERIES) -> np.ndarray:
    return demonstration_attention(language_model, FORM, SHOWN, queries, CLASSES)


def expected(folder: Path, language_model: LanguageModel) -> np.ndarray:
    """One prompt at a time, the whole square of attention; tokens found by the lengths of their texts."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = language_model.tokenizer
    found = []
    for query in QUERIES:
        prompt = FORM.prefix(SHOWN) + FORM.render_query(query)
        bounds: list[tuple[int, int, int, int]] = []
        at = 0
        for text, label in zip(*SHOWN, strict=True):
            start = prompt.index(f"Text: {text}\n", at)
            word = prompt.index(f"Label: {label}", start) + len("Label: ")
            at = prompt.index("Text: ", word)
            bounds.append((start, at, word, word + len(label)))
        ids = tokenizer(prompt)["input_ids"]
        pieces = tokenizer.convert_ids_to_tokens(ids)
        ends = np.cumsum([len(piece) for piece in pieces])  # of ASCII, a byte and a character per sign of a token
        assert ends[-1] == len(prompt)
        with torch.no_grad():
            attentions = model(torch.tensor([ids]), output_attentions=True).attentions
        last = torch.stack([layer[0, :, -1] for layer in attentions]).numpy()  # layer, head, token
        parts = np.zeros((2, *last.shape[:2], len(bounds)))
        for token, end in enumerate(ends):
            first = end - len(pieces[token])
            for number, (start, stop, word, word_end) in enumerate(bounds):
                parts[0, :, :, number] += last[:, :, token] * (start <= first < stop)
                parts[1, :, :, number] += last[:, :, token] * (first < word_end and end > word)
        found.append(parts)
    return np.stack(found, axis=1)


def test_it_agrees_with_transformers_on_single_prompts(tiny: LanguageModel, tiny_folder: Path) -> None:
    found = measured(tiny)
    assert found.shape == (2, len(QUERIES), 2, tiny.model.config.num_attention_heads, 3)
    np.testing.assert_allclose(found, expected(tiny_folder, tiny), atol=2e-6)
    assert (found.sum(axis=-1) < 1).all()
    assert (found[1] < found[0]).all()


def test_a_window_of_attention_ends_the_demonstrations(tmp_path: Path) -> None:
    """Prompts are longer than the window, where padding would count."""
    folder = make_tiny(tmp_path / "mistral", "mistral", **MISTRAL)
    language_model = load_language_model(str(folder))
    found = measured(language_model)
    np.testing.assert_allclose(found, expected(folder, language_model), atol=2e-6)
    assert (found[:, :, :, :, 0] == 0).all()


def test_it_does_not_matter_who_is_in_the_batch(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    together = measured(tiny)
    alone = np.concatenate([measured(tiny, (query,)) for query in QUERIES], axis=1)
    np.testing.assert_allclose(together, alone, atol=2e-6)
    # The package offers a function of the module's name.
    monkeypatch.setattr(importlib.import_module("iclscope.language_models.heads.reading"), "_ATTENTION_BYTES", 1)
    np.testing.assert_allclose(measured(tiny), together, atol=2e-6)


def test_tokens_have_one_owner(tiny: LanguageModel) -> None:
    """Also where a label stands in its own text, and where a character is several tokens."""
    shown = LabelledTexts(("food, food", "naïve café ☕"), ("food", "animal"))
    form = PromptFormat(query="Text: {text}\nIt is", label=" <{label}>", between="\n")
    owners = token_owners(tiny, form, shown, ["a dog"])[0]
    tokens = tiny.tokenizer.convert_ids_to_tokens(
        tiny.tokenizer(form.prefix(shown) + form.render_query("a dog"))["input_ids"]
    )
    words = ["".join(t for t, owner in zip(tokens, owners.words, strict=True) if owner == n) for n in range(2)]
    assert words == ["food", "animal"]
    after_first = owners.whole[1:]
    assert list(after_first) == sorted(after_first, key=lambda owner: 9 if owner == NOBODY else owner)
    behind = "".join(t for t, owner in zip(tokens, owners.whole, strict=True) if owner == NOBODY)
    assert behind == tokens[0] + "Text:ĠaĠdogĊItĠis"
    assert ((owners.words == NOBODY) | (owners.words == owners.whole)).all()


def test_the_first_token_is_nobodys(tiny_llama: LanguageModel) -> None:
    """Also where no instruction stands before the demonstrations: attention is parked there."""
    owners = token_owners(tiny_llama, PromptFormat(), SHOWN, ["a dog"])[0]
    assert owners.whole[:3].tolist() == [NOBODY, 0, 0]


def test_the_setting_of_the_model_is_put_back(tiny: LanguageModel) -> None:
    before = tiny.model.config._attn_implementation
    assert before != "eager"
    measured(tiny)
    assert tiny.model.config._attn_implementation == before

    def fails() -> None:
        assert tiny.model.config._attn_implementation == "eager"
        raise KeyError

    with pytest.raises(KeyError), eager_attention(tiny.model):
        fails()
    assert tiny.model.config._attn_implementation == before


def test_models_that_show_no_attention_are_refused(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    attend = PrefixCache.attend
    for cut in (lambda _: None, lambda layers: tuple(layer[:, :, 1:] for layer in layers)):

        def changed(self: PrefixCache, tokens: list[int], cut: Callable[..., object] = cut) -> LastAttention:
            last = attend(self, tokens)
            return last._replace(layers=cut(last.layers))  # type: ignore[arg-type]

        monkeypatch.setattr(PrefixCache, "attend", changed)
        with pytest.raises(BadRequest, match="MODEL: expected a model whose attention transformers shows") as told:
            measured(tiny_llama)
        assert "\n" not in str(told.value)
    monkeypatch.setattr(type(tiny_llama.model), "_is_stateful", True, raising=False)
    with pytest.raises(BadRequest, match="attention layers only"):
        measured(tiny_llama)


def test_a_tokenizer_that_says_no_places_is_refused(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(tiny_llama.tokenizer), "is_fast", False)
    with pytest.raises(BadRequest, match="MODEL: expected a model with a fast tokenizer"):
        measured(tiny_llama)


def test_too_long_a_prompt_is_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(BadRequest, match="the context length of tiny-llama"):
        measured(tiny_llama, ("bread " * 600,))


# By hand: two labels, four demonstrations.

HEADS = ("same", "last", "likes a", "nothing", "uniform")
ANSWERS = ("a", "b", "a", "b")


def by_hand(labels: tuple[str, ...], draws: int = 2) -> pl.DataFrame:
    """A layer whose heads do what `HEADS` says."""
    attention = np.zeros((2, len(labels), 1, len(HEADS), 4), dtype=np.float32)
    for query, label in enumerate(labels):
        same = np.asarray([answer == label for answer in ANSWERS])
        attention[0, query, 0, 0] = 0.4 * same + 0.05 * ~same
        attention[0, query, 0, 1, 3] = 0.9
        attention[0, query, 0, 2] = [0.3, 0.1, 0.3, 0.1]
        attention[0, query, 0, 4] = 0.25
    attention[1] = attention[0] / 10
    half = tuple(labels[:i].count(label) % 2 for i, label in enumerate(labels))
    places = tuple(range(len(labels)))
    rows = grouped_rows(
        attention, Queries(places, labels, places, half, ()), {SAME_LABEL: label_group(labels, ANSWERS)}
    )
    return pl.concat([rows.with_columns(draw=pl.lit(draw)) for draw in range(draws)])


def test_concentration_of_attention_made_by_hand() -> None:
    """Queries of one label are three times as many; a liking for a place or a label is still no concentration."""
    rows = by_hand(("a",) * 12 + ("b",) * 4)
    for part, mass in ((WHOLE, 1.0), (WORDS, 0.1)):
        found = concentrations(rows, part)
        means = found.balanced.mean(axis=(1, 2))
        np.testing.assert_allclose(means, [0.8 / 0.9 - 0.5, 0, 0, 0, 0], atol=1e-6)
        np.testing.assert_allclose(found.mass.mean(axis=(1, 2)), np.asarray([0.9, 0.9, 0.8, 0, 1]) * mass, atol=1e-6)
    assert concentrations(rows, WHOLE).values[1].mean() == pytest.approx((4 - 12) / 16 * 0.5)
    table = heads_table(rows).filter(pl.col("part") == WHOLE)
    best, last = table.row(0, named=True), table.row(-1, named=True)
    assert (best["rank"], best["layer"], best["head"]) == (1, 0, 0)
    assert (best["concentration"], best["low"], best["high"]) == pytest.approx((0.8 / 0.9 - 0.5,) * 3, abs=1e-6)
    assert last["head"] == HEADS.index("nothing")
    assert last["mass"] < LEAST_MASS


def test_shares_are_of_demonstrations() -> None:
    queries = Queries((3, 5), ("a", "b"), (1, 0), (0, 1), ())
    attention = np.full((2, 2, 1, 1, 3), 0.2, dtype=np.float32)
    shown = ("a", "a", "b")
    groups = {SAME_LABEL: label_group(queries.labels, shown), RANDOM_QUERY: label_group(queries.dealt, shown)}
    rows = grouped_rows(attention, queries, groups)
    assert rows["share_words"].equals(rows["share"].rename("share_words"))
    assert rows["share"].to_list() == pytest.approx([2 / 3, 1 / 3, 1 / 3, 2 / 3])
    assert rows["same"].to_list() == pytest.approx([0.4, 0.2, 0.2, 0.4])
    assert rows["query"].to_list() == [3, 5, 3, 5]
    assert rows["label"].to_list() == ["a", "b", "b", "a"]


def test_labels_count_equally_and_spread_is_within_them() -> None:
    values = np.random.default_rng(0).normal(size=(3, 1, 20))
    labels = tuple("aaaaaaaaaaabbbbbbccc")
    groups = [values[0, 0, [i for i, one in enumerate(labels) if one == kind]] for kind in "abc"]
    found = balanced_over_labels(values, labels)[0, 0]
    assert found.mean() == pytest.approx(np.mean([group.mean() for group in groups]))
    variance = sum(group.var(ddof=1) / len(group) for group in groups) / 9
    assert found.var(ddof=1) / 20 == pytest.approx(variance * 20 / 19)
    shifted = values + np.asarray([100.0 if one == "a" else 0.0 for one in labels])
    assert balanced_over_labels(shifted, labels)[0, 0].std() == pytest.approx(found.std())


def noise(heads: int = 300, planted: float = 0.0) -> pl.DataFrame:
    """Rows of one layer whose heads split attention at random; in the arm as given, `BEST` of them also by label."""
    numbers = np.random.default_rng(1)
    labels = tuple("ab" * 20)
    half = tuple(labels[:i].count(label) % 2 for i, label in enumerate(labels))
    queries = Queries(tuple(range(40)), labels, tuple(range(40)), half, ())
    same = np.asarray(labels)[:, None] == np.asarray(ANSWERS)
    found = []
    for draw in range(3):
        for arm in ARMS:
            attention = numbers.uniform(0.1, 0.2, size=(2, 40, 1, heads, 4)).astype(np.float32)
            if arm == SAME_LABEL:
                attention[:, :, 0, :BEST] += np.float32(planted) * same[:, None]
            rows = grouped_rows(attention, queries, {arm: label_group(labels, ANSWERS)})
            found.append(rows.with_columns(draw=pl.lit(draw)))
    return pl.concat(found)


def test_the_largest_of_many_heads_is_no_finding() -> None:
    """Measured where it was chosen it would be one; measured on the other half of the queries it is none."""
    rows = noise().filter(pl.col("arm") == SAME_LABEL)
    halves = concentrations(rows, WHOLE)
    chosen = halves.of_half(0)
    biased: Interval = crossed_mean(chosen.balanced[chosen.ranked()[:BEST]].mean(axis=0))
    fair = best_heads(WHOLE)(rows)
    assert biased.low > 0
    assert fair.low < 0 < fair.high
    assert sorted([*chosen.labels, *halves.of_half(1).labels]) == sorted(halves.labels)


def test_claims_hold_for_planted_heads_and_fail_for_their_controls() -> None:
    judged = {one.claim.id: one for one in attention_claims(noise(30, planted=0.15))}
    assert {name: (one.verdict, one.control_verdict) for name, one in judged.items()} == {
        "attention-concentrates": ("holds", "fails"),
        "attention-label-words": ("holds", "fails"),
        "attention-follows-text": ("fails", "fails"),
        "attention-nearest-pattern": ("fails", "fails"),
    }


def test_heads_without_mass_come_last() -> None:
    values = np.asarray([0.1, 0.5, 0.3])[:, None, None] * np.ones((3, 1, 4))
    mass = np.asarray([0.5, LEAST_MASS / 2, 0.6])[:, None, None] * np.ones((3, 1, 4))
    found = Concentrations(((0, 0), (0, 1), (0, 2)), values, mass, tuple("abab"), (0, 0, 1, 1))
    assert found.ranked() == [2, 0, 1]


# The measurement.


def prepared(language_model: LanguageModel, labels: tuple[str, ...] = CLASSES * 4, draws: int = 2) -> Prepared:
    words = {"animal": "wolf horse dog cat hen cow", "food": "bread soup rice cake pie jam", "rare": "x y z u v w"}
    kinds = tuple(sorted(set(labels)))
    pool = LabelledTexts(
        tuple(w for k in kinds for w in words[k].split()), tuple(k for k in kinds for _ in words[k].split())
    )
    asked = SampledTask("hand", pool, LabelledTexts(tuple(f"a {i}" for i in range(len(labels))), labels), kinds)
    settings = TextMeasurement(model=ModelSource(name="tiny"), draws=draws)
    return Prepared(settings, language_model, asked)


def test_rows_have_all_arms_and_draws(tiny_llama: LanguageModel) -> None:
    ready = prepared(tiny_llama)
    told: list[int] = []
    rows = unit_tables(Attention(ready, AttentionSettings(shots=4)), on_progress=told.append)[BY_QUERY]
    assert sum(told) == 8 * 2 * 2
    assert rows.height == len(ARMS) * 2 * 8 * 2 * 4
    paired = pl.col("arm").is_in([NEAREST, NEAREST_OTHER])
    assert rows.filter(~paired)["share"].unique().to_list() == [0.5]
    assert rows.filter(paired)["label"].unique().to_list() == [""]
    assert rows.select("arm", "draw", "query", "layer", "head").is_unique().all()
    totals = rows.filter(pl.col("arm") == SAME_LABEL)["total"], rows.filter(pl.col("arm") == RANDOM_QUERY)["total"]
    assert totals[0].equals(totals[1])
    assert rows.equals(unit_tables(Attention(ready, AttentionSettings(shots=4)))[BY_QUERY])
    table = heads_table(rows)
    figure = attention_figure(table)
    assert "layer" in figure.finding
    assert len(figure.figure.axes) == 8
    assert len(heads_text(table).rows) == 3 * 8


def test_finished_parts_are_not_measured_again(
    tiny_llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, settings = prepared(tiny_llama), AttentionSettings(shots=4)

    def rows() -> pl.DataFrame:
        folder = RunFolder(tmp_path, settings.model_dump())
        folder.begin()
        return unit_tables(Attention(ready, settings, folder))[BY_QUERY]

    first = rows()
    assert len(list((tmp_path / PARTS).iterdir())) == 4

    def again(*_: object, **__: object) -> None:
        pytest.fail("finished parts are not measured again")

    monkeypatch.setattr("iclscope.language_models.heads.measurement.demonstration_attention", again)
    assert rows().equals(first)


def test_both_halves_have_every_label_and_rare_ones_are_left_out(tiny_llama: LanguageModel) -> None:
    labels = ("animal", "food", "rare") * 3 + ("animal", "food") * 4
    asked = prepared(tiny_llama, labels).sampled
    found = measured_queries(asked, 0)
    assert found.left_out == ("rare",)
    assert [labels[i] for i in found.places] == list(found.labels)
    for half in (0, 1):
        inside = [i for i, number in enumerate(found.half) if number == half]
        here = [found.labels[i] for i in inside]
        assert min(here.count(kind) for kind in CLASSES) >= 2
        assert sorted(found.dealt[i] for i in inside) == sorted(here)
    assert found == measured_queries(asked, 0)
    assert found.dealt != found.labels


def test_a_liking_for_what_is_near_to_everyone_is_no_concentration() -> None:
    """One demonstration is near to all queries; one head looks at it always, another at what is near to its query."""
    numbers = np.random.default_rng(0)
    near = nearest_half(numbers.normal(size=(20, 4)).astype(np.float32) + np.asarray([9, 0, 0, 0], dtype=np.float32))
    assert (near.sum(axis=1) == 2).all()
    assert near[:, 0].all()
    attention = np.zeros((2, 20, 1, 3, 4), dtype=np.float32)
    attention[:, :, 0, 0, 0] = 0.6
    attention[:, :, 0, 0, 1] = 0.2
    attention[:, :, 0, 1] = 0.4 * near
    places = tuple(range(20))
    queries = Queries(places, ("a", "b") * 10, places, (0, 0, 1, 1) * 5, ())
    group = Group(("",) * 20, near, paired=True)
    rows = grouped_rows(attention, queries, {NEAREST: group}).with_columns(draw=pl.lit(0))
    usual = [near[np.asarray(queries.half) == half].mean(axis=0) for half in queries.half]
    for part in (WHOLE, WORDS):
        means = concentrations(rows, part).balanced.mean(axis=(1, 2))
        expected_mean = np.mean([1 - (near[q] * usual[q]).sum() / 2 for q in range(20)])
        np.testing.assert_allclose(means, [0, expected_mean, 0], atol=1e-6)
        np.testing.assert_allclose(concentrations(rows, part).of_half(1).values[0].mean(), 0, atol=1e-6)


def test_a_query_is_nearest_to_itself(tiny_llama: LanguageModel) -> None:
    ready = prepared(tiny_llama)
    shown = ready.sampled.pool.at([0, 3, 7, 11])
    for place in range(4):
        near = NearestDemonstrations(ready, shown.at([place])).nearest_half(shown)
        assert near[0, place]
    other = LabelledTexts(shown.texts, shown.labels[::-1])  # labels of queries and demonstrations do not matter
    queries = LabelledTexts(("bread and soup", "a red horse"), ("food", "animal"))
    first, second = (NearestDemonstrations(ready, queries).nearest_half(one) for one in (shown, other))
    assert (first == second).all()
    assert (first.sum(axis=1) == 2).all()


def test_dealt_labels_are_the_same_ones() -> None:
    texts = tuple(str(i) for i in range(20))
    given = LabelledTexts(texts, CLASSES * 10)
    dealt = dealt_labels(given, 3)
    assert dealt.texts == texts
    assert sorted(dealt.labels) == sorted(given.labels)
    assert dealt.labels != given.labels


def test_too_few_queries_or_demonstrations_are_refused(tiny_llama: LanguageModel) -> None:
    few = prepared(tiny_llama, ("animal",) * 8 + ("food",) * 3)
    with pytest.raises(BadRequest, match="--queries: expected more: at least two labels need 4"):
        unit_tables(Attention(few, AttentionSettings(shots=4)))
    three = prepared(tiny_llama, ("animal", "food", "rare") * 4)
    with pytest.raises(BadRequest, match="--shots: expected at least 3, one demonstration of each"):
        unit_tables(Attention(three, AttentionSettings(shots=2)))
