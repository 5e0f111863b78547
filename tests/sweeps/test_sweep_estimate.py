"""How many groups a sweep has, and how long it is said to take."""

from __future__ import annotations

import heapq
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweeps.sweep_runs import run_here

from iclscope.core.errors import BadRequest
from iclscope.execution.groups import groups_of
from iclscope.execution.local import cores
from iclscope.execution.run_trials import run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.sweeps import estimate as calibration
from iclscope.sweeps.estimate import estimate, time_of_jobs
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.overview import overview

BASE: dict[str, Any] = {
    "task": {"M1": 4, "M2": 6, "d_X": 10, "d_Y": 6, "length": 8},
    "model": {"d_X": 10, "d_Y": 6, "width": 12},
    "training": {"steps": 300, "batch_size": 64},
}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"vary": {"task.alpha": [0.2, 0.5], "model.width": [4, 8, 12]}, "seeds": 20},
        {"vary": {"task.length": [4, 8]}, "seeds": 16},
        {"vary": {"task.length": [4, 8]}, "seeds": 17},
        {"vary": {"task.alpha": [0.2, 0.5, 0.8]}, "design": {"kind": "sobol", "samples": 2}, "seeds": 3},
    ],
)
def test_groups_are_those_that_train(settings: dict[str, Any]) -> None:
    sweep = Sweep(paper="li2024", base=BASE, **settings)
    found = overview(sweep)
    trials = {one.trial.hash: one.trial for one in sweep.trials()}
    groups = list(groups_of(list(trials.values())))
    assert found.trials == sweep.count
    assert found.different == len(trials)
    assert found.groups == len(groups)
    assert len(found.shapes) == len({repr(trial.shape) for trial in trials.values()})
    sizes = sorted(len(group) for group in groups)
    assert max(sizes) == max(len(shape.sample_group()) for shape in found.shapes)
    for shape in found.shapes:
        assert {trial.shape for trial in shape.sample_group()} == {shape.first.trial.shape}


def one_by_one(jobs: list[tuple[float, int]], workers: int) -> float:
    free_at = [0.0] * workers
    for seconds in sorted((seconds for seconds, times in jobs for _ in range(times)), reverse=True):
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)


@given(
    st.lists(st.tuples(st.integers(0, 50).map(float), st.integers(0, 30)), min_size=1, max_size=6), st.integers(1, 9)
)
def test_time_of_jobs(jobs: list[tuple[float, int]], workers: int) -> None:
    """Equal jobs dealt out in rounds may take one job longer than one by one, and never less than their share."""
    dealt, exact = time_of_jobs(jobs, workers), one_by_one(jobs, workers)
    total = sum(seconds * times for seconds, times in jobs)
    longest = max((seconds for seconds, times in jobs if times), default=0.0)
    assert max(total / workers, longest) <= dealt + 1e-9
    assert dealt <= total / workers + longest + 1e-9
    assert dealt <= exact + longest + 1e-9


def test_time_of_millions_of_jobs_is_told_at_once() -> None:
    started = time.perf_counter()
    assert time_of_jobs([(2.0, 10**12), (1.0, 3)], 4) == pytest.approx(0.5e12, abs=2)
    assert time.perf_counter() - started < 0.1


@pytest.mark.parametrize(
    "sweep",
    [
        Sweep(paper="li2024", base=BASE, vary={"model.width": [12, 24]}, seeds=4, tests={"own": {"prompts": 256}}),
        Sweep(
            paper="garg2022",
            base={
                "task": {"d_X": 3, "length": 4},
                "model": {"d_X": 3, "positions": 10, "layers": 1},
                "training": {"steps": 60, "schedule": {"dimensions": 1, "length": 2, "every": 10}},
                "evaluation": {"on": {"own": {}}, "probes": ["squared_error"], "every": 10, "prompts": 64},
            },
            seeds=2,
            tests={"own": {"prompts": 64}},
        ),
    ],
    ids=["patterns", "functions"],
)
def test_the_estimate_is_about_right(sweep: Sweep, tmp_path: Path) -> None:
    """Within a factor of four: other work on the machine comes and goes between estimate and run."""
    planned = list(sweep.trials())
    run_trials([planned[0].trial], TrialStore(tmp_path / "warm"))  # whatever is compiled is compiled now
    expected = estimate(overview(sweep))
    started = time.perf_counter()
    run_here(sweep, tmp_path / "out", workers=cores())
    seconds = time.perf_counter() - started
    assert seconds / 4 < expected.seconds < seconds * 4
    assert 1 <= expected.timed <= expected.kinds
    assert expected.step_seconds > 0


