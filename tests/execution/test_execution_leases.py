"""Leases: groups at an address elsewhere are trained by one at a time, and a holder that dies delays nobody forever."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sweeps.s3_server import S3Server, s3_server

from iclscope.core.errors import StorageFailed
from iclscope.execution.stores import leases as leases_module
from iclscope.execution.stores.leases import LOOK_AGAIN, PATIENCE, Leases
from iclscope.execution.stores.store_files import StoreFiles


class Clock:
    """Time as a watcher measures it, which passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases_module, "time", clock)
    return clock


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["s3", "memory"])
def address(request: pytest.FixtureRequest) -> str:
    """A place of its own for each test."""
    if request.param == "s3":
        request.getfixturevalue("server")
    return f"{request.param}://sweeps/{request.node.originalname}"


class Elsewhere(Leases):
    """Leases of another machine: nobody here can see whether it lives."""

    def __init__(self, address: str) -> None:
        super().__init__(StoreFiles(address), "reserved")

    def files(self) -> list[str]:
        return self._files.names("reserved")

    def die(self) -> None:
        """End without a word."""
        self._ended.set()
        if self._alive is not None:
            Path(self._alive.lock_file).unlink()


def test_a_group_is_taken_by_one_at_a_time(address: str, clock: Clock) -> None:
    one, other = Elsewhere(address), Elsewhere(address)
    assert one.take("a")
    assert not other.take("a")
    assert other.take("b")
    assert other.files() == ["reserved/a.0", "reserved/b.0"]
    one.release("a")
    assert not other.take("a"), "looked at just now"
    clock.now += LOOK_AGAIN
    assert other.take("a")
    one.release_all()
    other.release_all()
    assert one.files() == []


def test_a_lease_says_whose_it_is(address: str) -> None:
    one = Elsewhere(address)
    assert one.take("a")
    text = StoreFiles(address).read("reserved/a.0").decode()
    assert text.startswith("iclscope: ")
    assert ", process " in text
    one.release_all()


def test_one_that_is_kept_is_never_taken_over(address: str, clock: Clock) -> None:
    one, other = Elsewhere(address), Elsewhere(address)
    assert one.take("a")
    for _ in range(5):
        assert not other.take("a")
        clock.now += PATIENCE + 1
        one.keep()
    one.release_all()
    clock.now += LOOK_AGAIN
    assert other.take("a")
    other.release_all()


def test_one_whose_holder_is_gone_is_taken_over_by_one_other(address: str, clock: Clock) -> None:
    gone, other, third = (Elsewhere(address) for _ in range(3))
    assert gone.take("a")
    gone.die()
    assert not other.take("a")
    assert not third.take("a")
    clock.now += PATIENCE - 1
    assert not other.take("a")
    clock.now += 2
    assert other.take("a")
    clock.now += LOOK_AGAIN
    assert not third.take("a"), "a watcher begins anew with the lease of another holder"
    assert third.files() == ["reserved/a.0", "reserved/a.1"]
    other.release_all()
    assert third.files() == []
    clock.now += LOOK_AGAIN
    assert third.take("a")
    third.release_all()


def test_a_slow_holder_takes_nothing_from_its_successor(address: str, clock: Clock) -> None:
    slow, other, third = (Elsewhere(address) for _ in range(3))
    assert slow.take("a")
    assert not other.take("a")
    clock.now += PATIENCE + 1
    assert other.take("a")
    slow.keep()
    slow.release("a")
    slow.keep()
    assert other.files() == ["reserved/a.1"]
    assert not third.take("a")
    other.release_all()
    assert third.files() == []
    slow.release_all()


def test_a_clock_that_stood_still_takes_nothing_over(address: str, clock: Clock) -> None:
    """A watcher that slept for an hour, as a laptop does, sees that the text has changed since."""
    one, sleeper = Elsewhere(address), Elsewhere(address)
    assert one.take("a")
    assert not sleeper.take("a")
    one.keep()
    clock.now += 3600
    assert not sleeper.take("a")
    one.release_all()


