"""Cached, batched scores are those of one uncached prompt at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_models.plain_scoring import plain_scores
from language_models.tiny_models import make_tiny

from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.shared_prefix import ReadBehind
from iclscope.language_models.prompts import scoring
from iclscope.language_models.prompts.calibration import calibrated
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.scoring import batch_limits, label_scores
from iclscope.language_models.settings import ModelSource
from iclscope.language_models.texts.labelled_text import LabelledTexts

FORM = PromptFormat()
SHOWN = LabelledTexts(("a horse", "bread and soup", "the wolf ran"), ("animal", "food", "animal"))
QUERIES = (
    "a good horse",
    "soup",
    "something much longer than the others, with é and \U0001f40e",
    "",
    "the wolf and the wolf",
)
ANSWERS = (" animal", " food", " something of many tokens", " a")
TOLERANCE = 2e-4
"""Of log-likelihoods in float32 that are about −10 to −60."""


def groups_of_all_kinds() -> list[PromptGroup]:
    """Shared demonstrations, single prompts, several small groups, one without demonstrations."""
    return [
        PromptGroup(FORM.prefix(SHOWN), tuple(FORM.render_query(text) for text in QUERIES)),
        *(PromptGroup(FORM.prefix(SHOWN.at([i])), (FORM.render_query(QUERIES[i]),)) for i in range(3)),
        *(PromptGroup(FORM.prefix(SHOWN.at([i, 1])), tuple(map(FORM.render_query, QUERIES[:2]))) for i in (0, 2)),
        PromptGroup("", tuple(FORM.render_query(text) for text in QUERIES)),
    ]


def plainly(language_model: LanguageModel, groups: list[PromptGroup]) -> list[np.ndarray]:
    return [plain_scores(language_model, [g.prefix + query for query in g.queries], ANSWERS) for g in groups]


def test_scores_equal_those_of_one_prompt_at_a_time(tiny: LanguageModel) -> None:
    groups = groups_of_all_kinds()
    for found, expected in zip(label_scores(tiny, groups, ANSWERS), plainly(tiny, groups), strict=True):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)
        assert np.ptp(expected) > 1


@pytest.mark.parametrize("tokens", [1, 60, 200])
def test_batches_of_any_size_give_the_same(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    groups = groups_of_all_kinds()
    expected = label_scores(tiny, groups, ANSWERS)
    monkeypatch.setattr(scoring, "_TOKENS_ON_CPU", tokens)
    told: list[int] = []
    for one, other in zip(label_scores(tiny, groups, ANSWERS, on_progress=told.append), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE, rtol=0)
    assert sum(told) == sum(len(group.queries) for group in groups)
    assert len(told) > 3


def test_as_many_tokens_are_kept_as_there_is_room_for_their_keys_and_values(
    tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = tiny.model
    with torch.inference_mode():
        read = model(input_ids=torch.tensor([[5, 9, 31]]), use_cache=True).past_key_values
    held = [tensor for layer in read.layers for tensor in (layer.keys, layer.values)]
    of_one_token = sum(tensor.numel() * tensor.element_size() for tensor in held) // 3
    for room, kept in ((1000 * of_one_token, 1000), (1000 * of_one_token - 1, 999)):
        monkeypatch.setattr(scoring, "_CACHE_ON_CPU", room)
        assert batch_limits(tiny, []).kept == kept


@pytest.mark.parametrize(
    ("positions", "expected"), [(1000, [5, 5]), (10, [3, 3, 3, 1]), (7, [2, 2, 2, 2, 2]), (1, [1] * 10)]
)
def test_continuations_are_read_as_many_at_a_time_as_logits_fit_and_no_more_than_prompts(
    tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch, positions: int, expected: list[int]
) -> None:
    """Five prompts, two answers of four tokens: behind its first token each wants logits at three positions."""
    answers = (" xyz", " qqz")
    assert [len(tiny.tokenizer(answer)["input_ids"]) for answer in answers] == [4, 4]
    group = PromptGroup(FORM.prefix(SHOWN), tuple(FORM.render_query(text) for text in QUERIES))
    (plain,) = label_scores(tiny, [group], answers)
    sizes: list[int] = []
    read = ReadBehind.read

    def counted(self: ReadBehind, tokens: Sequence[Sequence[int]], *, keep: int = 1) -> torch.Tensor:
        if keep > 1:
            assert keep == 3
            sizes.append(len(tokens))
        return read(self, tokens, keep=keep)

    monkeypatch.setattr(scoring, "most_positions", lambda _: positions)
    monkeypatch.setattr(ReadBehind, "read", counted)
    (found,) = label_scores(tiny, [group], answers)
    assert sizes == expected
    np.testing.assert_allclose(found, plain, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("window", [8, 40])
def test_a_window_of_attention_sees_no_padding(tmp_path: Path, window: int) -> None:
    """Mistral looks back at so many tokens only; padding between them must not take their places."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    folder = make_tiny(tmp_path / "m", "mistral", **sizes, num_key_value_heads=2, head_dim=8, sliding_window=window)
    windowed = load_language_model(str(folder))
    groups = groups_of_all_kinds()
    for found, expected in zip(label_scores(windowed, groups, ANSWERS), plainly(windowed, groups), strict=True):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (
            "opt",
            {
                "hidden_size": 32,
                "ffn_dim": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "word_embed_proj_dim": 32,
            },
        ),
        ("gpt_neox", {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}),
        ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
        (
            "gemma2",
            {
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 8,
            },
        ),
    ],
    ids=["opt", "gpt_neox", "bloom", "gemma2"],
)
def test_other_ways_to_tell_places(tmp_path: Path, kind: str, sizes: dict[str, int]) -> None:
    """Learned places behind an offset, part of each head turned, distances as a penalty, logits that are bent."""
    language_model = load_language_model(str(make_tiny(tmp_path / kind, kind, **sizes)))
    groups = groups_of_all_kinds()
    for found, expected in zip(
        label_scores(language_model, groups, ANSWERS), plainly(language_model, groups), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


def test_bfloat16_is_near_float32(tiny_llama_folder: Path, tiny_llama: LanguageModel) -> None:
    small = load_language_model(ModelSource(name=str(tiny_llama_folder), dtype="bfloat16"))
    assert small.model.dtype == torch.bfloat16
    groups = groups_of_all_kinds()
    for found, exact in zip(
        label_scores(small, groups, ANSWERS), label_scores(tiny_llama, groups, ANSWERS), strict=True
    ):
        assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()


def test_weights_stay_as_they_are(tiny: LanguageModel) -> None:
    before = {name: weights.clone() for name, weights in tiny.model.state_dict().items()}
    label_scores(tiny, groups_of_all_kinds(), ANSWERS)
    assert all(torch.equal(weights, before[name]) for name, weights in tiny.model.state_dict().items())


def test_a_prompt_that_is_too_long_is_named(tiny: LanguageModel) -> None:
    long = PromptGroup("", ("short", "very " * 600 + "long"))
    with pytest.raises(BadRequest, match=r"ends in 'very .* long' has \d{3,} tokens.* at most 512, the context length"):
        label_scores(tiny, [long], ANSWERS)


def test_an_answer_without_tokens_is_refused(tiny: LanguageModel) -> None:
    with pytest.raises(BadRequest, match="label: expected"):
        label_scores(tiny, [PromptGroup("", ("a horse",))], (" animal", ""))


def test_a_model_without_attention_is_refused(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(tiny.model), "_is_stateful", True)
    with pytest.raises(BadRequest, match="attention layers only"):
        label_scores(tiny, [PromptGroup("", ("a horse",))], ANSWERS)


def test_calibration_against_probabilities_written_out() -> None:
    numbers = np.random.default_rng(0)
    scores, free = numbers.normal(-8, 3, (6, 3)), numbers.normal(-8, 3, (2, 3))
    p, p_free = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (scores, free))
    expected = p / p_free.mean(axis=0)
    np.testing.assert_allclose(np.exp(calibrated(scores, free)), expected, rtol=1e-12)
    uniform = calibrated(free[:1], free[:1])
    np.testing.assert_allclose(uniform, 0, atol=1e-12)
