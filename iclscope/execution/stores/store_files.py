"""Files of a store, in a local folder or at any address that fsspec knows; each is whole or not there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from iclscope.core.addresses import has_secrets, is_address, shown_address, without_secrets
from iclscope.core.errors import BadRequest, StorageFailed, refused, require
from iclscope.core.files import user_path, write_bytes

# Where a file appears when it is complete, whatever its writer does meanwhile; elsewhere files are renamed into place.
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci"})


class StoreFiles:
    """Named files under one address.

    Names are relative, with ``/`` between folders. Reading and writing are safe from several threads and processes.

    Attributes:
        address: as it was given, without what is secret in it (`addresses.shown_address`).
        local: the folder, where it is one on this machine; else None.
    """

    def __init__(self, address: str | Path) -> None:
        """Understand an address; nothing is read or written yet.

        Args:
            address: a folder, or an address such as ``s3://bucket/sweeps`` or ``sftp://host/path``.

        Raises:
            BadRequest: if fsspec does not know the address, or lacks a package for it.
        """
        self.address = shown_address(str(address))
        self._given = str(address)
        if isinstance(address, Path) or "://" not in address:
            # A folder of that name would have the password in its name.
            require(
                isinstance(address, Path) or not is_address(address),
                "store",
                str(address),
                "a folder, or an address that begins with a scheme, as sftp://host/path",
            )
            self._system, self._root = LocalFileSystem(), str(user_path(address, "--store").absolute())
        else:
            self._system, self._root = _found(address)
        # Some clients, those of SFTP say, wait for each other forever when two threads use them at once.
        self._one_at_a_time: AbstractContextManager[Any] = RLock()
        self.local = Path(self._root) if isinstance(self._system, LocalFileSystem) else None

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted, without hidden ones; none if it does not exist."""
        with self._failures(f"reading {self.address}"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path(folder), detail=True)
            except FileNotFoundError:
                return []
        names = [str(entry["name"]).rstrip("/").rpartition("/")[2] for entry in found if entry["type"] == "file"]
        return sorted(f"{folder}/{name}" for name in names if name and not name.startswith("."))

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        if self.local is not None:
            return (self.local / name).is_file()
        with self._failures(f"reading {self.address}"):
            self._system.invalidate_cache()
            return bool(self._system.isfile(self._path(name)))

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: if it is not there.
            StorageFailed: if it cannot be read.
        """
        with self._failures(f"reading {self.address}/{name}"):
            content: bytes = self._system.cat_file(self._path(name))
            return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, in the place of one of that name.

        Raises:
            StorageFailed: if it cannot be written; what was there before is still there.
        """
        with self._failures(f"writing to {self.address}", writes=True):
            if self.local is not None:
                path = self.local / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, content)
                return
            if OBJECT_STORES & self._protocols:
                self._system.pipe_file(self._path(name), content)
                return
            folder, _, last = self._path(name).rpartition("/")
            self._system.makedirs(folder, exist_ok=True)
            temporary_name = f"{folder}/.{last}.{uuid.uuid4().hex}"
            try:
                self._system.pipe_file(temporary_name, content)
                self._system.mv(temporary_name, self._path(name))
            except BaseException:
                if self._system.exists(temporary_name):
                    self._system.rm_file(temporary_name)
                raise

    def create(self, name: str, content: bytes) -> bool:
        """Make a file that is not there; of several that do so at once, the place lets one succeed, if it can.

        Returns:
            Whether it was made; False if there is one of that name.

        Raises:
            StorageFailed: if it cannot be written, or the place cannot be asked so.
        """
        with self._failures(f"writing to {self.address}", writes=True):
            for is_last in (False, True):  # asked again where one was just being removed
                try:
                    self._create(self._path(name), content)
                    break
                except OSError:  # each client has an error of its own for what is there already
                    if self.has(name):
                        return False
                    if is_last:
                        raise
            return True

    def _create(self, path: str, content: bytes) -> None:
        if OBJECT_STORES & self._protocols:
            self._system.pipe_file(path, content, mode="create")
            return
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        with self._system.open(path, "wxb" if "sftp" in self._protocols else "xb") as file:  # as paramiko spells it
            file.write(content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._failures(f"writing to {self.address}", writes=True):
            if self.has(name):
                self._system.rm_file(self._path(name))

    @property
    def _protocols(self) -> set[str]:
        known = self._system.protocol
        return {known} if isinstance(known, str) else set(known)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    @contextmanager
    def _failures(self, doing: str, *, writes: bool = False) -> Iterator[None]:
        """Turn what the file system raises into one line; elsewhere, one thread at a time.

        That a file is not there is an answer to whoever reads; where one writes, a bucket or a folder has gone.
        """
        try:
            with nullcontext() if self.local is not None else self._one_at_a_time:
                yield
        except (BadRequest, StorageFailed):
            raise
        except Exception as error:  # what a server's client raises is its own affair
            if isinstance(error, FileNotFoundError) and not writes:
                if not has_secrets(self._given):
                    raise
                raise FileNotFoundError(without_secrets(_reason(error), self._given)) from None
            if self.local is None or isinstance(error, OSError):
                reason = without_secrets(_reason(error), self._given)
                # What a client says of an address with secrets may repeat them; then it is not shown as the cause.
                raise StorageFailed(f"{doing} failed: {reason}") from (None if has_secrets(self._given) else error)
            raise


def _found(address: str) -> tuple[Any, str]:
    """The file system of an address, and where in it."""
    try:
        system, root = url_to_fs(address)
        return system, str(root)
    except Exception as error:  # noqa: BLE001 (what a server's client raises is its own affair; it is raised again)
        expected = "a folder, or an address that fsspec knows, such as s3://bucket/folder (with the package s3fs)"
        reason = without_secrets(_reason(error), address)
        raise refused("store", address, f"{expected}; {reason}") from (None if has_secrets(address) else error)


def _reason(error: Exception) -> str:
    """Why, in a few words."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
