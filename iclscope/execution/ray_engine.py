"""Jobs on a Ray cluster: each is one task. Retries, lost nodes and new ones are Ray's; this only keeps it supplied."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import torch

from iclscope import __version__
from iclscope.core.environment import DEVICES
from iclscope.core.errors import BadRequest, ClusterFailed, one_of_these, refused, unusable
from iclscope.core.threads import one_thread_per_operation
from iclscope.execution.groups import group_cost
from iclscope.execution.jobs import Job, OnFailed, OnRunSteps, Outcome, run_job
from iclscope.execution.parts import JobQueue, free_after
from iclscope.execution.ray_address import AUTO, bad_address, check_address, import_ray, shown_cluster
from iclscope.training.interrupts import InterruptRequest, deferred_interrupt

Work = Callable[[Job, str], Outcome]

RETRIES = 10
"""How often Ray repeats a job that was lost with its node or its process, before the sweep ends with an error."""

_WAKE_UP = 0.2
"""Seconds; waking up now and then lets Python notice Ctrl-C."""

_LOOK_AGAIN = 5.0
"""Seconds after which the size of the cluster is asked for again; nodes come and go."""

_ANSWER = 60.0
"""Seconds that a node has to start a process and say which version it has."""


class OtherVersion(BadRequest):
    """A node has another version of iclscope: no job may be done there."""


def run_job_remotely(job: Job, device: str) -> Outcome:
    """What a task does by default: train and test a job, as `LocalEngine` does."""
    with one_thread_per_operation():
        try:
            return run_job(job, device)
        except Exception as error:
            free_after(error, device)
            raise


class RayEngine:
    """Performs jobs as tasks of a Ray cluster that is there already, one per core or per GPU of its.

    This process must run on a machine that is a node of the cluster, and has one connection at a time. It lasts until
    `close`, the end of a ``with`` block, or an error of `run`.

    Attributes:
        device: what the groups are trained on.
        work: what a task does with a job, on a device of that name; sent to the nodes by its name, if it has one.
    """

    def __init__(self, address: str | None = None, device: str = "auto", *, work: Work = run_job_remotely) -> None:
        """Connect to a cluster.

        Args:
            address: HOST:PORT of its head; None or "auto": the value of RAY_ADDRESS, or the cluster that was started
                last on this machine.
            device: auto, cpu or cuda; auto is cuda if the cluster has a GPU now.
            work: what a task does with a job.

        Raises:
            BadRequest: if ray is not installed, there is no cluster at this address, this machine is no node of it, or
                a node has another version of Ray, Python or iclscope.
        """
        if device not in DEVICES:
            raise refused("--device", device, one_of_these(DEVICES))
        self._ray = import_ray()
        if self._ray.is_initialized():
            raise unusable("--engine", "ray", "this process has joined a Ray cluster already")
        given = AUTO if address is None else address
        self._named = shown_cluster(given)
        where = check_address(given)
        with _kept_signal_handler(signal.SIGTERM):
            self._ray.init(where, log_to_driver=False, logging_level="ERROR")
        try:
            self._check_nodes()
            resources = self._ray.cluster_resources()
        except BaseException:
            self.close()
            raise
        has_gpu = resources.get("GPU", 0) >= 1
        # The GPU that Ray gives to a task is the only one that the task sees: its number is always 0.
        self.device = torch.device("cuda" if device == "cuda" or (device == "auto" and has_gpu) else "cpu")
        self._kind = "GPU" if self.device.type == "cuda" else "CPU"
        self.work = work
        self._slots, self._counted_at = max(1, int(resources.get(self._kind, 0))), time.monotonic()
        if resources.get(self._kind, 0) < 1:
            text = f"the cluster at {self._named} has no {self._kind} now; trials wait until it has one"
            warnings.warn(text, UserWarning, stacklevel=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; the cluster goes on, and drops what this process had asked of it."""
        self._ray.shutdown()

    def run(
        self,
        jobs: Iterator[Job | None],
        commit: Callable[[Job, Outcome], None],
        *,
        on_step: OnRunSteps | None = None,
        on_failed: OnFailed | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Perform jobs, as `Engine.run` says; when it raises, the connection is closed and what is under way dropped.

        Raises:
            KeyboardInterrupt: on Ctrl-C.
            BadRequest: if a node that joined meanwhile has another version of iclscope.
            ClusterFailed: if the cluster cannot perform a job.
        """
        queue = JobQueue(jobs, device=self.device, on_failed=on_failed, on_notice=on_notice)
        try:
            with deferred_interrupt() as interrupt:
                self._run(queue, commit, on_step, interrupt)
        except BaseException:
            # Leaving drops all that is under way. Cancelling it one by one does not do: where that meets a task which
            # is just finishing, Ray 2.60 ends this process ("Tried to complete task that was not pending").
            self.close()
            raise

    def _run(
        self,
        queue: JobQueue,
        commit: Callable[[Job, Outcome], None],
        on_step: OnRunSteps | None,
        interrupt: InterruptRequest,
    ) -> None:
        gpus = 1 if self._kind == "GPU" else 0
        # Made once: the cluster keeps each for as long as this process is connected.
        performed = self._ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_performed)
        under_way: dict[Any, Job] = {}
        while not queue.is_empty or under_way:
            while not interrupt.made and len(under_way) < self._room():
                job = queue.take()
                if job is None:
                    break
                task = performed.remote(self.work, job, str(self.device), __version__)
                under_way[task] = job
            if interrupt.made:
                raise KeyboardInterrupt
            if not under_way:
                time.sleep(0.0 if queue.is_empty else _WAKE_UP)
                continue
            for task in self._finished(list(under_way)):
                job = under_way.pop(task)
                try:
                    outcome = self._outcome(task)
                except OtherVersion:
                    raise
                except Exception as error:  # noqa: BLE001 (it is raised again, or told at the end)
                    if not queue.failed(job, error):
                        raise self._as_failure(error) from error.__cause__
                    continue
                commit(job, outcome)
                if on_step is not None and job.trained is None:
                    on_step(group_cost(job.trials))

    def _room(self) -> int:
        """How many jobs may be under way: twice as many as can run now.

        So no core waits for the next job, a cluster that can grow sees that there is more to do, and the memory of
        this process does not grow with the sweep.
        """
        if time.monotonic() > self._counted_at + _LOOK_AGAIN:
            self._counted_at = time.monotonic()
            # A cluster whose head is gone does not answer, and whoever waits for it does not notice Ctrl-C.
            threading.Thread(target=self._count, daemon=True).start()
        return 2 * self._slots

    def _count(self) -> None:
        with suppress(Exception):  # the connection may be closed meanwhile
            self._slots = max(1, int(self._ray.cluster_resources().get(self._kind, 0)))

    def _finished(self, under_way: list[Any]) -> list[Any]:
        """The tasks that have finished; none, if none does within a moment."""
        done, _ = self._ray.wait(under_way, num_returns=1, timeout=_WAKE_UP)
        if done and len(under_way) > 1:
            done, _ = self._ray.wait(under_way, num_returns=len(under_way), timeout=0)
        return list(done)

    def _outcome(self, task: Any) -> Outcome:
        """What a finished task gave, or its error as if it had been raised here."""
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(task)
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from error
        except (errors.WorkerCrashedError, errors.OutOfMemoryError):
            raise  # the job's own fault, as far as one can tell: others go on
        except errors.RayError as error:
            raise self._as_failure(error) from error
        return outcome

    def _as_failure(self, error: Exception) -> Exception:
        """The same error, or in one line if Ray has raised it."""
        if not isinstance(error, self._ray.exceptions.RayError):
            return error
        why = " ".join(str(error).split())
        return ClusterFailed(f"the cluster at {self._named} cannot perform a group of trials: {why}")

    def _check_nodes(self) -> None:
        """Ask every node that can do work which version it has.

        Raises:
            BadRequest: naming the first that has another, or none.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = {
            node["NodeID"]: node["NodeManagerAddress"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
        }
        # Tasks that need no core are answered by nodes that are busy, too.
        ask = self._ray.remote(num_cpus=0, max_retries=0)(_version)
        asked = {
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False)).remote(): address
            for name, address in nodes.items()
        }
        # A node that does not answer is not refused: it may be about to leave. Jobs look at the version again.
        answers, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER)
        for answer in answers:
            try:
                version = self._ray.get(answer)
            except self._ray.exceptions.RayTaskError as error:
                why = str(error).strip().splitlines()[-1]
                raise bad_address(self._named, f"its node {asked[answer]} cannot load iclscope ({why})") from error
            except self._ray.exceptions.RayError:
                continue
            if version != __version__:
                why = f"its node {asked[answer]} has iclscope {version}, and here it is {__version__}"
                raise bad_address(self._named, why)


@contextmanager
def _kept_signal_handler(number: signal.Signals) -> Iterator[None]:
    """Give back the handler that Ray replaces; only the main thread may set one."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, before)


def _version() -> str:
    """The version of iclscope where this is called."""
    return __version__


def _performed(work: Work, job: Job, device: str, version: str) -> Outcome:
    """Do the work, on a node that has the same iclscope as the process that asks for it."""
    if version != __version__:
        raise OtherVersion(
            f"iclscope on a node of the cluster: expected {version}, as on the machine that started the sweep, got "
            f"{__version__}"
        )
    return work(job, device)
