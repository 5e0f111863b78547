"""A training step of GPT-2 and its evaluation against eager PyTorch with fused Adam: one process, in turn, one thread.

Times are of the processor, as other work may share it; printed are medians, and the median ratio of neighbours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import spread
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

import iclscope as icl
from iclscope.evaluation.answers import answers_of
from iclscope.models.compiled.products import multiply
from iclscope.models.compiled.tiles import HERE, has_bfloat16
from iclscope.training.gradients import gradients_of
from iclscope.training.losses import squared_loss
from iclscope.training.optimizers import Adam, UpdateRule

Finding = Callable[..., None]
BATCH, PROMPTS = 64, 256
SIZES = {"tiny": (5, 10, 15, 3.0, 4.0), "standard": (20, 40, 3, 2.0, 3.5)}
"""Name → d_X, context length, rounds, and the least ratios aimed at, in float32 and with products in bfloat16."""


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
    d_X, length, *_ = SIZES[size]
    task = icl.tasks.FunctionClass(d_X=d_X, length=length)
    config = icl.models.GPT2TransformerConfig.of_size(size, d_X=d_X, positions=2 * length + 1)
    return icl.models.GPT2Transformer(config, seeds=1), task


def our_step(model: Any, sampler: Any, *, autograd: bool = False, bfloat16: bool = False) -> Callable[[int], None]:
    """A step as the loop takes it, prompts included."""
    gradients = gradients_of(
        model, sampler, loss=squared_loss, batch_size=BATCH, rule=UpdateRule("adam"), weights=model.state_dict(),
        own_state={}, autograd=autograd, bfloat16=bfloat16,
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


def tell(finding: Finding, what: str, times: dict[str, list[float]], aims: dict[str, float]) -> None:
    """A line per way, and the ratio of eager PyTorch's times to those of each way that has an aim."""
    for name, values in times.items():
        finding(f"{what}, {name}: ms", spread(values))
    for name, aim in aims.items():
        ratios = [other / own for own, other in zip(times[name], times["eager"], strict=True)]
        finding(f"{what}: eager ÷ {name} ({HERE.bytes} bytes a vector)", spread(ratios), f"≥ {aim}")
        assert statistics.median(ratios) > 0


def operations(model: icl.models.GPT2Transformer, length: int) -> float:
    """Operations of a step in products with the layers' matrices: 2 forward and 4 backward per number and token.

    Behind the last attention only tokens with a prediction are taken on.
    """
    D, last = model.config.embedding, length + 1
    tokens = (model.config.layers - 1) * 12 * (2 * length + 1) + 3 * (2 * length + 1) + 9 * last
    return 6.0 * D * D * BATCH * tokens


def rate(like: Any) -> float:
    """Operations a second of products whose matrices stay in the cache, by the tile: float32, or words of pairs."""
    m, n, k, together = 672, 64, 128, 1 if like.dtype == np.float32 else 2
    A, B, C = np.ones((m, k), like.dtype), np.ones((k, n), like.dtype), np.zeros((m, n), np.float32)
    places = A.ctypes.data, k, 1, B.ctypes.data, n, n, 1, C.ctypes.data, n, like
    multiply(m, n, k, *places)
    seconds = []
    for _ in range(300):
        started = time.perf_counter()
        multiply(m, n, k, *places)
        seconds.append(time.perf_counter() - started)
    return 2.0 * m * n * k * together / min(seconds)


@pytest.mark.parametrize("size", list(SIZES))
def bench_training_step_of_gpt2(benchmark: BenchmarkFixture, finding: Finding, size: str) -> None:
    """Forward, backward and Adam."""
    model, task = made(size)
    sampler = task.sampler([0])
    ways = {"compiled": our_step(model, sampler), "autograd": our_step(model, sampler, autograd=True)}
    aims, words = {"compiled": SIZES[size][3]}, {"compiled": np.float32(0)}
    if has_bfloat16():
        ways["bfloat16"], aims["bfloat16"] = our_step(model, sampler, bfloat16=True), SIZES[size][4]
        words["bfloat16"] = np.uint32(0)
    ways["eager"] = eager_step(model, sampler)
    times = in_turn(ways, SIZES[size][2])
    tell(finding, f"GPT-2 {size}, B = {BATCH}", times, aims)
    for name, like in words.items():
        floor = 1000 * operations(model, SIZES[size][1]) / rate(like)
        share = floor / statistics.median(times[name])
        finding(
            f"GPT-2 {size}, {name}: products of the layers alone {floor:.3g} ms at the tile's rate; share",
            f"{share:.2f}",
        )
    benchmark.pedantic(ways["compiled"], args=(0,), rounds=2)


def bench_training_step_against_jax(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """The same step compiled by XLA, where JAX is installed; it is no dependency of ours."""
    pytest.importorskip("jax", reason="JAX is not installed: pip install jax")
    from jax_step import jax_step

    model, task = made("tiny")
    sampler = task.sampler([0])
    theirs = jax_step(model, sampler, BATCH)
    ours = our_step(model, sampler)
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
    one = our_step(model, task.sampler([0]))
    model.threads = 2
    two = our_step(model, task.sampler([0]))
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

    tell(finding, f"GPT-2 tiny, {PROMPTS} answers", in_turn({"compiled": ours, "eager": eager}, 15), {"compiled": 3.0})
    benchmark.pedantic(ours, args=(0,), rounds=2)
