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
from iclscope.models.pattern_engine.engine import hinge_gradients, prompt_outputs
from iclscope.tasks import PatternClassification
from iclscope.training.loop import train_runs
from iclscope.training.losses import hinge_loss, squared_loss
from iclscope.training.state import TrainingState

SEEDS, RATES = (3, 4), torch.tensor([0.7, 0.2], dtype=torch.float64)
BATCH = 70
"""More prompts than the engine takes at a time."""


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


def by_hand(
    weights: dict[str, Tensor], dictionary: Tensor, sampler: Any, step: int
) -> tuple[Tensor, dict[str, Tensor]]:
    losses, gradients = hinge_gradients(weights, dictionary, sampler, BATCH, purpose="training", step=step)
    return losses, dict(zip(NAMES, gradients, strict=True))


def by_autograd(model: SoftmaxReLUTransformer, prompts: Any) -> tuple[Tensor, dict[str, Tensor]]:
    output = model.predict(prompts).output
    risks = hinge_loss(output, prompts.labels).mean(dim=1)
    gradients = torch.autograd.grad(risks.sum(), [getattr(model, name) for name in NAMES])
    return risks.detach(), dict(zip(NAMES, gradients, strict=True))


@given(PROBLEMS)
def test_outputs_and_gradients_are_autograds_on_the_dense_prompts(problem: dict[str, Any]) -> None:
    task, config, noise = made_of(problem)
    model, sampler = model_of(config, noise), task.sampler(SEEDS, dtype=torch.float64)
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    dictionary = sampler.basis.dictionary()
    prompts = sampler.prompts(BATCH, purpose="training", step=noise)
    output, labels = prompt_outputs(weights, dictionary, sampler, BATCH, purpose="training", step=noise)
    assert torch.equal(labels, prompts.labels)
    torch.testing.assert_close(output, model.predict(prompts.dense()).output.detach(), rtol=0, atol=1e-10)
    losses, gradients = by_hand(weights, dictionary, sampler, step=noise)
    risks, expected = by_autograd(model, prompts.dense())
    torch.testing.assert_close(losses, risks, rtol=1e-9, atol=1e-10)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-9, atol=1e-10)


@settings(max_examples=15)
@given(PROBLEMS)
def test_training_in_coordinates_and_back_is_training(problem: dict[str, Any]) -> None:
    task, config, noise = made_of(problem)
    model, sampler = model_of(config, noise), task.sampler(SEEDS, dtype=torch.float64)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def trained(autograd: bool) -> TrainingState:
        return train_runs(
            model, sampler, learning_rate=RATES, steps=4, batch_size=BATCH, rate_decay=True, autograd=autograd
        )

    fast, plain = trained(autograd=False), trained(autograd=True)
    assert set(fast.extra_state) == set(NAMES)
    assert not plain.extra_state
    for name, weight in plain.weights.items():
        torch.testing.assert_close(fast.weights[name], weight, rtol=1e-9, atol=1e-9)
        assert torch.equal(model.state_dict()[name], before[name])


def test_only_what_moved_is_turned_back() -> None:
    model = model_of(SoftmaxReLUConfig(d_X=8, d_Y=3, width=10), 0, torch.float32)
    sampler = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3).sampler(SEEDS)
    coordinates = PatternCoordinates.of(model.state_dict(), sampler.basis.dictionary())
    for name, weight in coordinates.full(coordinates.start).items():
        assert torch.equal(weight, getattr(model, name))


class Doubled(SoftmaxReLUTransformer):
    """Answers twice as much as its parent."""

    def predict(self, prompts: Any, **options: Any) -> Any:
        prediction = super().predict(prompts, **options)
        return prediction._replace(output=2 * prediction.output)


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        (SoftmaxReLUTransformer, {"loss": squared_loss}),
        (SoftmaxReLUTransformer, {"optimizer": "adam", "learning_rate": torch.full((2,), 0.1)}),
        (Doubled, {}),
    ],
)
def test_what_the_engine_does_not_know_is_left_to_autograd(model_type: type, settings: dict[str, Any]) -> None:
    task = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3)
    arguments = {"learning_rate": RATES.float(), "steps": 2, "batch_size": 6} | settings
    model, sampler = model_type(seeds=SEEDS, d_X=8, d_Y=3, width=10), task.sampler(SEEDS)
    state = train_runs(model, sampler, **arguments)
    expected = train_runs(model, sampler, **arguments, autograd=True)
    assert not state.extra_state
    assert all(torch.equal(weight, expected.weights[name]) for name, weight in state.weights.items())


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
    dictionary = sampler.basis.dictionary().float()
    output, _ = prompt_outputs(weights, dictionary, sampler, 4, purpose="training", step=0)
    losses, gradients = hinge_gradients(weights, dictionary, sampler, 4, purpose="training", step=0)
    assert not bool(output[0].isfinite().any())
    assert not bool(losses[0].isfinite())
    assert bool(output[1].isfinite().all())
    assert bool(losses[1].isfinite())
    assert all(bool(gradient[1].isfinite().all()) for gradient in gradients)
