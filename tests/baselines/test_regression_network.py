"""The two-layer network, against PyTorch's own layers trained on one prompt at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from iclscope.baselines.regression import two_layer_network
from iclscope.baselines.regression.network import initial_parameters, minibatch
from iclscope.core.errors import BadRequest
from iclscope.core.random_streams import RandomStream

Prompts = tuple[Tensor, Tensor, Tensor]


def make_prompts(batch: int, k: int, d: int = 3, dtype: torch.dtype = torch.float64) -> Prompts:
    draw = torch.Generator().manual_seed(0)
    inputs, query = (torch.randn(batch, *shape, generator=draw).to(dtype) for shape in ((k, d), (d,)))
    return inputs, inputs.sum(-1).abs(), query


def train_one(prompts: Prompts, place: int, width: int, steps: int, rate: float, batch_size: int, seed: int) -> Tensor:
    """One network of PyTorch's layers, with the initial values and minibatches of one place in the batch."""
    inputs, targets, query = prompts
    batch, k, d = inputs.shape
    values = [value[place] for value in initial_parameters(seed, batch, width, inputs)]
    network = nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, 1)).double()
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(value.T.reshape(parameter.shape))
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    draws = RandomStream.from_seeds([seed], "two-layer network, minibatches")
    for step in range(steps):
        chosen = minibatch(draws.at(step), batch, k, batch_size)[place]
        loss = nn.functional.mse_loss(network(inputs[place, chosen])[:, 0], targets[place, chosen])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    return network(query[place]).detach()[0]


@pytest.mark.parametrize("k", [1, 4, 9])
def test_batched_training_equals_single_training(k: int) -> None:
    prompts = make_prompts(3, k)
    answers = two_layer_network(*prompts, width=7, steps=60, learning_rate=0.01, batch_size=4, seed=5)
    alone = torch.stack([train_one(prompts, place, 7, 60, 0.01, 4, 5) for place in range(3)])
    torch.testing.assert_close(answers, alone, rtol=1e-7, atol=1e-9)


def test_defaults_are_the_papers() -> None:
    prompts = make_prompts(2, 12)
    stated = two_layer_network(*prompts, width=100, steps=1000, learning_rate=5e-3, batch_size=10, seed=0)
    assert torch.equal(two_layer_network(*prompts), stated)


def test_initial_values_are_those_of_linear_layers() -> None:
    d, width = 4, 25
    values = initial_parameters(0, 400, width, torch.zeros(1, d, dtype=torch.float64))
    assert [value.shape[1:] for value in values] == [(d, width), (1, width), (width, 1), (1, 1)]
    for value, fan_in in zip(values, (d, d, width, width), strict=True):
        bound = 1 / math.sqrt(fan_in)
        assert -bound <= float(value.min()) < -0.95 * bound
        assert 0.95 * bound < float(value.max()) <= bound
        assert abs(float(value.mean())) < 0.1 * bound
        assert float(value.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    flat = torch.cat([value.flatten(1) for value in values], dim=1)
    assert len(flat.unique()) == flat.numel()  # no number is used twice


def test_minibatches_hold_different_examples_and_all_equally_often() -> None:
    draws = RandomStream.from_seeds([0], "a test")
    counts = torch.zeros(12)
    for step in range(100):
        chosen = minibatch(draws.at(step), 20, 12, 5)
        assert chosen.shape == (20, 5)
        assert all(len(set(row)) == 5 for row in chosen.tolist())
        counts += torch.bincount(chosen.flatten(), minlength=12)
    assert ((counts / counts.sum() - 1 / 12).abs() < 0.01).all()
    assert not torch.equal(minibatch(draws.at(0), 20, 12, 5)[0], minibatch(draws.at(0), 20, 12, 5)[1])
    assert sorted(minibatch(draws.at(0), 1, 3, 10)[0].tolist()) == [0, 1, 2]


def test_it_learns() -> None:
    inputs, targets, _ = make_prompts(4, 10, dtype=torch.float32)
    untrained, trained = (two_layer_network(inputs, targets, inputs[:, 3], steps=steps) for steps in (0, 300))
    assert float((trained - targets[:, 3]).square().mean()) < 0.01 < float((untrained - targets[:, 3]).square().mean())


def test_the_seed_decides_and_later_prompts_do_not_matter() -> None:
    prompts = make_prompts(5, 12)
    first = two_layer_network(*prompts, steps=15)
    assert torch.equal(two_layer_network(*prompts, steps=15), first)
    assert not torch.allclose(two_layer_network(*prompts, steps=15, seed=1), first)
    fewer = tuple(tensor[:2] for tensor in prompts)
    torch.testing.assert_close(two_layer_network(*fewer, steps=15), first[:2])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_trains_where_gradients_are_off(mode: Any) -> None:
    expected = two_layer_network(*make_prompts(2, 4), steps=5)
    with mode():
        answers = two_layer_network(*make_prompts(2, 4), steps=5)
    assert torch.equal(answers, expected)
    assert not answers.requires_grad


@pytest.mark.parametrize(
    "change",
    [{"width": 0}, {"steps": -1}, {"batch_size": 0}, {"learning_rate": 0.0}, {"learning_rate": math.nan}],
)
def test_bad_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=next(iter(change))):
        two_layer_network(*make_prompts(1, 2), **change)
