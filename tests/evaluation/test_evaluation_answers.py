"""Compiled answers to pattern prompts: those that the model gives to the prompts written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.evaluation.answers import answers_of, part_size
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import LinearAttention, SoftmaxReLUTransformer
from iclscope.tasks import PatternClassification, PatternSampler, PatternShift, stack_tasks

SEEDS = (3, 4)
IN_DOMAIN: dict[str, Any] = {"M1": 4, "M2": 3, "d_X": 20, "d_Y": 3}

SHIFTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"S1": 1.3},
    {"S1": -0.4},
    {"S1": 0.7, "irrelevant": "outside"},
    {"S1": 1.2, "irrelevant": "outside", "M2": 5},
)


def random_model(noise: int) -> SoftmaxReLUTransformer:
    """Weights without any structure, which move ν' outside the span as well as inside."""
    model = SoftmaxReLUTransformer(seeds=SEEDS, d_X=20, d_Y=3, width=10, dtype=torch.float64)
    generator = torch.Generator().manual_seed(noise)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return model


def sampler_of(tasks: list[PatternClassification]) -> PatternSampler:
    sampler = stack_tasks(tasks, SEEDS, dtype=torch.float64)
    assert isinstance(sampler, PatternSampler)
    return sampler


@settings(max_examples=25)
@given(
    noise=st.integers(0, 99),
    shift=st.sampled_from(SHIFTS),
    alphas=st.tuples(st.sampled_from([0.4, 1.0]), st.sampled_from([0.4, 1.0])),
    lengths=st.sampled_from([(0, 4), (7, 7), (90, 90)]),
    context=st.sampled_from(["independent", "exact"]),
    pruned=st.booleans(),
)
def test_compiled_answers_are_the_models(
    noise: int,
    shift: dict[str, Any] | None,
    alphas: tuple[float, float],
    lengths: tuple[int, int],
    context: str,
    pruned: bool,
) -> None:
    moved = None if shift is None else PatternShift(**shift)
    alphas = (1.0, 1.0) if shift is not None else alphas
    tasks = [PatternClassification(**IN_DOMAIN, alpha=a, length=lengths, context=context, shift=moved) for a in alphas]
    model, sampler = random_model(noise), sampler_of(tasks)
    neurons = torch.arange(10).expand(2, 10) % 3 > 0 if pruned else None

    def answers(compiled: bool) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = list(answers_of(model, sampler, 150, 64, neurons=neurons, compiled=compiled))
        assert [output.shape[1] for output, _ in found] == [64, 64, 22]
        outputs, labels = zip(*((output, asked.labels) for output, asked in found), strict=True)
        return torch.cat(outputs, dim=1), torch.cat(labels, dim=1)

    (fast, fast_labels), (plain, plain_labels) = answers(compiled=True), answers(compiled=False)
    assert torch.equal(fast_labels, plain_labels)
    torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-11)
    dense = sampler.prompts(64, purpose=EVALUATION_PURPOSE, step=0).dense()
    written_out = model.predict(dense, neurons=neurons).output.detach()
    torch.testing.assert_close(fast[:, :64], written_out, rtol=1e-9, atol=1e-11)


def test_neurons_of_another_model_are_refused() -> None:
    task = PatternClassification()
    model = LinearAttention(seeds=1, d_X=30)
    with pytest.raises(BadRequest, match=r"neurons: expected .*, got 'a mask'"):
        next(answers_of(model, task.sampler([0]), 1, 1, neurons=torch.ones(1, 4, dtype=torch.bool)))


def test_parts_are_smaller_for_long_contexts() -> None:
    assert part_size(20) == 1250
    assert part_size(0) == 25_000
    assert part_size(10**9) == 1
