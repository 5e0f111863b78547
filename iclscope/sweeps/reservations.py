"""Who is at work on which group, so that two processes do not do the same at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

from filelock import FileLock, Timeout


class Reservations:
    """Groups that this process has reserved in a local folder.

    A reservation is a lock that the operating system holds: it ends with the process, however that ends, and no clock
    is involved. What is at no address of this machine cannot be locked; there every group is free, and two processes
    may train the same one at the same time, once.
    """

    def __init__(self, folder: Path | None) -> None:
        """Name the folder of the locks; None: nothing can be locked."""
        self._folder = folder
        self._held: dict[str, FileLock] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> bool:
        """Reserve a group; False if another process has it."""
        if self._folder is None:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{name}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        with self._lock:
            self._held[name] = lock
        return True

    def give_back(self, name: str) -> None:
        """End a reservation, if there is one; whoever takes the group next must look whether it is finished."""
        with self._lock:
            lock = self._held.pop(name, None)
        if lock is not None:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def give_all_back(self) -> None:
        """End every reservation."""
        for name in list(self._held):
            self.give_back(name)
