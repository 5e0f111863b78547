"""How long a sweep will take: a few steps of some of its groups, timed on this machine and scaled up.

As many groups are timed at once as will train at once: side by side they are slower than alone, and how much depends on
the machine and on who else uses it.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch

from iclscope.core.errors import BadRequest
from iclscope.core.memory import free_memory, is_out_of_memory
from iclscope.core.threads import one_thread_per_operation
from iclscope.core.yaml_text import as_written
from iclscope.execution.groups import step_cost
from iclscope.execution.jobs import train_trials
from iclscope.execution.local import workers_on
from iclscope.execution.measure import measured_on
from iclscope.sweeps.overview import Overview, Shape
from iclscope.training.schedules import Schedule
from iclscope.training.trained import untrained_models
from iclscope.training.trial import Trial

BUDGET = 4.0
"""Seconds that timing may take in all, about; a kind of group that has been begun is finished."""

_TIMED = 0.15
"""Seconds of training, and of testing, after which a kind of group has been timed."""

_PER_UNIT = 0.7e-3
"""Seconds of a step of cost 1 (`step_cost`) on a slow core, to foresee how long timing takes."""

_LONGEST_STEP = 0.5
"""Seconds; where a step is foreseen to take longer, fewer runs or prompts are timed."""

_STORING = 3e-3
"""Seconds to write a trial, read it again and make its rows: measured on two cores of a shared machine."""


class Estimate(NamedTuple):
    """How long a sweep will take.

    Attributes:
        seconds: wall-clock time with all cores, of trainings and tests; at most that, where trainings may stop early.
        step_seconds: of one training step of one run, averaged over all.
        timed: how many kinds of groups were timed.
        kinds: how many kinds there are; those that were not timed are scaled from the most similar ones.
        workers: how many groups train at a time; no more than there are.
    """

    seconds: float
    step_seconds: float
    timed: int
    kinds: int
    workers: int


class _Cost(NamedTuple):
    """Seconds on one core: of a step and of a record, for all runs of a group, and of testing one run."""

    step: float
    record: float
    tests: float


def estimate(
    planned: Overview, *, device: torch.device | str = "cpu", budget: float = BUDGET, workers: int | None = None
) -> Estimate:
    """Estimate the time of a sweep.

    Groups are sorted into kinds of like task, model and cost. The kinds with most work are timed, one group of each,
    until the budget is spent.

    Args:
        planned: the sweep.
        device: where it will be trained.
        budget: seconds to spend on timing, about; at least one kind is timed.
        workers: how many groups train at a time; None: one per core on a CPU, one on a GPU.

    Raises:
        BadRequest: if a model does not fit into memory.
    """
    device = torch.device(device)
    at_a_time = min(workers or workers_on(device), planned.groups)
    kinds: dict[tuple[object, ...], list[Shape]] = {}
    for shape in planned.shapes:
        kinds.setdefault(_kind(shape), []).append(shape)
    most_work_first = sorted(kinds, key=lambda kind: sum(map(_work, kinds[kind])), reverse=True)
    costs: dict[tuple[object, ...], tuple[Shape, _Cost]] = {}
    started = time.perf_counter()
    with one_thread_per_operation():
        for kind in most_work_first:
            if costs and time.perf_counter() - started > budget:
                break
            largest = max(kinds[kind], key=_work)
            costs[kind] = largest, _timed(largest, device, at_a_time)
    jobs: list[tuple[float, int]] = []
    steps = training = 0.0
    for kind, shapes in kinds.items():
        timed, cost = costs.get(kind) or _most_similar(kind, shapes[0], costs)
        for shape in shapes:
            own = _scaled(cost, timed, shape)
            trial = shape.first.trial
            per_run = (trial.training.steps * own.step + len(trial.record_steps()) * own.record) / _runs(shape)
            per_run += own.tests + _STORING
            jobs += [(per_run * shape.at_a_time, shape.count // shape.at_a_time)]
            jobs += [(per_run * (shape.count % shape.at_a_time), 1)]
            training += trial.training.steps * own.step * shape.count / _runs(shape)
            steps += trial.training.steps * shape.count
    seconds = time_of_jobs(jobs, at_a_time)
    return Estimate(seconds, training / steps if steps else 0.0, len(costs), len(kinds), at_a_time)


def time_of_jobs(jobs: Sequence[tuple[float, int]], workers: int) -> float:
    """How long jobs take if each worker takes the longest that is left when it is free.

    Args:
        jobs: seconds of a job, and how many such jobs there are.
        workers: how many jobs are done at a time.
    """
    free_at = [0.0] * workers
    for seconds, times in sorted(jobs, reverse=True):
        rounds, rest = divmod(times, workers)
        # As many to each first: equal jobs are dealt out evenly, and millions of them one by one would take long.
        free_at = [end + rounds * seconds for end in free_at]
        for _ in range(rest):
            heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)


def _runs(shape: Shape) -> int:
    """The runs of a group, but for the last one."""
    return min(shape.count, shape.at_a_time)


def _kind(shape: Shape) -> tuple[object, ...]:
    """Groups of one kind take about as long per unit of `step_cost`: same code, sizes within a factor of two."""
    trial = shape.first.trial
    how = (trial.training.optimizer, trial.training.precision, trial.evaluation.probes, bool(trial.evaluation.on))
    sizes = (round(math.log2(step_cost(trial))), round(math.log2(_runs(shape))))
    return (trial.task.kind, trial.model.kind, *how, *sizes)


def _work(shape: Shape) -> int:
    return shape.count * max(1, shape.first.trial.training.steps) * step_cost(shape.first.trial)


def _most_similar(
    kind: tuple[object, ...], shape: Shape, costs: dict[tuple[object, ...], tuple[Shape, _Cost]]
) -> tuple[Shape, _Cost]:
    """What was timed of the kind that agrees in most respects, then of the nearest cost."""

    def distance(other: tuple[object, ...]) -> tuple[int, float]:
        differing = sum(one != another for one, another in zip(kind[:-2], other[:-2], strict=True))
        here, there = step_cost(shape.first.trial), step_cost(costs[other][0].first.trial)
        return differing, abs(math.log(here / there))

    return costs[min(costs, key=distance)]


def _scaled(cost: _Cost, timed: Shape, shape: Shape) -> _Cost:
    """The cost of one group from that of another."""
    per_run = step_cost(shape.first.trial) / step_cost(timed.first.trial)
    runs = _runs(shape) / _runs(timed)
    records = _record_size(shape.first.trial) / _record_size(timed.first.trial)
    tests = _test_size(shape) / _test_size(timed)
    return _Cost(cost.step * per_run * runs, cost.record * runs * records, cost.tests * tests)


def _record_size(trial: Trial) -> float:
    """What a record of one run costs, up to a factor."""
    on = trial.evaluation.on.values()
    return 1 + trial.evaluation.prompts * sum(trial.model.operations(task.length_range[1]) for task in on)


def _test_size(shape: Shape) -> float:
    """What the tests of one run cost, up to a factor."""
    operations = shape.first.trial.model.operations
    return 1 + sum(test.prompts * operations(test.task.length_range[1]) for test in shape.first.tests)


def _timed(shape: Shape, device: torch.device, at_once: int) -> _Cost:
    """Time one group, or a part of it where a step would take long."""
    part = _affordable(shape)
    while True:
        try:
            return _cost_of(shape, part, device, at_once)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise _too_large(shape, device) from error
        part = part[: len(part) // 2]  # as engines do
        free_memory(device)


def _cost_of(shape: Shape, part: Sequence[Trial], device: torch.device, at_once: int) -> _Cost:
    whole = shape.sample_group()
    larger = len(whole) * step_cost(whole[0]) / (len(part) * step_cost(part[0]))
    step = _seconds_per_step(part, device, at_once) * larger * _mean_size(whole[0])
    record = _seconds_per_record(part, device) * len(whole) / len(part)
    return _Cost(step, record, _seconds_of_tests(shape, part, device))


def _too_large(shape: Shape, device: torch.device) -> BadRequest:
    """The refusal of trials that do not fit into memory, by the settings that are varied to get them, if any are."""
    trial = shape.first.trial
    sizes = ", ".join(f"{name} {value}" for name, value in trial.model.described().items())
    named = ", ".join(f"{name} = {as_written(value)}" for name, value in shape.first.varied.items())
    batch = f"{trial.training.batch_size:,} prompts of {trial.task.length_range[1]:,} examples"
    model = f"model = {sizes}" if not named else f"{named}, with a model of {sizes},"
    return BadRequest(
        f"{model} is not allowed; allowed: one that fits into the memory of {device} with steps on {batch}"
    )


def _affordable(shape: Shape) -> list[Trial]:
    """The group, with fewer runs and then fewer prompts per step if it is too large to be timed quickly."""
    group = shape.sample_group()
    most = _LONGEST_STEP / _PER_UNIT
    if len(group) * step_cost(group[0]) <= most:
        return group
    runs = max(1, int(most / step_cost(group[0])))
    group = shape.sample_group(min(runs, len(group)))
    prompts = group[0].training.batch_size
    while len(group) == 1 and prompts > 1 and step_cost(group[0]) > most:
        prompts = max(1, prompts // 2)
        group = [_with_training(group[0], batch_size=prompts)]
    return group


def _with_training(trial: Trial, **changes: Any) -> Trial:
    """The same trial with another training; not checked anew."""
    return trial.model_copy(update={"training": trial.training.model_copy(update=changes)})


def _seconds_per_step(group: Sequence[Trial], device: torch.device, at_once: int) -> float:
    """Of all runs of a group, at the full size of their prompts."""

    def train(steps: int) -> float:
        bare = {"evaluation": group[0].evaluation.model_copy(update={"on": {}})}
        cut = [
            _with_training(trial, steps=steps, schedule=None, target_risk=None).model_copy(update=bare)
            for trial in group
        ]
        return _seconds(lambda: _side_by_side(lambda: train_trials(cut, device=device), at_once), device)

    train(1)  # compiles what there is to compile, and fills caches
    steps, start = 2, train(0)
    while (seconds := train(steps) - start) < _TIMED and steps < 1024:
        steps *= 4
    return max(seconds, 0.0) / steps


def _side_by_side(work: Callable[[], object], times: int) -> None:
    """Do the same in several threads at once."""
    with ThreadPoolExecutor(times) as pool:
        for job in [pool.submit(work) for _ in range(times)]:
            job.result()


def _seconds_per_record(group: Sequence[Trial], device: torch.device) -> float:
    if not group[0].evaluation.on:
        return 0.0
    cut = [_with_training(trial, steps=0, target_risk=None) for trial in group]
    train_trials(cut, device=device)
    return _seconds(lambda: train_trials(cut, device=device), device)


def _seconds_of_tests(shape: Shape, group: Sequence[Trial], device: torch.device) -> float:
    """Of all tests of one run; the first few are run on a part of their prompts, at one run of the group."""
    model = untrained_models(group[:1], device)
    size = seconds = 0.0
    for test in shape.first.tests:
        cost = max(1, shape.first.trial.model.operations(test.task.length_range[1]))
        prompts = max(2, min(test.prompts, 30_000 * 256 // cost))
        measured_on(model, [test.task], 2)  # compiles what there is to compile
        once = _seconds(lambda test=test, prompts=prompts: measured_on(model, [test.task], prompts), device)  # type: ignore[misc]
        seconds, size = seconds + once, size + prompts * cost
        if seconds > _TIMED:
            break
    return seconds * _test_size(shape) / max(1.0, size)


def _mean_size(trial: Trial) -> float:
    """What a step costs on average, as a part of one at full size: a schedule begins with smaller prompts."""
    schedule: Schedule | None = trial.training.schedule
    if schedule is None or trial.training.steps == 0:
        return 1.0
    longest = trial.task.length_range[1]
    steps = range(0, trial.training.steps, max(1, trial.training.steps // 64))
    sizes = [schedule.size(step, dimensions=trial.task.d_X, length=longest).length for step in steps]
    full = trial.model.operations(longest)
    return sum(trial.model.operations(size) for size in sizes) / (len(sizes) * full) if full else 1.0


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - started
