"""How the time of a step grows: exponents of a power law in each size, the others at their defaults."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import spread
from engine import group_step
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import linregress

import iclscope as icl

SIZES: dict[str, tuple[int, ...]] = {
    "length": (100, 200, 400, 800, 1600),
    "d_X": (30, 60, 120, 240, 480),
    "width": (50, 100, 200, 400, 800),
    "batch": (128, 256, 512, 1024, 2048),
    "runs": (4, 8, 16, 32, 64),
}


def step_at(name: str, size: int) -> Callable[[int], Any]:
    """The step of a group with one size changed."""
    if name == "length":
        return group_step(icl.tasks.PatternClassification(length=size), runs=4)
    if name == "d_X":
        return group_step(icl.tasks.PatternClassification(d_X=size, d_Y=size), runs=4)
    return group_step(icl.tasks.PatternClassification(), **{name: size})


@pytest.mark.parametrize("name", list(SIZES))
def bench_growth(benchmark: BenchmarkFixture, finding: Callable[..., None], name: str) -> None:
    """Fit log time against log size over a factor of 16, in five rounds."""
    steps = {size: step_at(name, size) for size in SIZES[name]}
    exponents = []
    for number in range(6):
        times = []
        for step in steps.values():
            taken = []
            for repeat in range(3):
                started = time.perf_counter()
                step(3 * number + repeat)
                taken.append(time.perf_counter() - started)
            times.append(statistics.median(taken))
        if number:
            exponents.append(float(linregress(np.log(SIZES[name]), np.log(times)).slope))
    benchmark.pedantic(next(iter(steps.values())), args=(0,), rounds=3)
    finding(f"exponent of the time in {name}, {SIZES[name][0]} to {SIZES[name][-1]}", spread(exponents), "≤ 1")
