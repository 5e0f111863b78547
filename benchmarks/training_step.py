"""How long a step by autograd takes: ours, ours on dense prompts, and a plain script the way people write it.

All three take equal settings, in one process, one thread each, in turn; printed are medians of ratios. The plain script
projects every column, uses autograd, holds one model and draws dense prompts.

What training really uses is faster still: `make bench`.

Run: python benchmarks/training_step.py [--length 20] [--width 200] [--runs 16]
"""

from __future__ import annotations

import argparse
import statistics

import torch
from plain import BATCH, Step, plain_step, seconds

import iclscope as icl
from iclscope.training.losses import hinge_loss
from iclscope.training.optimizers import sgd_step


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
