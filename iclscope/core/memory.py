"""How much memory this process may still use, and whether an error says that there was too little."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

_TOO_LITTLE = re.compile(
    r"can'?t allocate memory|cannot allocate memory|out of memory|not enough memory|unable to allocate|ALLOC_FAILED",
    re.IGNORECASE,
)
# What a cgroup counts as used and gives back when asked: pages of files. Version 1 has names of its own.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def usable_memory(
    *,
    meminfo: Path = Path("/proc/meminfo"),
    cgroups: Path = Path("/proc/self/cgroup"),
    mounted: Path = Path("/sys/fs/cgroup"),
    statm: Path = Path("/proc/self/statm"),
) -> int:
    """Bytes that this process may still use: of the machine, of its container, and of its own limit.

    The least of what the machine has to give, what the limits of its cgroup and of all around it leave (versions 1 and
    2), and what ``ulimit -v`` leaves. Where nothing of this is told, as on macOS, the memory of the machine.

    Args:
        meminfo: as `/proc/meminfo`.
        cgroups: as `/proc/self/cgroup`: which cgroups this process is in.
        mounted: where cgroups are mounted.
        statm: as `/proc/self/statm`: what this process has already.

    Returns:
        Bytes, 0 or more.
    """
    found = [*_of_machine(meminfo), *_of_cgroups(cgroups, mounted), *_of_limit(statm)]
    return max(0, min(found)) if found else sys.maxsize


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of a GPU or of the machine, did not suffice."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _TOO_LITTLE.search(str(error)) is not None


def free_memory(device: torch.device | str) -> None:
    """Give back what nobody uses any more, so that something smaller has room after an error."""
    gc.collect()
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _of_machine(meminfo: Path) -> Iterator[int]:
    text = _text(meminfo)
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE) if text else None
    if found is not None:
        yield int(found[1]) * 1024
        return
    names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_cgroups(cgroups: Path, mounted: Path) -> Iterator[int]:
    """What each cgroup with a limit leaves: that of this process and those around it."""
    for line in (_text(cgroups) or "").splitlines():
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number == "0" and not kinds:
            yield from _of_one(mounted, path, *_V2)
        elif "memory" in kinds.split(","):
            yield from _of_one(mounted / "memory", path, *_V1)


def _of_one(root: Path, path: str, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    # Within a container the path may be one of the machine outside, and its own cgroup is what is mounted.
    inner = root / path.strip("/")
    inner = inner if inner.is_dir() and ".." not in inner.parts else root
    for folder in (inner, *inner.parents):
        most, used = _number(folder / limit), _number(folder / usage)
        if most is not None and used is not None:
            given_back = re.search(rf"^{reclaimable} (\d+)", _text(folder / "memory.stat") or "", re.MULTILINE)
            yield most - used + (int(given_back[1]) if given_back else 0)
        if folder == root:
            return


def _of_limit(statm: Path) -> Iterator[int]:
    """What ``ulimit -v`` leaves."""
    try:
        import resource  # not on Windows
    except ImportError:
        return
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        pages = (_text(statm) or "").split()
        yield most - (int(pages[0]) * resource.getpagesize() if pages else 0)


def _number(path: Path) -> int | None:
    """The number in a file; None if there is none, as in ``max``."""
    text = (_text(path) or "").strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
