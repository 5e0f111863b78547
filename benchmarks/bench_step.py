"""A training step against a plain script: equal settings and threads, one process, in turn, medians of ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import spread
from engine import RUNS, WIDTH, group_step, side_by_side
from plain import BATCH, plain_step
from pytest_benchmark.fixture import BenchmarkFixture

import iclscope as icl
from iclscope.models.compiled.compiling import compiled
from iclscope.models.compiled.products import multiply, pack, panel_width

Finding = Callable[..., None]
SETTINGS = {(20, 30): 40, (400, 30): 80, (2000, 30): 250, (20, 480): 300}
"""(Context length, d_X = d_Y) → least ratio aimed at; B = 256, m = 200, M1 = 6, M2 = 24, m_a = m_b = d_X + d_Y."""

TRAINING = 400
ROUNDS = 5


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("length", "d"), list(SETTINGS))
def bench_step_against_a_plain_script(
    benchmark: BenchmarkFixture, finding: Finding, length: int, d: int, threads: int
) -> None:
    """At length 20 whole trainings of 400 steps; at others their first steps, the dearest: every prompt has loss."""
    task = icl.tasks.PatternClassification(length=length, d_X=d, d_Y=d)
    torch.set_num_threads(threads)  # of the plain script; ours takes as many groups of runs
    cheap = length * d < 1000
    steps = TRAINING if length == 20 else 8
    theirs_steps = steps if cheap else 4
    ours_times, ratios, ours_loss, theirs_loss = [], [], [], []
    for number in range(ROUNDS + 1):
        groups = [group_step(task, first=RUNS * (number * threads + thread)) for thread in range(threads)]
        ours, theirs = side_by_side(groups), plain_step(task, WIDTH)
        started = time.perf_counter()
        losses = ours(0, steps)
        taken = (time.perf_counter() - started) / steps / RUNS / threads
        started = time.perf_counter()
        for step in range(theirs_steps):
            loss = theirs(step)
        plain = (time.perf_counter() - started) / theirs_steps
        if number:  # the first is a warm-up
            ours_times.append(1000 * taken)
            ratios.append(plain / taken)
            ours_loss.append(float(losses.mean()))
            theirs_loss.append(loss)
    benchmark.pedantic(side_by_side(groups), args=(0, 4), rounds=3)
    name = f"l = {length}, d_X = d_Y = {d}, threads: {threads}"
    finding(f"{name}: ms per step and run", spread(ours_times))
    finding(f"{name}: plain ÷ ours", spread(ratios), f"≥ {SETTINGS[length, d]}")
    if cheap:
        both = f"{np.mean(ours_loss):.4f}; {np.mean(theirs_loss):.4f}"
        finding(f"{name}: mean hinge loss of step {steps}, ours; plain", both)


def bench_first_steps(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """Length 20 where every prompt has loss, the dearest case."""
    task = icl.tasks.PatternClassification()
    ours, theirs = group_step(task), plain_step(task, WIDTH)
    ratios = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        for step in range(10):
            ours(step)
        middle = time.perf_counter()
        for step in range(10):
            theirs(step)
        ratios.append((time.perf_counter() - middle) / (middle - started) * RUNS)
        ours, theirs = group_step(task), plain_step(task, WIDTH)
    benchmark.pedantic(ours, args=(0,), rounds=5)
    finding("l = 20, the first 10 steps, threads: 1: plain ÷ ours", spread(ratios[1:]))


def bench_share_of_the_floor(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """The step's products at the measured rate of products, its bytes at the measured bandwidth, over its time."""
    task = icl.tasks.PatternClassification()
    n, v, r = task.M1 + task.M2 + 1, 60, 60
    with_neurons = 3 * 2 * BATCH * n * WIDTH
    forward = 2 * r * n + v * n + WIDTH * v + r * n
    backward = 4 * r * n + v * n + 2 * WIDTH * v
    of_weights = 2 * n * (forward + backward)
    weights = 4 * (2 * r * n + v * n + WIDTH * v)
    # Weights read by the step and by the update, gradients written and read, weights written.
    moved = 5 * weights
    rate, bandwidth = product_rate(), copy_bandwidth()
    floor = (with_neurons + of_weights) / rate + moved / bandwidth
    step = group_step(task)
    times = []
    for number in range(12):
        started = time.perf_counter()
        step(number)
        times.append((time.perf_counter() - started) / RUNS)
    benchmark.pedantic(step, args=(0,), rounds=5)
    taken = statistics.median(times[2:])
    finding("products of float32 by the tile, one thread, GFLOP/s", f"{rate / 1e9:.0f}")
    finding("large products of float32 by NumPy, GFLOP/s", f"{blas_rate() / 1e9:.0f}")
    finding("copying, one thread, GB/s", f"{bandwidth / 1e9:.1f}")
    finding("floor of a step and run with loss everywhere, l = 20, ms", f"{1000 * floor:.3f}")
    finding("share of the floor reached", f"{floor / taken:.2f}", "≥ 0.5")


def product_rate() -> float:
    """Operations per second of the tile with its factors in the cache, one thread: what a step could reach."""
    m, n, k, times = 384, 256, 256, []
    a, b = (np.random.default_rng(0).standard_normal(shape, dtype=np.float32) for shape in ((m, k), (k, n)))
    panels, out = np.zeros(k * n, np.float32), np.empty((m, n), np.float32)
    for _ in range(60):
        started = time.perf_counter()
        several_products(a, b, panels, out, 10)
        times.append((time.perf_counter() - started) / 10)
    return 2 * m * n * k / statistics.median(times)


@compiled
def several_products(A: Any, B: Any, panels: Any, C: Any, times: int) -> None:
    """C ← A B by the tile, several times."""
    like = C.dtype.type(0)
    wide, k, n = panel_width(like), *B.shape
    pack(B.reshape(B.size), n, 1, k, n, panels)
    for _ in range(times):
        multiply(A.shape[0], n, k, A.ctypes.data, k, 1, panels.ctypes.data, wide, k * wide, 0, C.ctypes.data, n, like)


def blas_rate() -> float:
    """Operations per second of a large product by NumPy, one thread."""
    a = np.random.default_rng(0).standard_normal((768, 768), dtype=np.float32)
    out, times = np.empty_like(a), []
    for _ in range(12):
        started = time.perf_counter()
        np.dot(a, a, out)
        times.append(time.perf_counter() - started)
    return 2 * len(a) ** 3 / statistics.median(times)


def copy_bandwidth() -> float:
    """Bytes read and written per second by a large copy, one thread."""
    a = np.zeros(2**26, dtype=np.float32)
    b, times = np.ones_like(a), []
    for _ in range(7):
        started = time.perf_counter()
        np.copyto(b, a)
        times.append(time.perf_counter() - started)
    return 2 * a.nbytes / statistics.median(times)
