"""Training trains whatever the caller has switched off around it, and evaluation minds nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

import iclscope as icl
from iclscope.core.gradient_mode import gradients_enabled
from iclscope.mechanism import answers_of
from iclscope.models import GPT2Transformer, LinearAttention, SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass, LinearRegression, PatternClassification

PATTERNS = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
CASES: dict[str, tuple[Any, Callable[[], Any], dict[str, Any]]] = {
    "compiled": (PATTERNS, lambda: SoftmaxReLUTransformer(seeds=2, d_X=5, d_Y=2, width=4), {}),
    "adam": (PATTERNS, lambda: SoftmaxReLUTransformer(seeds=2, d_X=5, d_Y=2, width=4), {"optimizer": "adam"}),
    "linear": (LinearRegression(d_X=3, length=4), lambda: LinearAttention(seeds=2, d_X=3), {"optimizer": "sgd"}),
    "GPT-2": (
        FunctionClass(d_X=3, length=4),
        lambda: GPT2Transformer(seeds=2, d_X=3, layers=1, heads=2, embedding=8, positions=16),
        {},
    ),
}
WITHOUT: list[Callable[[], AbstractContextManager[Any]]] = [torch.no_grad, torch.inference_mode]


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())


@pytest.mark.parametrize("without", WITHOUT)
@pytest.mark.parametrize("inside", [False, True], ids=["model made before", "model made within"])
@pytest.mark.parametrize("case", CASES)
def test_training_does_not_depend_on_the_mode_around_it(case: str, inside: bool, without: Any) -> None:
    task, make, settings = CASES[case]
    settings = {"steps": 3, "batch_size": 4, **settings}
    usual = icl.train(make(), task, **settings).model
    model = make()
    with without():
        if inside:
            model = make()
        trained = icl.train(model, task, **settings).model
        assert not torch.is_grad_enabled(), "the caller's own mode is restored"
        inferring = torch.is_inference_mode_enabled()
    assert inferring == (without is torch.inference_mode)
    assert equal(trained, usual)
    assert not equal(trained, make())
    # What comes out can be trained on, and measured, like any model.
    assert all(weight.requires_grad and not weight.is_inference() for weight in trained.parameters())
    assert equal(icl.train(trained, task, **settings).model, icl.train(usual, task, **settings).model)
    with without():
        within = icl.evaluate(trained, task, prompts=8)
    for one, other in zip(within, icl.evaluate(trained, task, prompts=8), strict=True):
        assert one == other if isinstance(one, tuple) else torch.equal(one, other)


@pytest.mark.parametrize("without", WITHOUT)
def test_sensitivities_need_gradients_too(without: Any) -> None:
    task, make, _ = CASES["linear"]
    model, prompts = make(), task.sampler([0, 1]).prompts(3, purpose="test")
    usual = answers_of(lambda p: model.predict(p).output, prompts)
    with without():
        found = answers_of(lambda p: model.predict(p).output, prompts)
    assert torch.equal(found.sensitivities, usual.sensitivities)
    assert bool(found.sensitivities.any())


def test_the_mode_is_restored_after_an_error() -> None:
    with torch.inference_mode():
        with gradients_enabled():
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
        with contextlib.suppress(ZeroDivisionError), gradients_enabled():
            raise ZeroDivisionError
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
