"""Whether a Ray cluster answers at an address, found out in bounded time: Ray itself may wait for minutes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from types import ModuleType

from iclscope.core.addresses import shown_address, without_secrets
from iclscope.core.errors import BadRequest, refused, unusable

AUTO = "auto"
"""Stands for the cluster that RAY_ADDRESS names, or else the one that was started last on this machine."""

_SCHEME = "ray://"

_CONNECT = 5.0
"""Seconds that a machine has to accept a connection."""

_LOOPBACK = ("127.0.0.1", "localhost")

# Ray takes the two names above for this machine's address in its network, and leaves this spelling alone.
_REALLY_LOOPBACK = "LOCALHOST"

_TRIAL = """
import sys, ray
try:
    ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
except Exception as error:
    sys.exit("\\0" + str(error))
"""


def import_ray() -> ModuleType:
    """The package ray, which is an extra.

    Raises:
        BadRequest: if it is not installed, with the command that installs it.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise unusable("--engine", "ray", "ray is not installed; run pip install 'iclscope[ray]'") from error
    module: ModuleType = ray
    return module


def bad_address(address: str, why: str) -> BadRequest:
    """The refusal of an address, without what is secret in it, also where the reason repeats that."""
    whole = address if "://" in address else f"{_SCHEME}{address}"
    reason = without_secrets(" ".join(why.split()), whole)
    expected = f"HOST:PORT of the head of a running Ray cluster that this machine belongs to, or {AUTO}; {reason}"
    return refused("--address", shown_cluster(address), expected)


def shown_cluster(address: str) -> str:
    """The address of a cluster, which has a scheme or none, without what is secret in it."""
    return shown_address(address) if "://" in address else shown_address(f"{_SCHEME}{address}").removeprefix(_SCHEME)


def check_address(address: str, *, patience: float = 20.0) -> str:
    """Join the cluster at an address, in a process of its own, and leave it.

    Args:
        address: HOST:PORT, or "auto".
        patience: seconds that a cluster has to let us in.

    Returns:
        The address as `ray.init` must be given it.

    Raises:
        BadRequest: if there is no cluster, this machine is no node of it, or it has other versions of Ray or Python;
            5 seconds after `patience` at most.
    """
    named = os.environ.get("RAY_ADDRESS") or AUTO if address == AUTO else address
    where = AUTO if named == AUTO else _answering(named)
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRIAL, where], capture_output=True, text=True, check=False, timeout=patience
        )
    except subprocess.TimeoutExpired:
        why = (
            "what answers there is no Ray cluster, or one that this machine is no node of, or that wants another token"
        )
        raise bad_address(named, why) from None
    if tried.returncode:
        why = tried.stderr.rpartition("\0")[2].strip() or f"joining it ended with status {tried.returncode}"
        raise bad_address(named, why)
    return where


def _answering(address: str) -> str:
    """The address, its host changed to the one that accepts connections there if it stands for this machine."""
    parts = re.fullmatch(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})", address)
    if parts is None or not 0 < int(parts["port"]) < 2**16:
        raise bad_address(address, "it is no HOST:PORT")
    host, port = parts["host"], int(parts["port"])
    hosts = (_REALLY_LOOPBACK, import_ray().util.get_node_ip_address()) if host in _LOOPBACK else (host,)
    why = ""
    for candidate in hosts:
        try:
            socket.create_connection((candidate.strip("[]"), port), timeout=_CONNECT).close()
        except OSError as error:
            why = why or f"nothing answers there ({error.strerror or error})"
        else:
            return f"{candidate}:{port}"
    raise bad_address(address, why)
