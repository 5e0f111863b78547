"""How long a training step takes: ours, ours on dense prompts, and a plain script the way people write it.

All three take equal settings, in one process, one thread each, in turn; printed are medians of ratios. The plain script
projects every column, uses autograd, holds one model and draws dense prompts.

Run: python benchmarks/training_step.py [--length 20] [--width 200] [--runs 16]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import iclscope as icl
from iclscope.training.losses import hinge_loss
from iclscope.training.optimizers import sgd_step

BATCH = 256
Step = Callable[[int], None]


def our_step(task: icl.tasks.PatternClassification, width: int, runs: int, dense: bool) -> Step:
    """One step of all runs with the library's model and sampler."""
    model = icl.models.SoftmaxReLUTransformer(d_X=task.d_X, d_Y=task.d_Y, width=width, seeds=runs)
    sampler, rates = task.sampler(range(runs)), torch.ones(runs)
    weights = list(model.parameters())

    def step(number: int) -> None:
        prompts = sampler.prompts(BATCH, purpose="training", step=number)
        output = model.predict(prompts.dense() if dense else prompts).output
        loss = hinge_loss(output, prompts.labels).mean(dim=1).sum()
        sgd_step(weights, torch.autograd.grad(loss, weights), rates)

    return step


def plain_step(task: icl.tasks.PatternClassification, width: int) -> Step:
    """One step of one model, written without any of the library's ideas."""
    d, M1, M2 = task.d, task.M1, task.M2
    patterns = torch.linalg.qr(torch.randn(task.d_X, M1 + M2)).Q.T * task.beta
    q = torch.randn(task.d_Y)
    q = q / q.norm() * task.q_norm
    W_Q, W_K = torch.zeros(d, d), torch.zeros(d, d)
    for i in range(task.d_X):
        W_Q[i, i] = W_K[i, i] = 0.175
    W_V, W_O = 0.175 * torch.eye(d), 0.02 * torch.randn(width, d)
    a = torch.where(torch.rand(width) < 0.5, 1.0, -1.0) / width**0.5
    weights = [weight.requires_grad_() for weight in (W_Q, W_K, W_V, W_O)]
    optimizer = torch.optim.SGD(weights, lr=1.0)
    length = task.length_range[1]

    def step(_number: int) -> None:
        first = torch.randint(M1, (BATCH,))
        second = (first + 1) % M1
        z = torch.where(torch.rand(BATCH) < 0.5, 1.0, -1.0)
        u = torch.rand(BATCH, length)
        other = torch.randint(M1, (BATCH, length))
        pattern = torch.where(u < 0.4, first[:, None], torch.where(u < 0.8, second[:, None], other))
        sign = torch.where(u < 0.4, 1.0, torch.where(u < 0.8, -1.0, torch.where(torch.rand(u.shape) < 0.5, 1.0, -1.0)))
        kappa = torch.rand(BATCH, length, 1) - 0.5
        x = patterns[pattern] + kappa * patterns[M1 + torch.randint(M2, (BATCH, length))]
        context = torch.cat([x, sign[..., None] * q], dim=2)
        query = patterns[torch.where(z > 0, first, second)]
        query = query + (torch.rand(BATCH, 1) - 0.5) * patterns[M1 + torch.randint(M2, (BATCH,))]
        query = torch.cat([query, torch.zeros(BATCH, task.d_Y)], dim=1)
        scores = ((context @ W_K.T) @ (query @ W_Q.T)[..., None])[..., 0]
        mixed = (scores.softmax(dim=1)[..., None] * (context @ W_V.T)).sum(dim=1)
        output = torch.relu(mixed @ W_O.T) @ a
        loss = (1 - z * output).clamp_min(0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def seconds(step: Step, count: int) -> float:
    """Mean time of a step."""
    started = time.perf_counter()
    for number in range(count):
        step(number)
    return (time.perf_counter() - started) / count


def main() -> None:
    """Print times per step and run, and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--width", type=int, default=200)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    task = icl.tasks.PatternClassification(length=chosen.length)
    steps = {
        "ours": (our_step(task, chosen.width, chosen.runs, dense=False), chosen.runs),
        "ours, dense": (our_step(task, chosen.width, chosen.runs, dense=True), chosen.runs),
        "plain script": (plain_step(task, chosen.width), 1),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(chosen.rounds + 1):
        for name, (step, runs) in steps.items():
            taken = seconds(step, 3 if runs > 1 else 20) / runs
            if round_number:  # the first is a warm-up
                times[name].append(taken)
    for name, taken_by in times.items():
        ratios = [other / ours for other, ours in zip(taken_by, times["ours"], strict=True)]
        milliseconds, ratio = 1000 * statistics.median(taken_by), statistics.median(ratios)
        print(f"{name:14} {milliseconds:8.3f} ms per step and run, {ratio:6.2f} × ours")


if __name__ == "__main__":
    main()
