"""A real cluster of a head and two nodes: the same rows as on this machine, whatever happens to a node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from sweeps.ray_cluster import PATIENCE, RayCluster, listening_addresses, ray_cluster
from sweeps.ray_sweeps import SOURCES, jobs_of, perform_all, run_there, sweep_of
from sweeps.ray_work import Noted, answer, die, die_at_length_4, fail_at_length_4, fit_one, refuse
from sweeps.sweep_runs import assert_same_rows, run_here

from iclscope.core.errors import BadRequest, ClusterFailed
from iclscope.execution.failures import IncompleteSweep
from iclscope.execution.jobs import Job, Outcome
from iclscope.execution.ray_engine import RayEngine

pytestmark = pytest.mark.slow

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same within IPv6, and ::1, as /proc/net/tcp and tcp6 write them."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def connections(cluster: RayCluster) -> Iterator[list[RayEngine]]:
    """One connection serves for many tests, since for each the nodes start processes of their own."""
    engines: list[RayEngine] = []
    yield engines
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(cluster: RayCluster, connections: list[RayEngine]) -> RayEngine:
    """A connection; a new one if a test before has lost it."""
    if not ray.is_initialized():
        connections.append(RayEngine(cluster.address))
    return connections[-1]


def processes_of(committed: list[tuple[Job, Outcome]]) -> set[int]:
    """The processes that answered."""
    return {outcome.rows["process"][0] for _, outcome in committed if outcome.rows is not None}


def test_both_engines_give_the_same_rows(engine: RayEngine, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, 4)
    assert_same_rows(run_there(sweep, tmp_path / "there", engine), run_here(sweep, tmp_path / "here"))


def test_each_job_is_committed_once_while_few_are_under_way(engine: RayEngine, tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, 40)
    taken = most = 0
    committed: list[tuple[Job, Outcome]] = []
    told: list[int] = []

    def supply() -> Iterator[Job | None]:
        nonlocal taken, most
        for number, job in enumerate(jobs):
            if number == 10:
                yield None  # nothing now, ask again
            taken += 1
            most = max(most, taken - len(committed))
            yield job

    assert engine.device.type == "cpu"
    engine.work = answer
    engine.run(supply(), lambda job, outcome: committed.append((job, outcome)), on_step=told.append)
    assert Counter(job.name for job, _ in committed) == Counter(job.name for job in jobs)
    for job, outcome in committed:
        assert outcome.rows is not None
        assert outcome.rows["trial"].to_list() == [trial.hash for trial in job.trials]
        assert outcome.rows["device"].to_list() == ["cpu"]
    assert most == 2 * 2, "twice the cores of the cluster"
    assert len(told) == len(jobs)
    assert all(work > 0 for work in told)


def test_everything_listens_on_loopback_only(cluster: RayCluster, engine: RayEngine, tmp_path: Path) -> None:
    workers = processes_of(perform_all(engine, jobs_of(tmp_path, 8), answer))
    processes = cluster.processes()
    assert workers <= set(processes), "the processes that work are among those looked at"
    addresses = listening_addresses([os.getpid(), *processes])
    assert addresses
    assert addresses <= LOOPBACK


DRIVER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from iclscope.execution.ray_engine import RayEngine
    from sweeps.ray_sweeps import jobs_of
    from sweeps.ray_work import Noted

    address, folder = sys.argv[1], Path(sys.argv[2])
    try:
        with RayEngine(address, work=Noted(folder / "ledger", 600.0)) as engine:
            engine.run(iter(jobs_of(folder, 8)), lambda job, outcome: None)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    """
)


def test_ctrl_c_ends_the_sweep_and_not_the_cluster(cluster: RayCluster, engine: RayEngine, tmp_path: Path) -> None:
    ledger = Noted(tmp_path / "ledger", 0.0)
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, cluster.address, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: len(ledger.lines()) >= 2, "no job has begun")
        asked = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stdout is not None
        said, seconds = process.stdout.readline(), time.monotonic() - asked
        err = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
    assert (said, process.returncode) == ("stopped\n", 0), err
    assert "Traceback" not in err
    assert seconds < 5
    # The cores are free again, and what was dropped is not begun again.
    assert len(perform_all(engine, jobs_of(tmp_path, 4), answer)) == 4
    assert len(ledger.lines()) == 2


def test_a_node_killed_in_the_middle_costs_nothing(cluster: RayCluster, engine: RayEngine, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, 8)
    work = Noted(tmp_path / "ledger", 0.5)
    node = cluster.nodes[-1]

    def kill() -> None:
        wait_for(lambda: sum(line["node"] == node.name for line in work.lines()) >= 2, "the node gets no work")
        node.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        rows = run_there(sweep, tmp_path / "there", engine, work)
    finally:
        killer.join()
        cluster.add_node().wait()
    assert node.processes() == []
    assert_same_rows(rows, run_here(sweep, tmp_path / "here"))
    begun = [line["job"] for line in work.lines()]
    assert len(set(begun)) == 8
    assert len(begun) == 9, "the job that the node was at, and no other, is begun again"


def test_a_job_that_takes_its_process_down_every_time_ends_the_sweep(
    engine: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclscope.execution.ray_engine.RETRIES", 0)
    text = r"^the cluster at 127.0.0.1:\d+ cannot perform a group of trials: [^\n]+$"
    with pytest.raises(ClusterFailed, match=text):
        perform_all(engine, jobs_of(tmp_path, 1), die)


@pytest.mark.parametrize(("work", "why"), [(fail_at_length_4, "ValueError: a bug at"), (die_at_length_4, "Worker")])
def test_a_job_that_fails_ends_no_other(
    work: Callable[[Job, str], Outcome], why: str, engine: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclscope.execution.ray_engine.RETRIES", 0)
    sweep = sweep_of(tmp_path, 3)
    with pytest.raises(IncompleteSweep) as incomplete:
        run_there(sweep, tmp_path / "there", engine, work)
    (failure,) = incomplete.value.failures
    assert why in failure.reason
    assert "p@ss" not in failure.reason + failure.trace
    expected = run_here(sweep, tmp_path / "here")
    assert_same_rows(incomplete.value.rows, expected.filter(expected["task.length"] != 4))
    assert ray.is_initialized()
    assert_same_rows(run_there(sweep, tmp_path / "there", engine), expected)


def test_a_job_that_does_not_fit_is_halved(engine: RayEngine, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, 2)
    with pytest.warns(UserWarning, match="a group of 4 trials did not fit"):
        rows = run_there(sweep, tmp_path / "there", engine, fit_one)
    assert rows["trial"].n_unique() == 8


def test_a_refusal_within_a_task_is_told_as_it_is(engine: RayEngine, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"^task.alpha: expected 0 to 1$"):
        perform_all(engine, jobs_of(tmp_path, 4), refuse)
    assert not ray.is_initialized(), "what was under way is dropped"


def wait_for(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.02)
