"""How long a training step of GPT-2 takes, and what stacking seeds, fused attention, compiling and bf16 bring.

Variants take turns in one process; printed are medians of ratios to the plain way: one seed after the other, plain
attention products, gelu_new as GPT-2 writes it, float32. What pays is what the library does (docs/performance.md).

Run: python benchmarks/gpt2_step.py [--size tiny] [--dimension 5] [--length 10] [--device cpu|cuda] [--compile]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch.func import functional_call, vmap
from transformers.activations import ACT2FN

import iclscope as icl
from iclscope.training.losses import squared_loss

BATCH = 64
Step = Callable[[], None]


@contextmanager
def bf16(device: str) -> Iterator[None]:
    """Products in bf16, weights and sums in float32."""
    with torch.autocast(device, torch.bfloat16):
        yield


def step_of(
    model: icl.models.GPT2Transformer,
    prompts: icl.tasks.FunctionPrompts,
    *,
    attention: str,
    activation: str,
    stacked: bool,
    precision: Callable[[], AbstractContextManager[None]],
    compiled: bool,
) -> Step:
    """Forward and backward of all seeds, one way."""
    network = model.network
    weights = list(network.parameters())
    names = [name for name, _ in network.named_parameters()]
    tokens = prompts.examples().tokens(model.config.tokens)

    def read(one: dict[str, torch.Tensor], values: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = functional_call(network, one, (values,))
        return output

    call = torch.compile(read) if compiled else read

    def all_seeds() -> torch.Tensor:
        if stacked:
            return vmap(call)(dict(zip(names, weights, strict=True)), tokens.values)
        runs = zip(*(weight.unbind(0) for weight in weights), strict=True)
        return torch.stack(
            [call(dict(zip(names, one, strict=True)), v) for one, v in zip(runs, tokens.values, strict=True)]
        )

    def step() -> None:
        network.backbone.config._attn_implementation = attention
        for block in network.backbone.h:
            block.mlp.act = ACT2FN[activation]
        with precision():
            output = all_seeds()
        loss = squared_loss(output.float().gather(2, tokens.read_at), prompts.labels).flatten(1).mean(dim=1).sum()
        torch.autograd.grad(loss, weights)
        if tokens.values.is_cuda:
            torch.cuda.synchronize()

    return step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", default="tiny", choices=list(icl.models.SIZES))
    parser.add_argument("--dimension", type=int, default=5)
    parser.add_argument("--length", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--compile", action="store_true", help="also with torch.compile (needs a C++ compiler)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    task = icl.tasks.FunctionClass(d_X=asked.dimension, length=asked.length)
    config = icl.models.GPT2TransformerConfig.of_size(asked.size, d_X=task.d_X, positions=2 * task.points)
    model = icl.models.GPT2Transformer(config, seeds=asked.seeds, device=asked.device)
    prompts = task.sampler(range(asked.seeds), device=asked.device).prompts(BATCH, purpose="training")

    def variant(
        attention: str = "sdpa",
        activation: str = "gelu_pytorch_tanh",
        stacked: bool = False,
        low: bool = False,
        compiled: bool = False,
    ) -> Step:
        precision = (lambda: bf16(asked.device)) if low else nullcontext
        return step_of(
            model,
            prompts,
            attention=attention,
            activation=activation,
            stacked=stacked,
            precision=precision,
            compiled=compiled,
        )

    variants = {
        "plain: one by one, eager attention, gelu_new": variant("eager", "gelu_new"),
        "one-operation GELU": variant("eager"),
        "one-operation GELU, fused attention (SDPA)": variant(),
        "one-operation GELU, seeds stacked (vmap, eager)": variant("eager", stacked=True),
        "one-operation GELU, SDPA, bf16": variant(low=True),
    }
    if asked.compile:
        variants["one-operation GELU, SDPA, torch.compile"] = variant(compiled=True)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for name, step in variants.items():
        started = time.perf_counter()
        step()
        if "compile" in name:
            print(f"compiling took {time.perf_counter() - started:.0f} s")
    for _ in range(asked.rounds):
        for name, step in variants.items():
            started = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - started)
    plain = times[next(iter(times))]
    print(f"{asked.size}, d = {task.d_X}, l = {task.length}, {asked.seeds} seeds, batch {BATCH}, {asked.device}")
    for name, seconds in times.items():
        ratio = statistics.median(p / s for p, s in zip(plain, seconds, strict=True))
        print(f"{name:50s} {1e3 * statistics.median(seconds) / asked.seeds:8.2f} ms per seed and step   {ratio:5.2f}x")


if __name__ == "__main__":
    main()
