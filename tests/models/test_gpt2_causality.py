"""What GPT-2 may not see: the query's own answer, padding, and anything later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_gpt2_transformers import PATTERNS, scrambled
from torch import Tensor

from iclscope.models import GPT2Transformer
from iclscope.tasks import FunctionClass, InContextExamples, PatternClassification

D, POINTS = 3, 5
EVERY = scrambled(d_X=D)


@dataclass(frozen=True)
class Examples:
    """Prompts that are just their examples."""

    given: InContextExamples

    @property
    def labels(self) -> Tensor:
        return self.given.answers[..., 0]

    def examples(self) -> InContextExamples:
        return self.given


def said(model: GPT2Transformer, examples: InContextExamples) -> Tensor:
    return model.predict(Examples(examples)).output.detach()


def drawn(seed: int) -> InContextExamples:
    prompts = FunctionClass(d_X=D, length=POINTS - 1, noise=0.3).sampler([seed, seed + 1], dtype=torch.float64)
    return prompts.prompts(2, purpose="test").examples()


def changed(tensor: Tensor, at: Any, by: float) -> Tensor:
    copy = tensor.clone()
    copy[at] += by
    return copy


@given(seed=st.integers(0, 1000), point=st.integers(0, POINTS - 1), by=st.sampled_from([-30.0, 0.5, 1e6]))
def test_what_is_said_at_an_x_does_not_depend_on_its_answer_or_anything_later(seed: int, point: int, by: float) -> None:
    examples = drawn(seed)
    before = said(EVERY, examples)
    answer = replace(examples, answers=changed(examples.answers, (..., slice(point, None), slice(None)), by))
    later = replace(answer, inputs=changed(examples.inputs, (..., slice(point + 1, None), slice(None)), by))
    for other in (answer, later):
        torch.testing.assert_close(said(EVERY, other)[..., : point + 1], before[..., : point + 1], rtol=0, atol=1e-13)
    if point + 1 < POINTS:
        assert not torch.equal(said(EVERY, answer)[..., point + 1], before[..., point + 1]), "answers are not read"
    here = replace(examples, inputs=changed(examples.inputs, (..., slice(point, point + 1), slice(None)), by))
    assert bool((said(EVERY, here)[..., point] != before[..., point]).all()), "the input itself is not read"


@given(seed=st.integers(0, 1000), points=st.integers(1, POINTS))
def test_a_shorter_prompt_gives_the_first_predictions_of_a_longer_one(seed: int, points: int) -> None:
    examples = drawn(seed)
    short = InContextExamples(examples.inputs[:, :, :points], examples.answers[:, :, :points])
    torch.testing.assert_close(said(EVERY, short), said(EVERY, examples)[..., :points], rtol=0, atol=1e-13)


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
@pytest.mark.parametrize("length", [4, (0, 4)])
def test_the_query_alone_is_asked_and_its_answer_and_the_padding_are_not_read(tokens: str, length: Any) -> None:
    model = scrambled(d_X=5, d_Y=2, tokens=tokens)
    task: PatternClassification = PATTERNS.replace(length=length)
    examples = task.sampler(model.seeds, dtype=torch.float64).prompts(12, purpose="test").examples()
    before = said(model, examples)
    assert before.shape == (2, 12)
    query_at = examples.query_at
    assert query_at is not None
    points = torch.arange(5)
    answers, inputs = examples.answers.clone(), examples.inputs.clone()
    answers[points >= query_at[..., None]] = 1e3  # the query's own, and those behind it
    inputs[points > query_at[..., None]] = -1e3
    hidden = replace(examples, answers=answers, inputs=inputs)
    torch.testing.assert_close(said(model, hidden), before, rtol=0, atol=1e-13)
    if length == 4:
        return
    assert bool((query_at < 4).any()), "there must be padding"
    seen = examples.answers.clone()
    seen[points < query_at[..., None]] *= -1
    moved = said(model, replace(examples, answers=seen)) != before
    assert torch.equal(moved, query_at > 0), "answers before the query are read, where there are any"


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
def test_a_padded_prompt_is_the_prompt(tokens: str) -> None:
    model = scrambled(d_X=5, d_Y=2, tokens=tokens)
    examples = (
        PATTERNS.replace(length=(0, 4)).sampler(model.seeds, dtype=torch.float64).prompts(8, purpose="test").examples()
    )
    assert examples.query_at is not None
    before = said(model, examples)
    for run in range(2):
        for prompt in range(8):
            count = int(examples.query_at[run, prompt])
            short = InContextExamples(
                examples.inputs[[run], prompt : prompt + 1, : count + 1],
                examples.answers[[run], prompt : prompt + 1, : count + 1],
                torch.tensor([[count]]),
            )
            alone = said(model.run(run), short)
            torch.testing.assert_close(alone[0, 0], before[run, prompt], rtol=0, atol=1e-13)
