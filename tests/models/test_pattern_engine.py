"""The engine on pattern prompts: against autograd on the same prompts; training in coordinates against training."""

from __future__ import annotations

from typing import Any

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from iclscope.models import SoftmaxReLUConfig, SoftmaxReLUTransformer
from iclscope.models.pattern_engine.coordinates import NAMES, PatternCoordinates
from iclscope.models.pattern_engine.gradients import pattern_pass
from iclscope.tasks import PatternClassification
from iclscope.training.losses import hinge_loss

SEEDS, RATES, BATCH = (3, 4), torch.tensor([0.7, 0.2], dtype=torch.float64), 5


PROBLEMS = st.fixed_dictionaries(
    {
        "patterns": st.tuples(st.integers(3, 5), st.integers(1, 5)),
        "spare": st.tuples(st.sampled_from([0, 3, 30]), st.sampled_from([1, 3, 30])),
        "lengths": st.tuples(st.integers(0, 9), st.integers(0, 9)),
        "beta": st.sampled_from([1.0, 3.0]),
        "alpha": st.sampled_from([0.0, 0.6, 1.0]),
        "K": st.sampled_from([0.0, 0.5]),
        "context": st.sampled_from(["independent", "exact"]),
        "tasks": st.sampled_from(["training", "all"]),
        "width": st.integers(1, 9),
        "rows": st.tuples(st.sampled_from([None, 2, 50]), st.sampled_from([None, 2, 50])),
        "noise": st.integers(0, 1000),
    }
)
"""Settings alone: what makes objects of the library is left to the test, since the shape checks use ``random``."""


def made_of(problem: dict[str, Any]) -> tuple[PatternClassification, SoftmaxReLUConfig, int]:
    (M1, M2), (spare, d_Y), (shortest, more) = problem["patterns"], problem["spare"], problem["lengths"]
    task = PatternClassification(
        M1=M1,
        M2=M2,
        d_X=M1 + M2 + spare,
        d_Y=d_Y,
        length=(shortest, shortest + more),
        **{name: problem[name] for name in ("beta", "alpha", "K", "context", "tasks")},
    )
    m_a, m_b = problem["rows"]
    config = SoftmaxReLUConfig(d_X=task.d_X, d_Y=d_Y, width=problem["width"], m_a=m_a, m_b=m_b, xi=0.3)
    return task, config, problem["noise"]


def model_of(config: SoftmaxReLUConfig, noise: int, dtype: torch.dtype = torch.float64) -> SoftmaxReLUTransformer:
    """Any weights, not only initial ones."""
    model = SoftmaxReLUTransformer(seeds=SEEDS, configs=[config] * 2, dtype=dtype)
    generator = torch.Generator().manual_seed(noise)
    with torch.no_grad():
        for weight in model.parameters():
            weight += (0.2 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)).to(dtype)
    return model


def by_hand(weights: dict[str, Tensor], dictionary: Tensor, sampler: Any, step: int) -> tuple[Any, dict[str, Tensor]]:
    made = pattern_pass(weights, dictionary, sampler, BATCH, purpose="training", step=step)
    outputs = made.output.requires_grad_()
    (derivative,) = torch.autograd.grad(hinge_loss(outputs, made.labels).mean(dim=1).sum(), outputs)
    return made, made.gradients(derivative)


def by_autograd(model: SoftmaxReLUTransformer, prompts: Any) -> tuple[Tensor, dict[str, Tensor]]:
    output = model.predict(prompts).output
    risk = hinge_loss(output, prompts.labels).mean(dim=1).sum()
    return output, dict(zip(NAMES, torch.autograd.grad(risk, [getattr(model, n) for n in NAMES]), strict=True))


@given(PROBLEMS)
def test_outputs_and_gradients_are_autograds_on_the_dense_prompts(problem: dict[str, Any]) -> None:
    task, config, noise = made_of(problem)
    model, sampler = model_of(config, noise), task.sampler(SEEDS, dtype=torch.float64)
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    made, gradients = by_hand(weights, sampler.basis.dictionary(), sampler, step=noise)
    prompts = sampler.prompts(BATCH, purpose="training", step=noise)
    assert torch.equal(made.labels, prompts.labels)
    output, expected = by_autograd(model, prompts.dense())
    torch.testing.assert_close(made.output.detach(), output.detach(), rtol=0, atol=1e-10)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-9, atol=1e-10)


@settings(max_examples=15)
@given(PROBLEMS)
def test_training_in_coordinates_and_back_is_training(problem: dict[str, Any]) -> None:
    task, config, noise = made_of(problem)
    model, sampler = model_of(config, noise), task.sampler(SEEDS, dtype=torch.float64)
    coordinates = PatternCoordinates.of(model.state_dict(), sampler.basis.dictionary())
    moved = {name: tensor.clone() for name, tensor in coordinates.start.items()} | {"a": model.a}
    rates = RATES[:, None, None]
    for step in range(4):
        _, small = by_hand(moved, coordinates.dictionary, sampler, step)
        _, large = by_autograd(model, sampler.prompts(BATCH, purpose="training", step=step))
        with torch.no_grad():
            for name in NAMES:
                moved[name] -= rates * small[name]
                getattr(model, name).sub_(rates * large[name])
    for name, weight in coordinates.full(moved).items():
        torch.testing.assert_close(weight, getattr(model, name).detach(), rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_the_plain_reference() -> None:
    task = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=6, beta=3.0, q_norm=2.0)
    config = SoftmaxReLUConfig(d_X=8, d_Y=3, width=10, xi=0.1)
    model, sampler = model_of(config, 0), task.sampler(SEEDS, dtype=torch.float64)
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    _, gradients = by_hand(weights, sampler.basis.dictionary(), sampler, 2)
    dense = sampler.prompts(BATCH, purpose="training", step=2).dense()
    expected = reference.gradients(weights, reference.Batch(dense.columns, dense.query, dense.labels, dense.mask))
    for name in NAMES:
        torch.testing.assert_close(gradients[name], expected[name], rtol=1e-9, atol=1e-11)


def test_the_cost_does_not_grow_with_dimensions() -> None:
    task = PatternClassification(M1=4, M2=3, d_X=200, d_Y=100)
    model = SoftmaxReLUTransformer(d_X=200, d_Y=100, width=10, seeds=SEEDS)
    start = PatternCoordinates.of(model.state_dict(), task.sampler(SEEDS).basis.dictionary()).start
    assert {name: tuple(weight.shape) for name, weight in start.items()} == {
        "W_Q": (2, 16, 8), "W_K": (2, 16, 8), "W_V": (2, 18, 8), "W_O": (2, 10, 18),
    }  # fmt: skip


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(broken: float) -> None:
    task = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3)
    model = model_of(SoftmaxReLUConfig(d_X=8, d_Y=3, width=10), 0, torch.float32)
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    weights["W_Q"][0, 0, 0] = broken
    sampler = task.sampler(SEEDS)
    made = pattern_pass(weights, sampler.basis.dictionary().float(), sampler, 4, purpose="training", step=0)
    assert not bool(made.output[0].isfinite().any())
    assert bool(made.output[1].isfinite().all())
