"""What proofs of Li 2024 say of attention's output and of single neurons, by hand on one small prompt."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from mechanism.test_mechanism_attention import tiny_model, tiny_prompts

from iclscope.mechanism import attention_output, lucky_neurons, preactivations
from iclscope.models import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternBasis, PatternPrompts

M1 = 3


def with_irrelevant(kappa: list[float]) -> PatternPrompts:
    """The tiny prompt with irrelevant parts; the query's κ is ½."""
    values = torch.tensor([[kappa]], dtype=torch.float64)
    return replace(tiny_prompts(), kappa=values, query_kappa=torch.full((1, 1), 0.5, dtype=torch.float64))


def test_uniform_attention_passes_on_the_mean_of_the_columns() -> None:
    """A quarter of each of μ_0, μ_1, μ_0, μ_2, whose labels are +, −, +, +."""
    found = attention_output(tiny_model(0.0), with_irrelevant([0.5, 0.5, 0.5, 0.5]), M1)
    # The feature part is (½, ¼, ¼) along the μ_j, and ½ along ν.
    assert found.pattern_cosine.item() == pytest.approx(0.5 / math.sqrt(0.25 + 0.125 + 0.25))
    assert found.label.item() == pytest.approx(0.5)
    assert found.irrelevant_norm.item() == pytest.approx(1.0)
    assert attention_output(tiny_model(0.0), with_irrelevant([0.5, -0.5, 0.5, -0.5]), M1).irrelevant_norm.item() < 1e-12


def test_concentrated_attention_passes_on_the_querys_pattern_and_its_label() -> None:
    found = attention_output(tiny_model(6.0), with_irrelevant([0.0, 0.0, 0.0, 0.0]), M1)
    assert found.pattern_cosine.item() == pytest.approx(1.0)
    assert found.label.item() == pytest.approx(1.0)


def test_prompts_without_the_querys_pattern_do_not_count() -> None:
    one, other = with_irrelevant([0.5] * 4), with_irrelevant([0.5] * 4)
    other = replace(other, query_relevant=torch.tensor([[2]]), relevant=torch.tensor([[[0, 1, 0, 1]]]))
    both = PatternPrompts(
        dictionary=one.dictionary,
        d_X=one.d_X,
        mask=None,
        **{
            name: torch.cat([getattr(one, name), getattr(other, name)], dim=1)
            for name in PatternPrompts.__dataclass_fields__
            if name not in ("dictionary", "d_X", "mask")
        },
    )
    alone, together = (attention_output(tiny_model(0.0), prompts, M1) for prompts in (one, both))
    for first, second in zip(alone, together, strict=True):
        assert first.item() == pytest.approx(second.item())


def model_of_two_neurons() -> SoftmaxReLUTransformer:
    """Rows of W_O W_V along (μ_0 + μ_1, q) with a > 0, and along (μ_2, −q) with a < 0."""
    model = SoftmaxReLUTransformer(d_X=4, d_Y=1, width=2, delta=1.0, dtype=torch.float64)
    with torch.no_grad():
        model.W_O.copy_(torch.tensor([[[1.0, 1.0, 0.0, 0.0, 3.0], [0.0, 0.0, 2.0, 0.0, -1.0]]], dtype=torch.float64))
        model.a.copy_(torch.tensor([[1.0, -1.0]], dtype=torch.float64))
    return model


def test_preactivations_by_hand() -> None:
    patterns = torch.eye(4, dtype=torch.float64)[None]
    basis = PatternBasis(patterns[:, :3], patterns[:, 3:], torch.tensor([[0.5]], dtype=torch.float64))
    found = preactivations(model_of_two_neurons(), basis)
    # The label that a neuron votes for: +q for the first, −q for the second.
    assert found.tolist() == [[[2.5, 2.5, 1.5], [0.5, 0.5, 2.5]]]


def test_luck_is_judged_on_prompts_with_the_neurons_sign() -> None:
    """The one prompt has label +1: the first neuron is active on it; for the second there is no prompt to help with."""
    assert lucky_neurons(model_of_two_neurons(), tiny_prompts()).tolist() == [[True, False]]
    negative = replace(tiny_prompts(), labels=-torch.ones(1, 1, dtype=torch.float64))
    # Attention is on μ_0 mostly, whose label is +q: the second neuron is driven below 0 by it.
    assert lucky_neurons(model_of_two_neurons(), negative).tolist() == [[False, False]]
    turned = replace(negative, signs=-negative.signs)
    assert lucky_neurons(model_of_two_neurons(), turned).tolist() == [[False, True]]
