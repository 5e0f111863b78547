"""Test prompts that do not fit are answered in halves: the same prompts, the same answers within rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from iclscope.evaluation.evaluate_model import evaluate
from iclscope.execution.prompt_parts import predicting_in_parts
from iclscope.models import GPT2Transformer, LinearAttention, SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass, LinearRegression, PatternClassification

MOST = 5
"""Prompts that there is room for in these tests."""

# In batches of other sizes, sums of single precision may be taken in another order: a few units in the last place.
ROUNDING = 2e-6

CASES = {
    "one layer on patterns": (
        lambda: SoftmaxReLUTransformer(d_X=10, d_Y=6, width=8, seeds=2),
        PatternClassification(M1=4, M2=6, d_X=10, d_Y=6, length=6),
    ),
    "linear attention": (lambda: LinearAttention(d_X=4, seeds=2), LinearRegression(d_X=4, length=6)),
    "GPT-2 on functions": (
        lambda: GPT2Transformer(d_X=3, embedding=8, layers=1, heads=2, positions=12, seeds=1),
        FunctionClass(function="linear", d_X=3, length=5),
    ),
}


def with_little_room(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a model fail on batches of more than `MOST` prompts; returns the sizes of all that it was asked."""
    asked: list[int] = []
    real = type(model).predict

    def predict(self: Any, prompts: Any, **settings: Any) -> Any:
        size = prompts.labels.shape[1]
        asked.append(size)
        if size > MOST:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return real(self, prompts, **settings)

    monkeypatch.setattr(type(model), "predict", predict)
    return asked


@pytest.mark.parametrize("case", list(CASES))
def test_answers_are_those_of_the_whole_batch(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, task = CASES[case]
    model: Any = make()
    # Compiled loops, which hold one prompt at a time, are not asked in batches.
    monkeypatch.setattr("iclscope.models.pattern_engine.engine.is_compiled", lambda _: False)
    monkeypatch.setattr(GPT2Transformer, "is_as_made", lambda _: False)
    expected: Any = evaluate(model, task, prompts=17)  # type: ignore[call-overload]
    asked = with_little_room(model, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        evaluate(model, task, prompts=17)  # type: ignore[call-overload]
    asked.clear()
    with predicting_in_parts(model):
        found: Any = evaluate(model, task, prompts=17)  # type: ignore[call-overload]
    assert sorted(size for size in asked if size <= MOST) == [4, 4, 4, 5]
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(torch.as_tensor(other), torch.as_tensor(one), rtol=ROUNDING, atol=ROUNDING)
    assert "predict" not in vars(model)


def test_other_errors_and_single_prompts_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LinearAttention(d_X=4, seeds=1)
    task = LinearRegression(d_X=4, length=6)

    def fail(_self: Any, prompts: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(LinearAttention, "predict", fail)
    with predicting_in_parts(model), pytest.raises(torch.OutOfMemoryError):
        evaluate(model, task, prompts=3)

    def err(_self: Any, prompts: Any) -> Any:
        raise ValueError("my own model")

    monkeypatch.setattr(LinearAttention, "predict", err)
    with predicting_in_parts(model), pytest.raises(ValueError, match="my own model"):
        evaluate(model, task, prompts=3)
