"""What a sweep costs beside its trainings: trivial trials, one job at a time; the wait for the first, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from pytest_benchmark.fixture import BenchmarkFixture

Finding = Callable[..., None]

TRIVIAL = """
import json, sys, tempfile, time
from pathlib import Path
from iclscope.execution import local
from iclscope.execution.local import LocalEngine
from iclscope.execution.stores.finished import Finished
from iclscope.sweeps.run_sweep import run_sweep, sweep_status
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.sweep_folder import SweepFolder

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10

def sweep_of(points):
    return Sweep(
        paper="li2024",
        base={
            "task": {"M1": 3, "M2": 3, "d_X": 6, "d_Y": 6, "length": 2},
            "model": {"d_X": 6, "d_Y": 6, "width": 4},
            "training": {"steps": 0, "batch_size": 2},
        },
        vary={"task.alpha": {"from": 0.5, "to": 1, "count": points}},
        seeds=5,
        tests={"own": {"prompts": 2}},
    )

performed, first, perform = 0.0, None, local.perform
def timed(*args, **settings):
    global performed, first
    started = time.perf_counter()
    first = first or started
    try:
        return perform(*args, **settings)
    finally:
        performed += time.perf_counter() - started
local.perform = timed

def seconds_of(sweep, folder):
    place = SweepFolder(Path(folder), sweep.name)
    started = time.perf_counter()
    store = Finished.at(StoreFiles(place.default_store))
    sweep_status(sweep, store)
    run_sweep(sweep, place, store, LocalEngine(workers=1, folder=place.training))
    return started, time.perf_counter() - started

with tempfile.TemporaryDirectory() as folder:
    seconds_of(sweep_of(4), folder + "/warm")
    points = int(sys.argv[1]) // 5
    performed, first = 0.0, None
    started, whole = seconds_of(sweep_of(points), folder + "/out")
    found = {"whole": whole, "performed": performed, "first": first - started, "peak": peak()}
    _, found["again"] = seconds_of(sweep_of(points), folder + "/out")
    print(json.dumps(found))
"""


def measured(trials: int) -> dict[str, float]:
    """Seconds of a sweep of so many trials that are not trained and hardly tested, and the peak memory in MiB."""
    done = subprocess.run([sys.executable, "-c", TRIVIAL, str(trials)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def bench_overhead_of_a_trial(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """Checking, scheduling, storing and the table of 10,000 trials: all but what `perform` takes."""
    trials = 10_000
    found = benchmark.pedantic(measured, args=(trials,), rounds=1)
    overhead = (found["whole"] - found["performed"]) / trials * 1e3
    finding("a trial beside its training and tests, ms", f"{overhead:.2f}", "< 0.4")
    finding("the same with its zero steps and two test prompts, ms", f"{found['whole'] / trials * 1e3:.2f}")
    finding("a trial that is there already, ms", f"{found['again'] / trials * 1e3:.2f}")


def bench_wait_for_the_first_training(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """Making, checking, hashing and looking up all trials of a sweep, which comes before the first of them trains."""
    few, many = measured(4000)["first"], benchmark.pedantic(measured, args=(20_000,), rounds=1)["first"]
    finding("wait for the first training of 4,000 and of 20,000 trials, s", f"{few:.2f} and {many:.2f}")


def bench_memory_of_a_sweep(benchmark: BenchmarkFixture, finding: Finding) -> None:
    """Peak memory of 1,000 and of 20,000 trials."""
    few, many = measured(1000)["peak"], benchmark.pedantic(measured, args=(20_000,), rounds=1)["peak"]
    finding("peak memory of 1,000 and of 20,000 trivial trials, MiB", f"{few:.0f} and {many:.0f}")
    finding("memory per trial, KiB", f"{(many - few) / 19:.1f}")
