"""Prompts read behind one copy of what they share: the same scores as with a copy for each, family by family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_models.test_llm_scoring import ANSWERS, groups_of_all_kinds
from language_models.tiny_models import make_tiny

from iclscope.language_models.models import shared_prefix
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.shared_prefix import SharedPrefixes, reading_behind_prefixes, why_copied
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.settings import ModelSource

GATED: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
PLAIN = {name: size for name, size in GATED.items() if name != "num_key_value_heads"}

SHARED: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {},
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 32,
    },
    "gpt_neox": PLAIN,
    "phi": PLAIN,
    "qwen2": GATED,
    "qwen3": {**GATED, "head_dim": 8},
    "mistral": {**GATED, "head_dim": 8, "sliding_window": None},
    "gemma": {**GATED, "head_dim": 8},
    "olmo2": GATED,
    "granite": GATED,
    "smollm3": GATED,
    "starcoder2": {**GATED, "sliding_window": None},
    "cohere": GATED,
}
"""Families whose prompts share one copy, with sizes."""

COPIED: dict[str, tuple[dict[str, Any], str]] = {
    "bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 4}, ""),
    "gemma2": ({**GATED, "head_dim": 8}, "sliding_attention"),
    "mistral": ({**GATED, "head_dim": 8, "sliding_window": 40}, "sliding_window"),
    "stablelm": (GATED, "its own way"),
    "gpt_oss": ({**GATED, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}, ""),
}
"""Families that get copies, with sizes, and what is said of them."""


@pytest.mark.parametrize("kind", SHARED)
def test_one_copy_gives_the_scores_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    folder = make_tiny(tmp_path / kind, kind, **SHARED[kind])
    language_model = load_language_model(ModelSource(name=str(folder), dtype="float32"))
    assert why_copied(language_model) == ""
    groups = groups_of_all_kinds()
    found = label_scores(language_model, groups, ANSWERS)
    language_model.why_copied[0] = "asked for"
    monkeypatch.setattr(shared_prefix, "_attention", None)  # so that this cannot be read the same way
    for one, copied in zip(found, label_scores(language_model, groups, ANSWERS), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, copied, atol=0, rtol=1e-5)
        assert np.ptp(copied) > 1


@pytest.mark.parametrize("kind", COPIED)
def test_what_is_more_than_a_softmax_over_all_tokens_keeps_copies(tmp_path: Path, kind: str) -> None:
    sizes, told = COPIED[kind]
    language_model = load_language_model(
        ModelSource(name=str(make_tiny(tmp_path / kind, kind, **sizes)), dtype="float32")
    )
    assert why_copied(language_model)
    assert told in why_copied(language_model)


def test_attention_is_as_before_when_all_is_read(tiny_llama: LanguageModel) -> None:
    before = tiny_llama.model.config._attn_implementation
    label_scores(tiny_llama, groups_of_all_kinds(), ANSWERS)
    assert tiny_llama.model.config._attn_implementation == before != shared_prefix.ATTENTION
    model: Any = tiny_llama.model
    assert "forward" not in vars(model.get_output_embeddings())


def test_keys_of_a_prefix_are_never_copied(tiny_llama: LanguageModel) -> None:
    with reading_behind_prefixes(tiny_llama.model):
        shared = SharedPrefixes(tiny_llama.model, [[5, 6, 7, 8], [9, 10]])
    assert [prefix.length for prefix in shared.prefixes] == [4, 2]
    one, other = (prefix.keys[0].untyped_storage().data_ptr() for prefix in shared.prefixes)
    assert one == other
    assert shared.copied([0, 0, 1, 0])._prefixes[0].keys[0].data_ptr() == shared.prefixes[0].keys[0].data_ptr()


@pytest.mark.parametrize("rows", [[[3, 4, 5], [6]], [[6], [3, 4, 5], [7, 8]]])
def test_rows_that_are_nearly_all_padding_give_numbers(
    tiny_llama: LanguageModel, rows: Sequence[Sequence[int]]
) -> None:
    model: Any = tiny_llama.model
    of_row = [number % 2 for number in range(len(rows))]
    with reading_behind_prefixes(model):
        part = SharedPrefixes(model, [[5, 6, 7, 8], [9, 10]]).copied(of_row)
        part.read(rows, keep=2)
        found = part.copied(range(len(rows))).read([[11]] * len(rows))[:, 0]
    for number, row in enumerate(rows):
        whole = [[5, 6, 7, 8], [9, 10]][of_row[number]] + [*row, 11]
        with torch.inference_mode():
            expected = model(input_ids=torch.tensor([whole])).logits[0, -1].log_softmax(dim=-1)
        torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=1e-5)
