"""Who is at work on which group, so that two processes do not do the same at the same time."""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from iclscope.core.files import storage_failures
from iclscope.execution.stores.leases import Leases, warned
from iclscope.execution.stores.store_files import StoreFiles

_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What file systems answer that have no locks, as some network file systems have none."""


class Reservations:
    """Groups that this process has reserved in a local folder.

    A reservation is a lock that the operating system holds: it ends with the process, however that ends, and no clock
    is involved. On a file system without locks every group is free, and two processes may train the same one at the
    same time, once.

    Attributes:
        on_notice: called once with a message if nothing can be locked; by default a warning.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder of the locks."""
        self.on_notice: Callable[[str], None] = warned
        self._folder = folder
        self._held: dict[str, FileLock] = {}
        self._lock = threading.Lock()
        self._locks: bool | None = None

    def take(self, name: str) -> bool:
        """Reserve a group; False if another process has it."""
        with storage_failures(f"writing to {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._locks is None:
                self._locks = has_locks(self._folder) or self._warn_no_locks()
            if not self._locks:
                return True
            lock = FileLock(self._folder / f"{name}.lock", thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
            except (NotImplementedError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                    raise
                self._locks = self._warn_no_locks()
                return True
        with self._lock:
            self._held[name] = lock
        return True

    def _warn_no_locks(self) -> bool:
        """Say what is not guarded where a file system has no locks; returns that it has none."""
        self.on_notice(
            f"{self._folder} is on a file system without locks: nothing keeps two processes from training the same "
            "group at the same time; what they store is whole all the same"
        )
        return False

    def release(self, name: str) -> None:
        """End a reservation, if there is one; whoever takes the group next must look whether it is finished."""
        with self._lock:
            lock = self._held.pop(name, None)
        if lock is not None:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def release_all(self) -> None:
        """End every reservation."""
        for name in list(self._held):
            self.release(name)


def reservations_at(files: StoreFiles, folder: str) -> Reservations | Leases:
    """What reserves groups in a store: locks in a folder of this machine, leases at an address elsewhere.

    Args:
        files: the store.
        folder: of the reservations there.
    """
    return Leases(files, folder) if files.local is None else Reservations(files.local / folder)


def has_locks(folder: Path) -> bool:
    """Whether files in a folder can be locked.

    Raises:
        OSError: if no file can be made there.
    """
    try:
        import fcntl
    except ImportError:  # Windows locks otherwise, and always can
        return True
    path = folder / f".{uuid.uuid4().hex}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_LOCKS
    else:
        return True
    finally:
        os.close(handle)
        with suppress(OSError):
            path.unlink()
