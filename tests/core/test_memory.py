"""How much memory may be used: the least of what machine, container and process may, as Linux tells it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from iclscope.core.memory import free_memory, is_out_of_memory, usable_memory

GB = 2**30
Usable = Callable[[], int]


def write(path: Path, text: str | int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")


@pytest.fixture
def usable(tmp_path: Path) -> Usable:
    """What may be used on a machine with 8 GiB to give, whose other files are in the folder."""
    write(tmp_path / "meminfo", f"MemTotal:  16777216 kB\nMemFree:  1024 kB\nMemAvailable:   {8 * 2**20} kB")

    def asked() -> int:
        names = {name: tmp_path / name for name in ("meminfo", "cgroups", "mounted", "statm")}
        return usable_memory(**names)

    return asked


def test_without_limits_it_is_what_the_machine_has_to_give(usable: Usable) -> None:
    assert usable() == 8 * GB


@pytest.mark.parametrize("path", ["/", "/jobs/mine", "/docker/not-seen-from-within", "/../../other"])
def test_cgroup_version_2(path: str, usable: Usable, tmp_path: Path) -> None:
    write(tmp_path / "cgroups", f"0::{path}")
    inner = tmp_path / "mounted" / ("jobs/mine" if path == "/jobs/mine" else "")
    write(inner / "memory.max", 3 * GB)
    write(inner / "memory.current", 2 * GB)
    assert usable() == GB
    write(inner / "memory.stat", f"anon 5\ninactive_file {GB // 2}\nactive_file 9")
    assert usable() == GB + GB // 2
    write(inner / "memory.max", "max")
    assert usable() == 8 * GB


def test_the_tightest_cgroup_around_counts(usable: Usable, tmp_path: Path) -> None:
    write(tmp_path / "cgroups", "0::/outer/inner")
    for folder, most in (("outer", 2 * GB), ("outer/inner", 5 * GB)):
        write(tmp_path / "mounted" / folder / "memory.max", most)
        write(tmp_path / "mounted" / folder / "memory.current", GB)
    assert usable() == GB


def test_cgroup_version_1(usable: Usable, tmp_path: Path) -> None:
    write(tmp_path / "cgroups", "11:cpu,cpuacct:/x\n9:memory:/docker/abc\n1:name=systemd:/")
    folder = tmp_path / "mounted" / "memory"
    write(folder / "memory.limit_in_bytes", 4 * GB)
    write(folder / "memory.usage_in_bytes", 3 * GB)
    write(folder / "memory.stat", f"inactive_file 7\ntotal_inactive_file {GB}")
    assert usable() == 2 * GB
    write(folder / "memory.limit_in_bytes", 9223372036854771712)  # no limit
    assert usable() == 8 * GB


def test_more_used_than_allowed_leaves_nothing(usable: Usable, tmp_path: Path) -> None:
    write(tmp_path / "cgroups", "0::/")
    write(tmp_path / "mounted" / "memory.max", GB)
    write(tmp_path / "mounted" / "memory.current", 2 * GB)
    assert usable() == 0


def test_the_limit_of_the_process(usable: Usable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 * GB, resource.RLIM_INFINITY))
    write(tmp_path / "statm", f"{GB // resource.getpagesize()} 5 5 5 0 5 0")
    assert usable() == 2 * GB


def test_without_proc_it_is_the_memory_of_the_machine(tmp_path: Path) -> None:
    missing = {name: tmp_path / name for name in ("meminfo", "cgroups", "mounted", "statm")}
    assert usable_memory(**missing) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_files_of_another_shape_are_passed_over(usable: Usable, tmp_path: Path) -> None:
    write(tmp_path / "cgroups", "nonsense\n0::/\n:::\n")
    write(tmp_path / "mounted" / "memory.max", "-5")
    write(tmp_path / "mounted" / "memory.current", "many")
    assert usable() == 8 * GB


def test_here_it_is_something() -> None:
    assert 2**20 < usable_memory() < 2**50


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ],
)
def test_errors_of_too_little_memory(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_what_libraries_really_raise() -> None:
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**50)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**50)
    assert is_out_of_memory(of_torch.value)
    assert is_out_of_memory(of_numpy.value)


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("shared memory of the task"), OSError("full")]
)
def test_other_errors(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_memory_can_be_given_back_where_there_is_no_gpu() -> None:
    free_memory("cpu")
