"""Scores of neurons against plain sums over single prompts and single neurons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.models.padded import padded_batches
from iclscope.language_models.pruning.neuron_scores import activity, magnitudes
from iclscope.language_models.pruning.perplexity import nll, per_token
from iclscope.language_models.settings import NORMS

TOKENS = [(5, 9, 250, 31, 7, 7, 12), (44,), (3, 100, 200), tuple(range(1, 40)), (17, 18)]


def _vectors(language_model: LanguageModel, layer: int, neuron: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The incoming vectors of one neuron, and its outgoing one, read off the weights by hand."""
    model: Any = language_model.model
    if language_model.kind == "gpt2":
        mlp = model.transformer.h[layer].mlp
        return [mlp.c_fc.weight[:, neuron]], mlp.c_proj.weight[neuron]
    mlp = model.model.layers[layer].mlp
    return [mlp.gate_proj.weight[neuron], mlp.up_proj.weight[neuron]], mlp.down_proj.weight[:, neuron]


def test_magnitudes_are_norms_of_single_neurons(tiny: LanguageModel) -> None:
    found = {norm: magnitudes(tiny, norm) for norm in NORMS}
    for layer in range(2):
        for neuron in (0, 7, 40):
            incoming, outgoing = _vectors(tiny, layer, neuron)
            lengths = [float(vector.norm()) for vector in incoming]
            product = float(outgoing.norm())
            for length in lengths:
                product *= length
            expected = {
                "incoming": sum(length**2 for length in lengths) ** 0.5,
                "outgoing": float(outgoing.norm()),
                "product": product,
            }
            expected["auto"] = expected["incoming" if tiny.kind == "gpt2" else "outgoing"]
            for norm in NORMS:
                assert float(found[norm][layer, neuron]) == pytest.approx(expected[norm], rel=1e-5), norm


def test_an_unknown_norm_is_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(BadRequest, match=r"--norm: expected .*outgoing.*, got 'down'"):
        magnitudes(tiny_llama, "down")


def test_the_first_layer_with_neurons_that_have_no_norm_is_named_and_they_are_counted(tiny_llama_folder: Path) -> None:
    broken = load_language_model(str(tiny_llama_folder))
    model: Any = broken.model
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[[3, 7, 8], 2] = torch.nan
    with pytest.raises(BadRequest, match=r"in layer model\.layers\.1\.mlp the weights or the activity of 3 of 48 are"):
        magnitudes(broken, "incoming")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[[5, 40], 2] = torch.inf
    with pytest.raises(BadRequest, match=r"in layer model\.layers\.0\.mlp the weights or the activity of 2 of 48 are"):
        magnitudes(broken, "incoming")
    assert magnitudes(broken, "outgoing").isfinite().all()


def test_activations_that_are_no_numbers_are_traced_to_where_they_begin(tiny_llama_folder: Path) -> None:
    """Those of a single neuron of the last layer."""
    broken = load_language_model(str(tiny_llama_folder))
    model: Any = broken.model
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[7, 2] = torch.nan
    told = r"whose activations are finite numbers.*; in layer model\.layers\.1\.mlp\.up_proj they stop being"
    with pytest.raises(BadRequest, match=told):
        activity(broken, TOKENS)


def test_activity_is_what_single_prompts_give(tiny: LanguageModel) -> None:
    layout = mlp_layout(tiny)
    model: Any = tiny.model
    squares = torch.zeros(len(layout.mlps), layout.width, dtype=torch.float64)
    seen: list[torch.Tensor] = []
    handles = [mlp.output.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for mlp in layout.mlps]
    try:
        for row in TOKENS:
            seen.clear()
            with torch.inference_mode():
                model(input_ids=torch.tensor([row]))
            for layer, each in enumerate(seen):
                squares[layer] += each[0].double().square().sum(dim=0)
    finally:
        for handle in handles:
            handle.remove()
    count = sum(len(row) for row in TOKENS)
    norms = magnitudes(tiny, "outgoing")
    torch.testing.assert_close(activity(tiny, TOKENS), (squares / count).sqrt() * norms, rtol=1e-4, atol=1e-7)


def test_activity_leaves_no_hooks(tiny: LanguageModel) -> None:
    activity(tiny, TOKENS)
    assert not any(mlp.output._forward_pre_hooks for mlp in mlp_layout(tiny).mlps)


def test_batches_hold_every_text_once() -> None:
    tokens = [tuple(range(1, 1 + length)) for length in (600, 3, 500, 7, 2000, 3)]
    found: dict[int, list[int]] = {}
    for batch in padded_batches(tokens, torch.device("cpu")):
        assert len(batch.rows) == 1 or batch.ids.numel() <= 1024
        for row, ids, mask in zip(batch.rows, batch.ids, batch.mask, strict=True):
            assert row not in found
            found[row] = ids[mask].tolist()
    assert [tuple(found[row]) for row in range(len(tokens))] == tokens


def test_nll_is_that_of_single_texts(tiny: LanguageModel) -> None:
    model: Any = tiny.model
    texts = [row for row in TOKENS if len(row) > 1]
    expected = []
    for row in texts:
        with torch.inference_mode():
            logs = model(input_ids=torch.tensor([row])).logits[0].log_softmax(dim=-1)
        expected.append(-sum(float(logs[place, token]) for place, token in enumerate(row[1:])))
    assert nll(tiny, texts) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(BadRequest, match="at least two tokens"):
        nll(tiny, TOKENS)


def test_nll_per_token_is_the_ratio_of_sums_and_covers_it() -> None:
    """Texts of different lengths, their tokens of mean NLL 2: the interval covers it about as often as it says."""
    numbers = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        lengths = numbers.integers(20, 200, size=16).astype(float)
        sums = 2 * lengths + numbers.normal(0, 1, size=16) * np.sqrt(lengths)
        found = per_token(sums[None], lengths)
        assert found.value == pytest.approx(sums.sum() / lengths.sum())
        covered += found.low <= 2 <= found.high
    assert 0.90 <= covered / 300 <= 0.99
