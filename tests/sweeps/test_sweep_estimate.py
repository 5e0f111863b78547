"""How many groups a sweep has, and how long it is said to take."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from sweeps.sweep_runs import run_here

from iclscope.core.errors import BadRequest
from iclscope.execution.groups import groups_of, step_cost
from iclscope.execution.local import cores
from iclscope.execution.run_trials import run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.sweeps import estimate as calibration
from iclscope.sweeps import windows
from iclscope.sweeps.estimate import estimate
from iclscope.sweeps.file import sweep_file
from iclscope.sweeps.file.planned import planned_trials
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.overview import overview

TRAIN = calibration.train_trials
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


@pytest.mark.parametrize("design", ["grid", {"kind": "random", "samples": 6}])
@pytest.mark.filterwarnings("ignore:design:UserWarning")
def test_windows_are_the_same_each_time_and_made_once(design: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a window ends between two seeds of a point; of those that are not kept, every time."""
    made: list[Any] = []

    def counted(*about: Any) -> Any:
        made.append(about[1])
        return planned_trials(*about)

    monkeypatch.setattr(windows, "WINDOW", 4)
    monkeypatch.setattr(windows, "KEPT", 2)
    vary = {"task.alpha": [0.2, 0.4, 0.6, 0.8], "model.width": [4, 8]}
    sweep = Sweep(paper="li2024", base=BASE, vary=vary, design=design, seeds=3)
    monkeypatch.setattr(sweep_file, "planned_trials", counted)
    first = [[one.trial.hash for one in window] for window in windows.windows_of(sweep)]
    assert list(chain(*first)) == list(dict.fromkeys(one.trial.hash for one in sweep.trials()))
    made.clear()
    again = windows.windows_of(sweep)
    assert [[one.trial.hash for one in next(again)] for _ in range(2)] == first[:2]
    assert made == [], "two windows are kept"
    rest = [[one.trial.hash for one in window] for window in again]
    assert rest == first[2:]
    assert 0 < len(made) < sweep.count / 3


def test_groups_are_spread_over_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as their share takes, and at least as long as the longest group."""
    monkeypatch.setattr(calibration, "_timed", lambda *_: (1e-3, 0.0))
    many = overview(Sweep(paper="li2024", base=BASE, seeds=160))
    one, four, more = (estimate(many, workers=workers).seconds for workers in (1, 4, 99))
    assert one == pytest.approx(4 * four) == pytest.approx(10 * more)
    short = overview(Sweep(paper="li2024", base=BASE, vary={"training.steps": [10, 300]}, seeds=16))
    assert estimate(short, workers=2).seconds == pytest.approx(one / 10)


@pytest.mark.parametrize(
    "sweep",
    [
        Sweep(paper="li2024", base=BASE, vary={"model.width": [12, 24]}, seeds=4, tests={"own": {"prompts": 256}}),
        Sweep(
            paper="garg2022",
            base={
                "task": {"d_X": 3, "length": 4},
                "model": {"d_X": 3, "positions": 10, "layers": 1},
                "training": {
                    "steps": 60,
                    "schedule": {"kind": "curriculum", "dimensions": 1, "length": 2, "every": 10},
                },
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
    assert expected.kinds == len(overview(sweep).shapes)
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
    """The first call of a test, and of training, takes half a minute: an estimate is the same before and after."""
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
    assert len(clock.done) == 2, "training and a test were timed"
    assert cold == pytest.approx(estimate(found, workers=1))
    assert cold.seconds < 5


def test_more_trials_take_longer() -> None:
    few, many = (
        estimate(overview(Sweep(paper="li2024", base=BASE, seeds=seeds)), workers=1).seconds for seeds in (1, 160)
    )
    assert 5 * few < many


def test_one_group_is_timed_however_many_kinds_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one with most work; the others take as long as their cost says."""
    timed: list[Any] = []

    def known(shape: Any, *_: Any) -> tuple[float, float]:
        timed.append(shape.first.trial.training.batch_size)
        return 1e-3, 0.0

    monkeypatch.setattr(calibration, "_timed", known)
    sizes = {"from": 2, "to": 2**19, "count": 19, "spacing": "log", "integer": True}
    vary = {"training.batch_size": sizes, "training.precision": ["single", "double"]}
    sweep = Sweep(paper="li2024", base=BASE, vary=vary, seeds=1)
    found = estimate(overview(sweep), workers=1)
    assert timed == [2**19]
    assert found.kinds == 38
    costs = sum(300 * step_cost(one.trial) for one in sweep.trials())
    assert found.seconds == pytest.approx(1e-3 * costs, rel=1e-3)
    assert found.step_seconds == pytest.approx(1e-3 * costs / 300 / 38)


def test_a_step_that_takes_minutes_is_not_taken_whole() -> None:
    """A batch a thousand times as large is timed on a part of it."""
    base = {**BASE, "training": {"steps": 10, "batch_size": 1_000_000}}
    started = time.perf_counter()
    found = estimate(overview(Sweep(paper="li2024", base=base, seeds=1, tests={"own": {"prompts": 8}})))
    assert time.perf_counter() - started < 15
    assert found.seconds > 1


def test_a_model_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 TB")

    monkeypatch.setattr(calibration, "train_trials", full)
    found = overview(Sweep(paper="li2024", base=BASE, seeds=1))
    with pytest.raises(BadRequest, match=r"^model: expected .*fits into the memory of cpu"):
        estimate(found)
    varied = overview(Sweep(paper="li2024", base=BASE, vary={"task.length": [9000]}, seeds=1))
    with pytest.raises(
        BadRequest,
        match=r"^model: expected .* cpu with .* 9,000 examples, got .*task\.length = 9000",
    ):
        estimate(varied)

    def full_of_many(trials: list[Any], **about: Any) -> Any:
        return full() if len(trials) > 2 else TRAIN(trials, **about)

    monkeypatch.setattr(calibration, "train_trials", full_of_many)
    many = overview(Sweep(paper="li2024", base=BASE, seeds=16))
    assert estimate(many).seconds > 0, "fewer runs at a time are no reason to refuse"

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(calibration, "train_trials", broken)
    with pytest.raises(RuntimeError, match="something else"):
        estimate(found)
