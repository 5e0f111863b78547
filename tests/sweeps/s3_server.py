"""An S3 server on loopback, that of moto, as a process of its own; what it holds is gone with it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import s3fs

KEY, SECRET = "sweepers-key", "of-chimneys"


class S3Server(NamedTuple):
    """A running server.

    Attributes:
        process: its process.
        settings: the environment variables that lead to it.
    """

    process: subprocess.Popen[bytes]
    settings: dict[str, str]

    @property
    def first(self) -> str:
        """Python that a process of its own runs first, to be led to it."""
        return f"import os; os.environ.update({self.settings!r})"

    def files(self) -> s3fs.S3FileSystem:
        """What it holds, by a client of its own."""
        return s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=self.settings["AWS_ENDPOINT_URL"], skip_instance_cache=True
        )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with an empty bucket ``sweeps``; this process is led to it meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(command, stdout=quiet, stderr=quiet) as process,
        pytest.MonkeyPatch.context() as patch,
    ):
        try:
            for name, value in settings.items():
                patch.setenv(name, value)
            s3fs.S3FileSystem.clear_instance_cache()
            server = S3Server(process, settings)
            wait_for(port)
            server.files().mkdir("sweeps")
            yield server
        finally:
            process.kill()
            s3fs.S3FileSystem.clear_instance_cache()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the server does not come"
            time.sleep(0.05)
        else:
            return