def test_an_answer_that_was_lost_is_asked_for_again(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sends the request again, and is told that the file is there: it is ours."""
    one, create = Elsewhere(address), StoreFiles.create

    def lost(files: StoreFiles, name: str, content: bytes) -> bool:
        return create(files, name, content) and name.rpartition("/")[2].startswith(".")

    monkeypatch.setattr(StoreFiles, "create", lost)
    assert one.take("a")
    one.release_all()
    assert one.files() == []


class Careless(MemoryFileSystem):  # type: ignore[misc]
    """A place where a file that is there can be made again."""

    protocol = "careless"
    store: dict[str, Any] = {}  # noqa: RUF012 (as that of its parent)
    pseudo_dirs = [""]  # noqa: RUF012

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        return super()._open(path, mode.replace("x", "w"), **more)


class Unable(Careless):
    """A place that knows no such request."""

    protocol = "unable"

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        if "x" in mode:
            raise NotImplementedError("File mode not supported")
        return super()._open(path, mode, **more)


@pytest.mark.parametrize("kind", [Careless, Unable])
def test_a_place_that_promises_nothing_leaves_every_group_free_and_that_is_said_once(kind: Any) -> None:
    fsspec.register_implementation(kind.protocol, kind, clobber=True)
    told: list[str] = []
    one, other = Elsewhere(f"{kind.protocol}://sweeps"), Elsewhere(f"{kind.protocol}://sweeps")
    one.on_notice = told.append
    assert all(one.take(name) for name in ("a", "b"))
    with pytest.warns(UserWarning, match="cannot keep two processes"):
        assert other.take("a")
    (line,) = told
    assert line.startswith(f"{kind.protocol}://sweeps cannot keep two processes from training the same group")
    assert one.files() == []


DYING = """
import os, sys, time
from iclscope.execution.stores.leases import Leases
from iclscope.execution.stores.store_files import StoreFiles
print(Leases(StoreFiles(sys.argv[1]), "reserved").take("a"), flush=True)
time.sleep(600)
"""


def test_a_process_of_this_machine_that_was_killed_delays_nobody(server: S3Server) -> None:
    address = "s3://sweeps/killed"
    other = Elsewhere(address)
    with subprocess.Popen([sys.executable, "-c", DYING, address], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        assert not other.take("a")
        process.send_signal(signal.SIGKILL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases_module, "LOOK_AGAIN", 0.0)
        assert other.take("a")
    other.release_all()


RACING = """
import sys
from iclscope.execution.stores import leases
from iclscope.execution.stores.store_files import StoreFiles
leases.LOOK_AGAIN = 1e9
mine = leases.Leases(StoreFiles(sys.argv[1]), "reserved")
mine.take("begin")
print("ready", flush=True)
sys.stdin.readline()
print(*(number for number in range(40) if mine.take(f"group{number}")), flush=True)
sys.stdin.readline()
mine.release_all()
"""


def test_of_two_processes_one_alone_takes_each_group(server: S3Server) -> None:
    command, pipe = [sys.executable, "-c", RACING, "s3://sweeps/race"], subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as one,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as two,
    ):
        for process in (one, two):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        taken = []
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in (one, two):
            assert process.stdout is not None
            taken += process.stdout.readline().split()
        for process in (one, two):
            process.communicate("\n")
    assert sorted(map(int, taken)) == list(range(40)), "each by one, and none by both"
    assert StoreFiles("s3://sweeps/race").names("reserved") == []


def test_a_place_that_is_gone_ends_the_work_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with s3_server() as server:
        one = Elsewhere("s3://sweeps/x")
        assert one.take("a")
        server.process.kill()
        with pytest.raises(StorageFailed, match=r"s3://sweeps/x failed: [^\n]*$"):
            one.take("b")
        one.keep()
        one.release_all()
