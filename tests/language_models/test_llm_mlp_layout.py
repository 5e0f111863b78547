"""Each supported type of model, tiny and random: pruned, it is what masking makes of it, and loads as it was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from language_models.tiny_models import make_tiny
from transformers import AutoModelForCausalLM

from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.mlp_layout import FAMILIES, incoming_weights, mlp_layout, outgoing_weights
from iclscope.language_models.pruning.pruned import pruned_model, save_checkpoint, without_neurons

_LLAMA: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
_GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_MHA = {name: value for name, value in _LLAMA.items() if name not in ("num_key_value_heads", "head_dim")}
SIZES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(FAMILIES, _LLAMA),
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "gptj": {**_GPT2, "rotary_dim": 8},
    "codegen": {**_GPT2, "rotary_dim": 8},
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "max_position_embeddings": 64,
    },
    "gpt_neox": _MHA,
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_hidden_size": 24},
    "phi": {**_MHA, "num_key_value_heads": 2},
    "opt": {
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
    },
    "xglm": {"d_model": 32, "ffn_dim": 24, "num_layers": 2, "attention_heads": 4, "max_position_embeddings": 64},
}


def _tokens() -> torch.Tensor:
    return torch.randint(3, 320, (3, 12), generator=torch.Generator().manual_seed(1))


def _logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=_tokens()).logits
    return found


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def of_family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = make_tiny(tmp_path_factory.mktemp("family") / request.param, request.param, **SIZES[request.param])
    return load_language_model(str(folder))


def test_pruned_agrees_with_masked_and_reloads(of_family: LanguageModel, tmp_path: Path) -> None:
    layout = mlp_layout(of_family)
    before = {name: weights.clone() for name, weights in of_family.model.state_dict().items()}
    kept = torch.rand(len(layout.mlps), layout.width, generator=torch.Generator().manual_seed(0))
    kept = kept.argsort(dim=1).argsort(dim=1) >= layout.width // 2
    whole = _logits(of_family.model)
    with without_neurons(of_family, kept):
        masked = _logits(of_family.model)
    assert (whole - masked).abs().max() > 1e-3
    torch.testing.assert_close(_logits(of_family.model), whole, rtol=0, atol=0)
    small = pruned_model(of_family, kept)
    torch.testing.assert_close(_logits(small.model), masked, rtol=1e-4, atol=1e-4)
    save_checkpoint(small, tmp_path / "pruned")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "pruned").eval()
    torch.testing.assert_close(_logits(loaded), masked, rtol=1e-4, atol=1e-4)
    assert loaded.num_parameters() == small.model.num_parameters() < of_family.model.num_parameters()
    ours, theirs = of_family.model.config.to_dict(), loaded.config.to_dict()
    allowed = {layout.family.size, "_name_or_path", "transformers_version"}
    assert {name for name in ours if ours[name] != theirs[name]} <= allowed
    assert theirs[layout.family.size] == layout.width - layout.width // 2
    for name, weights in of_family.model.state_dict().items():
        torch.testing.assert_close(weights, before[name], rtol=0, atol=0)


def test_every_neuron_counts_once(of_family: LanguageModel) -> None:
    """Silencing neuron n is the same as setting its outgoing weights to zero; its incoming ones, for a gate, too."""
    layout = mlp_layout(of_family)
    kept = torch.ones(len(layout.mlps), layout.width, dtype=torch.bool)
    kept[1, 5] = False
    with without_neurons(of_family, kept):
        masked = _logits(of_family.model)
    mlp = layout.mlps[1]
    weights = outgoing_weights(mlp)
    before = weights[5].clone()
    try:
        weights[5] = 0
        torch.testing.assert_close(_logits(of_family.model), masked, rtol=1e-5, atol=1e-5)
    finally:
        weights[5] = before
    parts = 2 if layout.family.gated else 1
    assert incoming_weights(mlp).shape == (parts, layout.width, weights.shape[1])


def test_tied_embeddings_stay_tied(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "tied", "llama", tie_word_embeddings=True)
    tied = load_language_model(str(folder))
    layout = mlp_layout(tied)
    kept = torch.ones(len(layout.mlps), layout.width, dtype=torch.bool)
    kept[:, 3] = False
    small: Any = pruned_model(tied, kept).model
    assert small.lm_head.weight is small.model.embed_tokens.weight
    save_checkpoint(pruned_model(tied, kept), tmp_path / "pruned")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "pruned")
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight


BY_STRUCTURE = ("seed_oss", "ernie4_5", "hunyuan_v1_dense", "exaone4", "apertus")
"""Types that no table has."""


@pytest.mark.parametrize("kind", BY_STRUCTURE)
def test_a_type_that_no_table_has_is_found_by_its_structure(kind: str, tmp_path: Path) -> None:
    assert kind not in FAMILIES
    other = load_language_model(str(make_tiny(tmp_path / kind, kind, **_LLAMA)))
    test_pruned_agrees_with_masked_and_reloads(other, tmp_path)
    test_every_neuron_counts_once(other)


@pytest.mark.parametrize(
    ("kind", "sizes", "message"),
    [
        (
            "qwen2_moe",
            {"num_experts": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8},
            "'qwen2_moe'",
        ),
        ("bitnet", {}, "of type 'bitnet', and its neurons depend on each other"),  # a norm over neurons
    ],
)
def test_neurons_that_cannot_be_removed_by_themselves(
    kind: str, sizes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    other = load_language_model(str(make_tiny(tmp_path / kind, kind, **_LLAMA, **sizes)))
    with pytest.raises(BadRequest, match=message):
        mlp_layout(other)


def test_an_unknown_type_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "n_layer": 2, "n_head": 4}
    bloom = load_language_model(str(make_tiny(tmp_path / "bloom", "bloom", **sizes)))
    with pytest.raises(BadRequest, match=r"llama, mistral.*of type 'bloom'"):
        mlp_layout(bloom)


def test_quantized_projections_are_refused(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    projection = mlp_layout(tiny_llama).mlps[0].output
    whole = torch.nn.Parameter(torch.zeros(32, 48, dtype=torch.int8), requires_grad=False)
    monkeypatch.setitem(projection._parameters, "weight", whole)
    with pytest.raises(BadRequest, match="quantized"):
        mlp_layout(tiny_llama)
