"""A Ray cluster on this machine: a head without work and nodes of one core, each of which can be killed.

Every listening socket is on 127.0.0.1. Ray's tools take that address, wherever it is given, for the machine's address
in its network, unless they are told otherwise: the head by an environment variable that forbids further nodes, the
nodes by an unusual spelling.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120.0
"""Seconds after which a cluster that is not there is taken for broken."""

_ROOT = Path(__file__).parents[2]
_OBJECT_STORE = 80_000_000  # bytes; the least that Ray takes is 75 MB
_HERE = "LOCALHOST"  # Ray leaves this spelling alone

# Whatever ends the thread that starts a node ends the node, and that ends all it has started.
_STARTED_BY_TEST = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
os.execv(sys.executable, [sys.executable, "-m", "ray.scripts.scripts", "start", *sys.argv[1:]])
"""


class RayNode:
    """The processes of one node, which share a session."""

    def __init__(self, name: str, folder: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Start it; `wait` says when it is there."""
        self.name = name
        self.folder = folder / name
        self._log = folder / f"{name}.log"
        paths = [str(_ROOT), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _STARTED_BY_TEST, "--block", "--disable-usage-stats", "--num-gpus=0"),
                    *(f"--object-store-memory={_OBJECT_STORE}", f"--temp-dir={self.folder}"),
                    *("--include-log-monitor=false", *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(path for path in paths if path),
                    "NODE": name,  # so that work can say where it is done
                    "RAY_health_check_period_ms": "500",  # a lost node is noticed within seconds
                    "RAY_health_check_timeout_ms": "2000",
                    **environment,
                },
            )

    def wait(self) -> None:
        """Wait until it is part of the cluster."""
        deadline = time.monotonic() + PATIENCE
        while "Ray runtime started" not in self._log.read_text(encoding="utf-8"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the node does not start:\n{self._log.read_text(encoding='utf-8')}")
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """The processes of the node that have not ended."""
        return [pid for pid, session, state in _processes() if session == self._process.pid and state != "Z"]

    def kill(self) -> None:
        """Kill every process of the node at once, as when a machine loses its power."""
        deadline = time.monotonic() + PATIENCE
        while left := self.processes():
            assert time.monotonic() < deadline, f"{left} cannot be killed"
            for pid in left:
                _kill(pid)
            time.sleep(0.01)
        self._process.wait()


class RayCluster:
    """A head, which does no work, and nodes of one core.

    Attributes:
        address: what `--address` takes.
        nodes: those that have been started and not been removed.
    """

    def __init__(self, folder: Path) -> None:
        """Start the head; `add_node` adds nodes, and `stop` must be called whatever happens.

        Args:
            folder: for everything that Ray writes; its path is short, since Ray's sockets lie in it.
        """
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._joined = f"{_HERE}:{port}"
        self.nodes: list[RayNode] = []
        arguments = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", "--no-monitor"]
        self.head = RayNode("head", folder, arguments, {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"})

    def add_node(self, environment: Mapping[str, str] | None = None) -> RayNode:
        """Start a node of one core; it may take some seconds to join."""
        arguments = [f"--address={self._joined}", "--num-cpus=1"]
        node = RayNode(f"node{len(self.nodes)}", self._folder, arguments, environment or {})
        self.nodes.append(node)
        return node

    def processes(self) -> list[int]:
        """All processes of the cluster that have not ended."""
        return [pid for node in (self.head, *self.nodes) for pid in node.processes()]

    def stop(self) -> None:
        """End every process of the cluster."""
        for node in (*self.nodes, self.head):
            node.kill()


@contextmanager
def ray_cluster(nodes: int = 2) -> Iterator[RayCluster]:
    """A cluster that is there when the context is entered, and gone when it is left."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder))
        try:
            for _ in range(nodes):
                cluster.add_node()
            for node in (cluster.head, *cluster.nodes):
                node.wait()
            yield cluster
        finally:
            cluster.stop()


def listening_addresses(processes: list[int]) -> set[str]:
    """The addresses, as the kernel writes them, on which these processes listen for TCP connections."""
    inodes = {inode for pid in processes for inode in _socket_inodes(pid)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                found.add(local.partition(":")[0])
    return found


def _socket_inodes(pid: int) -> Iterator[str]:
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            kind, _, number = str(descriptor.readlink()).partition(":")
            if kind == "socket":
                yield number.strip("[]")
    except (FileNotFoundError, ProcessLookupError):
        return  # it has ended meanwhile


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, session and state of each process of this machine."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(path.parent.name), int(after_name[3]), after_name[0]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
