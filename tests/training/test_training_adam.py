"""Adam on many runs at once is PyTorch's own Adam on each of them; the squared loss is a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from iclscope.core.errors import BadRequest
from iclscope.models import GPT2Transformer, GPT2TransformerConfig
from iclscope.tasks import FunctionClass
from iclscope.training.gradients import TRAINING_PURPOSE
from iclscope.training.loop import train_runs
from iclscope.training.losses import squared_loss
from iclscope.training.optimizers import Adam, UpdateRule, optimizer_of

SHAPES = {"matrix": (4, 3), "bias": (3,), "number": ()}
TASK = FunctionClass(d_X=3, length=4)
CONFIG = GPT2TransformerConfig(d_X=3, layers=2, heads=2, embedding=8, positions=12)
RATE = 3e-3


def drawn(seed: int, runs: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(runs, *shape, generator=generator, dtype=torch.float64) for shape in SHAPES.values()]


def plain_adam(parameters: list[Tensor], rate: float) -> torch.optim.Adam:
    """PyTorch's Adam in its simplest form: no fused kernel, one tensor after the other."""
    return torch.optim.Adam(parameters, lr=rate, foreach=False, fused=False)


@pytest.mark.parametrize("factors", [[1.0] * 6, [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]])
def test_every_run_moves_as_if_pytorchs_adam_moved_it_alone(factors: list[float]) -> None:
    runs = 3
    together = drawn(0, runs)
    alone = [[nn.Parameter(parameter[run].clone()) for parameter in together] for run in range(runs)]
    plain = [plain_adam(list(parameters), 0.1) for parameters in alone]
    rule = optimizer_of(UpdateRule("adam"), together, torch.full((runs,), 0.1, dtype=torch.float64), {}, {})
    for step, factor in enumerate(factors):
        gradients = drawn(step + 1, runs)
        rule.step(gradients, factor)
        for run in range(runs):
            plain[run].param_groups[0]["lr"] = 0.1 * factor
            for parameter, gradient in zip(alone[run], gradients, strict=True):
                parameter.grad = gradient[run].clone()
            plain[run].step()
        for run in range(runs):
            for parameter, own in zip(together, alone[run], strict=True):
                torch.testing.assert_close(parameter[run], own.detach(), rtol=0, atol=1e-14)


def test_adam_written_out() -> None:
    """Kingma and Ba 2015, Algorithm 1, for one number of each of two runs."""
    start, gradients = [1.0, -2.0], [[0.5, -3.0], [0.5, 1e-6], [-0.25, 4.0]]
    parameter = torch.tensor(start, dtype=torch.float64)
    rule = optimizer_of(UpdateRule("adam"), [parameter], torch.full((2,), 0.1, dtype=torch.float64), {}, {})
    for gradient in gradients:
        rule.step([torch.tensor(gradient, dtype=torch.float64)], 1.0)
    for run in range(2):
        x, m, v = start[run], 0.0, 0.0
        for t, gradient in enumerate(gradients, start=1):
            m = 0.9 * m + 0.1 * gradient[run]
            v = 0.999 * v + 0.001 * gradient[run] ** 2
            x -= 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        assert float(parameter[run]) == pytest.approx(x, rel=1e-12)


def test_what_adam_remembers_has_a_run_axis_and_is_enough_to_go_on() -> None:
    runs = 3
    rates = torch.full((runs,), 0.1, dtype=torch.float64)
    whole = drawn(0, runs)
    rule = optimizer_of(UpdateRule("adam"), whole, rates, {}, {})
    assert rule.state() == {}
    for step in range(3):
        rule.step(drawn(step + 1, runs), 1.0)
    state = {name: tensor.clone() for name, tensor in rule.state().items()}
    assert {len(tensor) for tensor in state.values()} == {runs}
    assert state["step"].tolist() == [3.0] * runs
    kept = [2, 0]  # in another order, without run 1
    parts = [parameter[kept].clone() for parameter in whole]
    given = {name: tensor[kept] for name, tensor in state.items()}
    again = optimizer_of(UpdateRule("adam"), parts, rates[kept], given, {})
    for step in range(3, 6):
        rule.step(drawn(step + 1, runs), 0.5)
        again.step([gradient[kept] for gradient in drawn(step + 1, runs)], 0.5)
    for parameter, part in zip(whole, parts, strict=True):
        assert torch.equal(parameter[kept], part)
    assert all(torch.equal(tensor, state[name][kept]) for name, tensor in given.items()), "the given state is changed"