class Clock:
    """A clock that stands still but for the work that is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: set[str] = set()

    def perf_counter(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> None:
        """Work that first has to be compiled."""
        self.now += seconds + (0.0 if name in self.done else 30.0)
        self.done.add(name)


def test_what_is_compiled_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call of each test, and of training, takes half a minute: an estimate is the same before and after."""
    clock = Clock()

    def train(trials: list[Any], **_: Any) -> None:
        clock.work("training", 1e-3 * trials[0].training.steps)

    def measure(_: Any, tasks: list[Any], prompts: int) -> None:
        clock.work(repr(tasks), 1e-6 * prompts)

    for name, replaced in (("time", clock), ("train_trials", train), ("measured_on", measure)):
        monkeypatch.setattr(calibration, name, replaced)
    tests = {"own": {"prompts": 500}, "unseen": {"task": {"tasks": "unseen"}, "prompts": 500}}
    found = overview(Sweep(paper="li2024", base=BASE, seeds=20, tests=tests))
    cold = estimate(found, workers=1)
    assert len(clock.done) == 3, "training and both tests were timed"
    assert cold == pytest.approx(estimate(found, workers=1))
    assert cold.seconds < 5


def test_more_trials_take_longer() -> None:
    few, many = (
        estimate(overview(Sweep(paper="li2024", base=BASE, seeds=seeds)), workers=1).seconds for seeds in (1, 160)
    )
    assert 5 * few < many


def test_timing_keeps_to_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty kinds of groups, of which as many are timed as there is time for, and at least one."""
    timed: list[Any] = []

    def slow(*_: Any) -> Any:
        timed.append(1)
        time.sleep(0.05)
        return calibration._Cost(1e-3, 0.0, 1e-3)

    monkeypatch.setattr(calibration, "_timed", slow)
    sizes = {"from": 2, "to": 2**19, "count": 19, "spacing": "log", "integer": True}
    vary = {
        "training.batch_size": sizes,
        "training.precision": ["single", "double"],
        "training.optimizer": ["sgd", "adam"],
    }
    sweep = Sweep(paper="li2024", base=BASE, vary=vary, seeds=1)
    found = estimate(overview(sweep), budget=0.2)
    assert 1 < found.timed == len(timed) < 8
    assert found.kinds > 20
    timed.clear()
    assert estimate(overview(sweep), budget=0).timed == len(timed) == 1


def test_a_step_that_takes_minutes_is_not_taken_whole() -> None:
    """A batch a thousand times as large is timed on a part of it."""
    base = {**BASE, "training": {"steps": 10, "batch_size": 1_000_000}}
    started = time.perf_counter()
    found = estimate(overview(Sweep(paper="li2024", base=base, seeds=1, tests={"own": {"prompts": 8}})))
    assert time.perf_counter() - started < 15
    assert found.seconds > 2


def test_a_model_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 TB")

    monkeypatch.setattr(calibration, "train_trials", full)
    found = overview(Sweep(paper="li2024", base=BASE, seeds=1))
    with pytest.raises(BadRequest, match=r"^model = .*fits into the memory of cpu"):
        estimate(found)
    varied = overview(Sweep(paper="li2024", base=BASE, vary={"task.length": [9000]}, seeds=1))
    with pytest.raises(BadRequest, match=r"^task\.length = 9000, .* cpu with steps on 64 prompts of 9,000 examples"):
        estimate(varied)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(calibration, "train_trials", broken)
    with pytest.raises(RuntimeError, match="something else"):
        estimate(found)
