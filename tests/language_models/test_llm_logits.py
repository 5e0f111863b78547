"""However large the vocabulary: few logits at a time, and the same numbers as with all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_models.tiny_models import VOCABULARY, make_tiny

from iclscope.language_models.models import logits
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.logits import most_positions, vocabulary
from iclscope.language_models.prompts.format import PromptGroup
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.pruning.perplexity import nll

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}
KINDS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "llama": {},
    "mistral": {**GROUPED, "sliding_window": 8},
    "gemma2": GROUPED,  # logits are bent
    "cohere": {**SIZES, "num_key_value_heads": 2, "logit_scale": 0.5},
    "granite": {**SIZES, "num_key_value_heads": 2, "logits_scaling": 3.0},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 32,
    },
    "ctrl": {"n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4},
}
"""Places told apart in each way, windows, and logits that are changed behind the head."""

TOKENS = [tuple(int(i) for i in np.random.default_rng(n).integers(1, VOCABULARY, n)) for n in (2, 50, 31, 30, 8, 3, 51)]


def plain_nll(language_model: LanguageModel, tokens: Sequence[Sequence[int]]) -> list[float]:
    """Each text by itself, with the logits of all its tokens at once."""
    found = []
    model: Any = language_model.model
    for row in tokens:
        with torch.inference_mode():
            log_p = model(input_ids=torch.tensor([row])).logits[0].double().log_softmax(dim=-1)
        found.append(-sum(float(log_p[at - 1, row[at]]) for at in range(1, len(row))))
    return found


@contextmanager
def positions_seen(language_model: LanguageModel) -> Iterator[list[int]]:
    """At how many positions each call gave logits."""
    seen: list[int] = []
    hook = language_model.model.register_forward_hook(
        lambda _, __, output: seen.append(output.logits.numel() // VOCABULARY)
    )
    yield seen
    hook.remove()


def bound(monkeypatch: pytest.MonkeyPatch, positions: int) -> None:
    monkeypatch.setattr(logits, "_BYTES_ON_CPU", 4 * VOCABULARY * positions)


@pytest.mark.parametrize(("kind", "sizes"), KINDS.items(), ids=KINDS)
def test_perplexity_in_parts_is_that_of_the_whole(
    kind: str, sizes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    language_model = load_language_model(str(make_tiny(tmp_path / kind, kind, **sizes)))
    expected = plain_nll(language_model, TOKENS)
    assert np.ptp(expected) > 1
    for positions in (1000, 60, 16, 7, 1):
        bound(monkeypatch, positions)
        told: list[int] = []
        with positions_seen(language_model) as seen:
            found = nll(language_model, TOKENS, on_progress=told.append)
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-4)
        assert max(seen) <= positions
        assert sum(told) == len(TOKENS)


def test_a_long_text_alone_is_read_in_parts(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, 10)
    with positions_seen(tiny_llama) as seen:
        nll(tiny_llama, [TOKENS[1]])
    assert seen == [10, 10, 10, 10, 9]


@pytest.mark.parametrize("kind", ["llama", "ctrl"])
@pytest.mark.parametrize("positions", [1, 5, 40])
def test_scores_of_labels_hold_few_logits(
    kind: str, positions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of labels of one and of several tokens."""
    language_model = load_language_model(str(make_tiny(tmp_path / kind, kind, **KINDS[kind])))
    queries = tuple(f"Text: {text}\nLabel:" for text in ("a horse", "soup", "the wolf", "bread", "a good film", "soup"))
    groups = [PromptGroup("Text: a\nLabel: b\n\n", queries), PromptGroup("", queries[:2])]
    labels = (" animal", " something of many tokens", " of")
    expected = label_scores(language_model, groups, labels)
    bound(monkeypatch, positions)
    with positions_seen(language_model) as seen:
        found = label_scores(language_model, groups, labels)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4, rtol=0)
    longest = max(len(language_model.tokenizer(label)["input_ids"]) for label in labels)
    assert max(seen) <= max(positions, longest)  # one label is never cut


def test_how_many_there_may_be(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vocabulary(tiny) == VOCABULARY
    assert most_positions(tiny) == (1 << 27) // (4 * VOCABULARY)
    bound(monkeypatch, 0)
    assert most_positions(tiny) == 1
