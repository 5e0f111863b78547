"""How long gradients on pattern prompts take: the compiled engine against a plain script the way people write it.

The engine (`iclscope.models.pattern_engine`) draws prompts, gives the output and the gradients by hand and moves the
weights, all in the coordinates of each run's patterns; the training loop does not use it yet. The plain script is that
of training_step.py: every column projected, autograd, one model, dense prompts. Equal settings, one process, one
thread, in turn; printed are medians of ratios.

Run: python benchmarks/pattern_engine.py [--rounds 5] [--runs 16]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from training_step import BATCH, Step, plain_step, seconds

import iclscope as icl
from iclscope.models.pattern_engine.coordinates import PatternCoordinates
from iclscope.models.pattern_engine.gradients import pattern_pass

SETTINGS = ((20, 30), (400, 30), (2000, 30), (20, 480))
"""Context length, and d_X = d_Y; m = 200, M1 = 6, M2 = 24."""
WIDTH = 200


def engine_step(task: icl.tasks.PatternClassification, runs: int) -> Step:
    """One step of SGD on the hinge loss of all runs, in pattern coordinates, at float32."""
    model = icl.models.SoftmaxReLUTransformer(d_X=task.d_X, d_Y=task.d_Y, width=WIDTH, seeds=runs)
    sampler = task.sampler(range(runs))
    coordinates = PatternCoordinates.of(model.state_dict(), sampler.basis.dictionary())
    weights = {name: tensor.float() for name, tensor in coordinates.start.items()} | {"a": model.a}
    dictionary = coordinates.dictionary.float()

    def step(number: int) -> None:
        found = pattern_pass(weights, dictionary, sampler, BATCH, purpose="training", step=number)
        short_of_margin = (1 - found.labels * found.output) > 0
        for name, gradient in found.gradients(-found.labels * short_of_margin / BATCH).items():
            weights[name] -= gradient

    return step


def main() -> None:
    """Print times per step and run, and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for length, d in SETTINGS:
        task = icl.tasks.PatternClassification(length=length, d_X=d, d_Y=d)
        engine, plain = engine_step(task, chosen.runs), plain_step(task, WIDTH)
        engine(0)  # compiles
        plain(0)
        count = 10 if length * d < 1000 else 1
        pairs = [(seconds(engine, 1) / chosen.runs, seconds(plain, count)) for _ in range(chosen.rounds)]
        ours, theirs = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(
            f"l = {length:4}, d_X = d_Y = {d:3}: {ours:7.3f} ms per step and run, plain {theirs:8.2f}, {ratio:6.1f} ×"
        )


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s in all")
