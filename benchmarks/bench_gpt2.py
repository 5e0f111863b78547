"""A training step of GPT-2 and its evaluation against eager PyTorch with fused Adam: one process, in turn, one thread.

Times are of the processor, as other work may share it; printed are medians, and the median ratio of neighbours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import spread
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

import iclscope as icl
from iclscope.evaluation.answers import answers_of
from iclscope.models.compiled.tiles import HERE
from iclscope.training.gradients import gradients_of
from iclscope.training.losses import squared_loss
from iclscope.training.optimizers import Adam, UpdateRule

Finding = Callable[..., None]
BATCH, PROMPTS = 64, 256
SIZES = {"tiny": (5, 10, 15, 3.0), "standard": (20, 40, 3, 2.0)}
"""Name → d_X, context length, rounds, and the least ratio aimed at."""


class Eager(nn.Module):
    """What one writes: transformers' own model between two linear layers."""

    def __init__(self, model: icl.models.GPT2Transformer) -> None:
        super().__init__()
        self.read_in = nn.Linear(model.config.token_width, model.config.embedding)
        self.backbone = model.backbone(0)
        self.backbone.wte = None
        self.read_out = nn.Linear(model.config.embedding, 1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """A number at every token."""
        states = self.backbone(inputs_embeds=self.read_in(tokens)).last_hidden_state
        said: torch.Tensor = self.read_out(states)[..., 0]
        return said


def made(size: str) -> tuple[icl.models.GPT2Transformer, icl.tasks.FunctionClass]:
    """A model of a published size and a task that fills its positions."""
    d_X, length, _, _ = SIZES[size]
    task = icl.tasks.FunctionClass(d_X=d_X, length=length)
    config = icl.models.GPT2TransformerConfig.of_size(size, d_X=d_X, positions=2 * length + 1)
    return icl.models.GPT2Transformer(config, seeds=1), task


def our_step(model: Any, sampler: Any, *, autograd: bool) -> Callable[[int], None]:
    """A step as the loop takes it, prompts included."""
    gradients = gradients_of(
        model, sampler, loss=squared_loss, batch_size=BATCH, rule=UpdateRule("adam"), weights=model.state_dict(),
        own_state={}, autograd=autograd,
    )  # fmt: skip
    optimizer = Adam(gradients.parameters, torch.tensor([1e-3]), {})

    def step(number: int) -> None:
        optimizer.step(gradients.at(number)[1], 1.0)

    return step


def eager_step(model: Any, sampler: Any) -> Callable[[int], None]:
    """The same as one writes it, on the same prompts."""
    plain = Eager(model)
    adam = torch.optim.Adam(plain.parameters(), 1e-3, fused=True)

    def step(number: int) -> None:
        prompts = sampler.prompts(BATCH, purpose="training", step=number)
        tokens = model.tokens_of(prompts)
        adam.zero_grad(set_to_none=True)
        said = plain(tokens.values[0]).gather(1, tokens.read_at[0])
        (said - prompts.labels[0]).square().mean().backward()
        adam.step()

    return step


def in_turn(
    ways: dict[str, Callable[[int], None]], rounds: int, clock: Callable[[], float] = time.thread_time
) -> dict[str, list[float]]:
    """Milliseconds of the processor of every way at every round; the first, which compiles, is left out."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, step in ways.items():
            started = clock()
            step(number)
            if number:
                times[name].append(1000 * (clock() - started))
    return times


def tell(finding: Finding, what: str, times: dict[str, list[float]], aim: float) -> None:
    """A line per way, and the ratio of the last to the first."""
    for name, values in times.items():
        finding(f"{what}, {name}: ms", spread(values))
    ours, plain = times["compiled"], times["eager"]
    ratios = [other / own for own, other in zip(ours, plain, strict=True)]
    finding(f"{what}: eager ÷ compiled ({HERE.bytes} bytes a vector)", spread(ratios), f"≥ {aim}")
    assert statistics.median(ratios) > 0


@pytest.mark.parametrize("size", list(SIZES))
def bench_training_step_of_gpt2(benchmark: BenchmarkFixture, finding: Finding, size: str) -> None:
    """Forward, backward and Adam."""
    model, task = made(size)
    sampler = task.sampler([0])
    ways = {
        "compiled": our_step(model, sampler, autograd=False),
        "autograd": our_step(model, sampler, autograd=True),
        "eager": eager_step(model, sampler),
    }
    tell(finding, f"GPT-2 {size}, B = {BATCH}", in_turn(ways, SIZES[size][2]), SIZES[size][3])
    benchmark.pedantic(ways["compiled"], args=(0,), rounds=2)


def bench_training_step_against_jax(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """The same step compiled by XLA, where JAX is installed; it is no dependency of ours."""
    pytest.importorskip("jax", reason="JAX is not installed: pip install jax")
    from jax_step import jax_step

    model, task = made("tiny")
    sampler = task.sampler([0])
    theirs = jax_step(model, sampler, BATCH)
    ours = our_step(model, sampler, autograd=False)
    # Of the whole process: XLA works on threads of its own.
    times = in_turn({"compiled": ours, "JAX": theirs}, 15, clock=time.process_time)
    for name, values in times.items():
        finding(f"GPT-2 tiny, B = {BATCH}, {name}: ms of all threads", spread(values))
    ratios = [other / own for own, other in zip(times["compiled"], times["JAX"], strict=True)]
    finding(f"GPT-2 tiny, B = {BATCH}: JAX ÷ compiled", spread(ratios), "≥ 2.5")
    benchmark.pedantic(theirs, args=(0,), rounds=2)


@pytest.mark.parametrize("size", list(SIZES))
def bench_two_threads(benchmark: BenchmarkFixture, finding: Finding, size: str) -> None:
    """A step whose batch two threads share, by the clock: nothing else may run."""
    model, task = made(size)
    one = our_step(model, task.sampler([0]), autograd=False)
    model.threads = 2
    two = our_step(model, task.sampler([0]), autograd=False)
    ratios = []
    for number in range(SIZES[size][2] + 1):
        times = []
        for step in (one, two):
            started = time.perf_counter()
            step(number)
            times.append(time.perf_counter() - started)
        ratios.append(times[0] / times[1])
    finding(f"GPT-2 {size}, B = {BATCH}: one thread ÷ two", spread(ratios[1:]), "≥ 1.9")
    benchmark.pedantic(two, args=(0,), rounds=2)


def bench_evaluation_of_gpt2(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """Answers to fresh prompts."""
    model, task = made("tiny")
    sampler, plain = task.sampler([0]), Eager(model)

    def ours(_number: int) -> None:
        for _ in answers_of(model, sampler, PROMPTS, PROMPTS):
            pass

    def eager(number: int) -> None:
        prompts = sampler.prompts(PROMPTS, purpose="evaluation", step=number)
        with torch.no_grad():
            plain(model.tokens_of(prompts).values[0])

    tell(finding, f"GPT-2 tiny, {PROMPTS} answers", in_turn({"compiled": ours, "eager": eager}, 15), 3.0)
    benchmark.pedantic(ours, args=(0,), rounds=2)
