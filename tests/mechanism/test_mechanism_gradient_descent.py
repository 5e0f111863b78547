"""The measures of alignment with gradient descent, against closed forms, finite differences and known weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from iclscope.mechanism import alignment, answers_of, interpolated, rescaled
from iclscope.models import LinearAttention
from iclscope.papers.vonoswald2023 import theory as theory
from iclscope.tasks import LinearRegression
from iclscope.tasks.function_classes import FunctionPrompts

D = 4
PROMPTS = LinearRegression(d_X=D, length=6).sampler([0, 1], dtype=torch.float64).prompts(50, purpose="test")


def constructed(eta: float = 5.0, layers: int = 1, gamma: float = 0.0) -> LinearAttention:
    model = LinearAttention(seeds=2, d_X=D, layers=layers, recurrent=True, output_sign=-1, dtype=torch.float64)
    weights = theory.construction(d_X=D, eta=eta, gamma=gamma, length=6)
    return model.with_weights(weights.W_KQ.expand_as(model.W_KQ), weights.W_PV.expand_as(model.W_PV))


def random_model() -> LinearAttention:
    model = constructed()
    generator = torch.Generator().manual_seed(1)
    W_KQ, W_PV = (torch.randn(2, 1, D + 1, D + 1, dtype=torch.float64, generator=generator) for _ in range(2))
    return model.with_weights(W_KQ, W_PV)


def of_model(model: LinearAttention, prompts: FunctionPrompts = PROMPTS) -> tuple[Tensor, Tensor]:
    return answers_of(lambda one: model.predict(one).output, prompts)


def by_descent(prompts: FunctionPrompts, eta: float = 5.0, steps: int = 1, gamma: float = 0.0) -> Tensor:
    x, y = prompts.inputs[:, :, :-1], prompts.answers[:, :, :-1]
    return theory.gradient_descent(x, y, prompts.inputs[:, :, -1], eta=eta, steps=steps, gamma=gamma)


@pytest.mark.parametrize(("layers", "gamma"), [(1, 0.0), (3, 0.0), (1, 0.1), (3, 0.1)])
def test_constructed_layers_are_aligned_with_descent_to_machine_precision(layers: int, gamma: float) -> None:
    ours = answers_of(lambda one: constructed(layers=layers, gamma=gamma).predict(one).output, PROMPTS)
    theirs = answers_of(lambda one: by_descent(one, steps=layers, gamma=gamma), PROMPTS)
    found = alignment(ours, theirs)
    assert float(found.prediction_distance.max()) < 1e-14
    assert float(found.sensitivity_distance.max()) < 1e-13
    torch.testing.assert_close(found.sensitivity_cosine, torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_sensitivity_of_one_step_is_its_weight_vector() -> None:
    x, y = PROMPTS.inputs[:, :, :-1], PROMPTS.answers[:, :, :-1]
    weight = 5.0 / 6 * torch.einsum("rbn,rbnd->rbd", y, x)
    torch.testing.assert_close(answers_of(by_descent, PROMPTS).sensitivities, weight, rtol=1e-12, atol=1e-12)


def test_sensitivities_are_finite_differences() -> None:
    model = random_model()
    found = answers_of(lambda one: model.predict(one).output, PROMPTS)
    torch.testing.assert_close(found.predictions, model.predict(PROMPTS).output.detach())
    for coordinate in range(D):
        step = torch.zeros_like(PROMPTS.inputs)
        step[:, :, -1, coordinate] = 1e-5
        up, down = (model.predict(replace(PROMPTS, inputs=PROMPTS.inputs + sign * step)).output for sign in (1, -1))
        difference = (up - down).detach() / 2e-5
        torch.testing.assert_close(found.sensitivities[:, :, coordinate], difference, rtol=1e-6, atol=1e-7)


def test_measures_of_a_rate_that_is_off() -> None:
    """Everything scales with η in one step: the cosine does not see it, the distances are the difference."""
    ours, theirs = (answers_of(lambda one, eta=eta: by_descent(one, eta), PROMPTS) for eta in (5.0, 6.0))
    found = alignment(ours, theirs)
    torch.testing.assert_close(found.prediction_distance, theirs.predictions.abs().mean(dim=1) / 6)
    torch.testing.assert_close(found.sensitivity_distance, theirs.sensitivities.norm(dim=2).mean(dim=1) / 6)
    torch.testing.assert_close(found.sensitivity_cosine, torch.ones(2, dtype=torch.float64))


def test_opposite_and_unrelated_predictors() -> None:
    ours = answers_of(by_descent, PROMPTS)
    opposite = answers_of(lambda one: -by_descent(one), PROMPTS)
    assert float(alignment(ours, opposite).sensitivity_cosine.max()) == pytest.approx(-1)
    shuffled = replace(PROMPTS, answers=PROMPTS.answers.roll(1, dims=1))
    unrelated = alignment(ours, answers_of(by_descent, shuffled)).sensitivity_cosine
    assert float(unrelated.abs().max()) < 0.5


def test_rescaling_changes_no_prediction_and_fixes_the_free_factor() -> None:
    model = random_model()
    other = model.with_weights(model.W_KQ.detach() * -3.7, model.W_PV.detach() / -3.7)
    torch.testing.assert_close(model.predict(PROMPTS).output, other.predict(PROMPTS).output)
    for one in (model, other):
        torch.testing.assert_close(one.predict(PROMPTS).output, rescaled(one).predict(PROMPTS).output)
        diagonal = rescaled(one).W_KQ.detach().diagonal(dim1=2, dim2=3)[..., :D]
        torch.testing.assert_close(diagonal.mean(dim=2), torch.ones(2, 1, dtype=torch.float64))
    torch.testing.assert_close(rescaled(model).W_PV, rescaled(other).W_PV)
    zero = model.with_weights(torch.zeros_like(model.W_KQ), model.W_PV.detach())
    assert torch.equal(rescaled(zero).W_PV, zero.W_PV)


def test_interpolating_a_disguised_construction_gives_the_construction() -> None:
    model = constructed()
    disguised = model.with_weights(model.W_KQ.detach() * 7.0, model.W_PV.detach() / 7.0)
    between = interpolated(disguised, model)
    torch.testing.assert_close(between.W_KQ, model.W_KQ)
    torch.testing.assert_close(between.W_PV, model.W_PV)
    ends = [interpolated(random_model(), model, share) for share in (0.0, 1.0)]
    torch.testing.assert_close(ends[0].W_KQ, rescaled(random_model()).W_KQ)
    torch.testing.assert_close(ends[1].W_PV, model.W_PV)
