"""A real cluster of a head and two nodes: the same rows as on this machine, whatever happens to a node."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from sweeps.ray_cluster import PATIENCE, RayCluster, listening_addresses, ray_cluster
from sweeps.ray_work import Noted, answer, die, fail, refuse
from sweeps.sweep_runs import assert_same_rows, run_here

import iclscope
from iclscope.errors import BadRequest, ClusterFailed
from iclscope.sweeps.jobs import Job, Outcome
from iclscope.sweeps.ray_address import check_address
from iclscope.sweeps.ray_engine import RayEngine, Work, perform_there
from iclscope.sweeps.run_sweep import SweepStore, run_sweep
from iclscope.sweeps.store_files import StoreFiles
from iclscope.sweeps.sweep_file import Sweep, load_sweep
from iclscope.sweeps.sweep_folder import SweepFolder

SWEEP = """
paper: li2024
base:
  task: {M1: 4, M2: 6, d_X: 10, d_Y: 6}
  model: {d_X: 10, d_Y: 6, width: 12}
  training: {steps: 20, batch_size: 32}
vary:
  task.length: {from: 4, to: LONGEST, count: GROUPS, integer: true}
  task.alpha: [0.3, 0.8]
seeds: 2
tests:
  unseen: {task: {tasks: unseen}, prompts: 16}
"""

SOURCES = (Path(iclscope.__file__).parents[1], Path(__file__).parents[1])

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same within IPv6, and ::1, as /proc/net/tcp and tcp6 write them."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def engine(cluster: RayCluster) -> Iterator[RayEngine]:
    """One connection, since for each the nodes start processes of their own."""
    with RayEngine(cluster.address) as connected:
        yield connected


def sweep_of(folder: Path, groups: int) -> Sweep:
    """A sweep of so many groups, at least two, of four trials."""
    file = folder / "sweep.yaml"
    file.write_text(SWEEP.replace("LONGEST", str(3 + groups)).replace("GROUPS", str(groups)), encoding="utf-8")
    return load_sweep(file)


def jobs_of(folder: Path, count: int) -> list[Job]:
    """So many jobs, of one trial each."""
    return [Job((one,)) for one in islice(sweep_of(folder, max(2, count)).trials(), count)]


def run_there(sweep: Sweep, path: Path, engine: RayEngine, work: Work = perform_there) -> pl.DataFrame:
    """Run a sweep on a cluster, with its results in a folder."""
    folder = SweepFolder(path, sweep.name)
    engine.work = work
    return run_sweep(sweep, folder, SweepStore(StoreFiles(folder.default_store)), engine)


def perform_all(engine: RayEngine, jobs: list[Job], work: Work) -> list[tuple[Job, Outcome]]:
    """Perform jobs on a cluster; returns what was committed."""
    committed: list[tuple[Job, Outcome]] = []
    engine.work = work
    engine.run(iter(jobs), lambda job, outcome: committed.append((job, outcome)))
    return committed


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


@pytest.mark.parametrize(
    ("work", "kind", "text"),
    [
        (refuse, BadRequest, "^task.alpha = 2 is not allowed; allowed: 0 to 1$"),
        (fail, ZeroDivisionError, "^division of trial by zero$"),
    ],
)
def test_an_error_within_a_task_is_told_as_it_is(
    engine: RayEngine, tmp_path: Path, work: Work, kind: type[Exception], text: str
) -> None:
    jobs = jobs_of(tmp_path, 4)
    with pytest.raises(kind, match=text):
        perform_all(engine, jobs, work)
    assert len(perform_all(engine, jobs, answer)) == 4, "the cluster goes on"


def test_a_job_that_takes_its_process_down_every_time_ends_the_sweep(
    engine: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclscope.sweeps.ray_engine.RETRIES", 1)
    text = r"^the cluster at 127.0.0.1:\d+ cannot perform a group of trials: [^\n]+$"
    with pytest.raises(ClusterFailed, match=text):
        perform_all(engine, jobs_of(tmp_path, 1), die)


DRIVER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from iclscope.sweeps.ray_engine import RayEngine
    from sweeps.ray_work import Noted
    from sweeps.test_sweeps_ray import jobs_of

    address, folder = sys.argv[1], Path(sys.argv[2])
    try:
        with RayEngine(address, work=Noted(folder / "ledger", 600.0)) as engine:
            engine.run(iter(jobs_of(folder, 8)), lambda job, outcome: None)
    except KeyboardInterrupt:
        sys.exit(130)
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
        wait_for(lambda: len(ledger.lines()) >= 2 or process.poll() is not None, "no job has begun")
        asked = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=30)
        seconds = time.monotonic() - asked
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "")
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


def test_a_cluster_may_grow_but_not_with_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(iclscope.__file__).parent
    shutil.copytree(package, tmp_path / "old" / "iclscope", ignore=shutil.ignore_patterns("__pycache__"))
    start = tmp_path / "old" / "iclscope" / "__init__.py"
    start.write_text(start.read_text(encoding="utf-8").replace(iclscope.__version__, "0.0.1"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # nodes look into this process's folder first
    with ray_cluster(nodes=0) as cluster:
        joined = threading.Timer(2.0, cluster.add_node)
        joined.start()
        with pytest.warns(UserWarning, match="has no CPU now; trials wait"):
            engine = RayEngine(cluster.address)
        with engine:
            assert len(perform_all(engine, jobs_of(tmp_path, 3), answer)) == 3
            joined.join()
            cluster.nodes[0].kill()
            cluster.add_node({"PYTHONPATH": os.pathsep.join(map(str, (tmp_path / "old", *SOURCES)))}).wait()
            with pytest.raises(BadRequest, match="^iclscope = '0.0.1' on a node of the cluster is not allowed"):
                perform_all(engine, jobs_of(tmp_path, 1), answer)
        text = rf"127.0.0.1 has iclscope 0.0.1, and here it is {iclscope.__version__}; allowed: HOST:PORT"
        with pytest.raises(BadRequest, match=text):
            RayEngine(cluster.address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:1", "nothing answers there (Connection refused)"),
        ("no-such-host.invalid:6379", "nothing answers there ("),
        ("127.0.0.1", "it is no HOST:PORT"),
        ("127.0.0.1:99999", "it is no HOST:PORT"),
        ("ray://127.0.0.1:10001", "it is no HOST:PORT"),
        ("a b:1", "it is no HOST:PORT"),
    ],
)
def test_an_address_without_a_cluster_is_refused(address: str, why: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        RayEngine(address)
    text = str(refusal.value)
    assert text.startswith(f"--address = {address!r} is not allowed: {why}")
    assert "allowed: HOST:PORT of the head" in text
    assert "\n" not in text


def test_another_server_is_refused_in_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(BadRequest, match="it does not answer as a Ray cluster does"):
            check_address(f"127.0.0.1:{server.getsockname()[1]}", patience=3.0)
        assert time.monotonic() - started < 10


def test_without_ray_the_engine_is_refused() -> None:
    program = "import sys; sys.modules['ray'] = None\nfrom iclscope.sweeps.ray_engine import RayEngine\nRayEngine()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "iclscope.errors.BadRequest: --engine = 'ray' is not allowed: the package ray is not installed; "
        "allowed: local, or ray after pip install 'iclscope[ray]'"
    )


def wait_for(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.02)