def test_sgd_remembers_nothing_and_obeys_the_factor() -> None:
    parameters = drawn(0, 2)
    before, gradients = [p.clone() for p in parameters], drawn(1, 2)
    rule = optimizer_of(UpdateRule("sgd"), parameters, torch.tensor([0.5, 0.1], dtype=torch.float64), {}, {})
    rule.step(gradients, 0.25)
    for parameter, old, gradient in zip(parameters, before, gradients, strict=True):
        for run, rate in enumerate((0.5, 0.1)):
            torch.testing.assert_close(parameter[run], old[run] - 0.25 * rate * gradient[run], rtol=0, atol=1e-15)
    assert rule.state() == {}


def test_adam_refuses_runs_of_different_rates() -> None:
    with pytest.raises(BadRequest, match=r"learning_rate: expected .*one number.*, got \[0.1, 0.2\]"):
        Adam(drawn(0, 2), torch.tensor([0.1, 0.2], dtype=torch.float64), {})


def test_squared_loss_by_hand() -> None:
    output = torch.tensor([[[1.0, 2.0], [0.0, -1.0]]])
    labels = torch.tensor([[[1.0, 0.0], [3.0, 1.0]]])
    assert squared_loss(output, labels).tolist() == [[[0.0, 4.0], [9.0, 4.0]]]


def plainly_trained(
    seed: int, steps: int, decay: bool, batch_size: int, start: Mapping[str, Tensor], task: FunctionClass
) -> dict[str, Tensor]:
    """One run alone: its loss summed in a loop over prompts and predictions, moved by PyTorch's Adam."""
    model = GPT2Transformer(CONFIG, seeds=[seed], dtype=torch.float64)
    model.load_state_dict(start)
    adam = plain_adam(list(model.parameters()), RATE)
    sampler = task.sampler([seed], dtype=torch.float64)
    for step in range(steps):
        adam.param_groups[0]["lr"] = RATE * (1 - step / steps) if decay else RATE
        prompts = sampler.prompts(batch_size, purpose=TRAINING_PURPOSE, step=step)
        output, labels = (t.reshape(1, batch_size, -1) for t in (model.predict(prompts).output, prompts.labels))
        total, count = torch.zeros((), dtype=torch.float64), 0
        for prompt in range(batch_size):
            for said, wanted in zip(output[0, prompt], labels[0, prompt], strict=True):
                total = total + (said - wanted) ** 2
                count += 1
        adam.zero_grad()
        (total / count).backward()
        adam.step()
    return {name: weight.detach() for name, weight in model.state_dict().items()}


@pytest.mark.parametrize("settings", [{}, {"rate_decay": True}])
@pytest.mark.parametrize("predictions", ["every", "query"])
def test_training_equals_a_plain_loop_on_each_run(settings: dict[str, Any], predictions: Any) -> None:
    task = TASK.replace(predictions=predictions)
    seeds, steps = (3, 4), 6
    model = GPT2Transformer(CONFIG, seeds=seeds, dtype=torch.float64)
    state = train_runs(
        model,
        task.sampler(seeds, dtype=torch.float64),
        learning_rate=torch.full((2,), RATE, dtype=torch.float64),
        steps=steps,
        batch_size=3,
        optimizer="adam",
        loss=squared_loss,
        **settings,
    )
    for run, seed in enumerate(seeds):
        start = model.run(run).state_dict()
        alone = plainly_trained(seed, steps, bool(settings), 3, start, task)
        for name, weight in alone.items():
            assert not torch.equal(weight, start[name]), f"{name} was not trained"
            torch.testing.assert_close(state.weights[name][run], weight[0], rtol=0, atol=1e-9)
