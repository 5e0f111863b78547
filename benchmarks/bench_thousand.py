"""A thousand transformers, a million prompts, and the memory of a run; each in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import spread
from pytest_benchmark.fixture import BenchmarkFixture

import iclscope as icl
from iclscope.core.threads import one_thread_per_operation

Finding = Callable[..., None]

PEAK = """
def peak():
    # Not getrusage: its peak is inherited from the process that started this one.
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
"""

TRAININGS = """
import sys, tempfile, time
from pathlib import Path
from iclscope.training.trial import Trial
from iclscope.models import SoftmaxReLUConfig
from iclscope.execution.run_trials import run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.tasks import PatternClassification
count = int(sys.argv[1])
trials = [
    Trial(task=PatternClassification(alpha=0.55 + 0.05 * (i % 10)), model=SoftmaxReLUConfig(width=200), seed=i // 10)
    for i in range(count)
]
with tempfile.TemporaryDirectory() as folder:
    started = time.perf_counter()
    run_trials(trials, TrialStore(Path(folder)))
    print(time.perf_counter() - started, peak() / 2**10)
"""

RESIDENT = """
import sys
import iclscope as icl
runs, width = int(sys.argv[1]), 200
icl.train(icl.models.SoftmaxReLUTransformer(width=width, seeds=runs), icl.tasks.PatternClassification(), steps=3)
print(peak())
"""


def in_a_process(script: str, argument: int) -> list[float]:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + script, str(argument)], check=True, capture_output=True, text=True
    )
    return [float(word) for word in done.stdout.split()]


def bench_a_thousand_transformers(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """1,000 trainings of 400 steps at m = 200, every 100 seeds at ten values of α, on all cores."""
    in_a_process(TRAININGS, 2)  # compiles, where that has not been done
    seconds, gibibytes = benchmark.pedantic(in_a_process, args=(TRAININGS, 1000), rounds=1)
    finding("1,000 trainings (400 steps, B = 256, m = 200, l = 20), two cores, s", f"{seconds:.1f}", "≤ 75")
    finding("their peak memory, GiB", f"{gibibytes:.2f}", "< 4")


def bench_memory_per_run(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """Peak resident memory of groups of 16 and of 528 runs, m = 200."""
    (small,), (large,) = in_a_process(RESIDENT, 16), benchmark.pedantic(in_a_process, args=(RESIDENT, 528), rounds=1)
    finding("memory per run of a group, m = 200, MiB", f"{(large - small) / 512:.2f}")


@pytest.mark.parametrize("width", [40, 200])
def bench_evaluation(benchmark: BenchmarkFixture, finding: Finding, width: int) -> None:
    """Test prompts of length 20 a second, 16 models, two threads."""
    task, prompts = icl.tasks.PatternClassification(tasks="unseen"), 20_000
    models = [icl.models.SoftmaxReLUTransformer(width=width, seeds=range(first, first + 8)) for first in (0, 8)]

    def measure() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda model: icl.evaluate(model, task, prompts=prompts), models))

    rates = []
    with one_thread_per_operation():
        measure()
        for _ in range(5):
            started = time.perf_counter()
            measure()
            rates.append(16 * prompts / (time.perf_counter() - started) / 1e6)
        benchmark.pedantic(measure, rounds=1)
    finding(f"test prompts a second, m = {width}, two threads, millions", spread(rates), "≥ 1")
    assert statistics.median(rates) > 0
