"""Who is at work on which group at an address elsewhere, where no operating system holds a lock for us.

    reserved/NAME.0    a lease of group NAME: who holds it, and a text that changes while they do
    reserved/NAME.1    the lease of whoever took the group over from a holder that was gone

Leases rest on one thing that a place must offer: of several that make the same file, one succeeds
(`StoreFiles.create`). Only its holder writes to a lease. It does so every `BEAT` seconds, and removes it at the end.
A lease outlives a holder that dies, so the others watch: one whose text stays the same for `PATIENCE` seconds, by
their own clock, is left, and they make the next one. No two clocks are compared, and nothing that is stored depends on
any. A holder that was only slow, or cut off, goes on all the same: then two train one group, once, and store it twice.
"""

from __future__ import annotations

import os
import re
import socket
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from iclscope.core.errors import StorageFailed
from iclscope.execution.stores.store_files import StoreFiles

BEAT = 30.0
"""Seconds after which a holder changes the text of its leases."""
PATIENCE = 300.0
"""Seconds without such a change after which a lease is left."""
LOOK_AGAIN = 2.0
"""Seconds for which a lease of somebody else is not looked at again, so that waiting costs few requests."""

_ID = re.compile(r"\b[0-9a-f]{32}\b")


class Leases:
    """Groups that this process has reserved at an address elsewhere.

    Attributes:
        on_notice: called once with a message if the store cannot stop two processes from creating the same file, so
            that every group counts as free; by default a warning.
    """

    def __init__(self, files: StoreFiles, folder: str) -> None:
        """Name the place; nothing is read or written yet.

        Args:
            files: the store.
            folder: of the leases there.
        """
        self.on_notice: Callable[[str], None] = warned
        self._files, self._folder = files, folder
        self._id = uuid.uuid4().hex
        self._held: dict[str, str] = {}
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._looked_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._begun: bool | None = None
        self._alive: FileLock | None = None

    def take(self, name: str) -> bool:
        """Reserve a group; False if another process has it.

        Raises:
            StorageFailed: if the place cannot be read or written to.
        """
        if self._begun is None:
            self._begun = self._begin()
        now = time.monotonic()
        if not self._begun:
            return True
        if now - self._looked_at.get(name, -LOOK_AGAIN) < LOOK_AGAIN:
            return False
        self._looked_at[name] = now
        last = max(self._numbers(name), default=-1)
        if last >= 0 and not self._is_left(self._file(name, last), now):
            return False
        file, content = self._file(name, last + 1), self._content()
        # A client that got no answer asks again, and is then refused for what it made itself.
        if not self._files.create(file, content) and self._read(file) != content:
            return False
        with self._lock:
            self._held[name] = file
        return True

    def release(self, name: str) -> None:
        """End a reservation, if there is one; whoever takes the group next must look whether it is finished."""
        with self._lock:
            file = self._held.pop(name, None)
        if file is None:
            return
        own = int(file.rpartition(".")[2])
        for number in sorted(self._numbers(name)):  # the last one last: it speaks for those before it
            if number <= own:
                self._files.remove(self._file(name, number))
        self._looked_at.pop(name, None)

    def release_all(self) -> None:
        """End every reservation, as far as the place can be reached; what is left there is taken over in time."""
        self._ended.set()
        with suppress(StorageFailed):
            for name in list(self._held):
                self.release(name)
        if self._alive is not None:
            Path(self._alive.lock_file).unlink(missing_ok=True)
            self._alive.release()
        self._begun = self._alive = None

    def _begin(self) -> bool:
        """See what the place offers, and begin to keep leases alive; returns whether there can be any."""
        if not self._is_exclusive():
            self.on_notice(
                f"{self._files.address} cannot keep two processes from training the same group at the same time; what "
                "they store is whole all the same"
            )
            return False
        with suppress(OSError, Timeout, NotImplementedError):
            self._alive = FileLock(_lock_of(self._id), thread_local=False)
            self._alive.acquire(timeout=0)
        self._ended = threading.Event()
        threading.Thread(target=self._beat, args=(self._ended,), daemon=True).start()
        return True

    def _is_exclusive(self) -> bool:
        """Whether one file cannot be made twice; some clients take such a request for an ordinary one."""
        name = f"{self._folder}/.{uuid.uuid4().hex}"
        try:
            made = [self._files.create(name, b"") for _ in range(2)]
            self._files.remove(name)
        except StorageFailed:  # of a place that is not there the next request will tell
            return False
        return made == [True, False]

    def keep(self) -> None:
        """Show that this process is still at work on what it holds."""
        for name, file in list(self._held.items()):
            with self._lock, suppress(StorageFailed):  # the place may come back before the others' patience ends
                if self._held.get(name) == file:
                    self._files.write(file, self._content())

    def _beat(self, ended: threading.Event) -> None:
        while not ended.wait(BEAT):
            self.keep()

    def _content(self) -> bytes:
        return f"iclscope: {socket.gethostname()}, process {os.getpid()}, {self._id} {uuid.uuid4()}\n".encode()

    def _file(self, name: str, number: int) -> str:
        return f"{self._folder}/{name}.{number}"

    def _numbers(self, name: str) -> list[int]:
        """The leases of a group, of which the last one counts."""
        found = (file.removeprefix(f"{self._folder}/{name}.") for file in self._files.names(self._folder))
        return [int(rest) for rest in found if rest.isdecimal()]

    def _read(self, file: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return self._files.read(file)
        return None

    def _is_left(self, file: str, now: float) -> bool:
        """Whether the holder of a lease is gone."""
        content = self._read(file)
        if content is None:  # given back just now: next time it is free
            return False
        if self._seen.get(file, (None, 0.0))[0] != content:
            self._seen[file] = (content, now)
        return now - self._seen[file][1] > PATIENCE or _has_died_here(content)


def warned(text: str) -> None:
    """Say that something is not guarded, as a warning."""
    warnings.warn(text, UserWarning, stacklevel=4)


def _lock_of(holder: str) -> Path:
    """A file that a holder of leases keeps locked on its own machine while it lives."""
    return Path(tempfile.gettempdir()) / f"iclscope-{holder}.lock"


def _has_died_here(content: bytes) -> bool:
    """Whether a lease is of a process of this machine that has ended; False where that cannot be told."""
    found = _ID.search(content.decode("ascii", "replace"))
    path = None if found is None else _lock_of(found[0])
    if path is None or not path.is_file():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (OSError, Timeout, NotImplementedError):
        return False
    lock.release()
    return True
