"""What all benchmarks share: one line per finding at the end, as rows of the tables in docs/performance.md."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import numba
import pytest
import torch
from threadpoolctl import threadpool_limits

FINDINGS = pytest.StashKey[list[str]]()


@pytest.fixture
def finding(request: pytest.FixtureRequest) -> Callable[[str, object, object], None]:
    """Note what was measured: what, the figure, the aim."""
    rows = request.config.stash.setdefault(FINDINGS, [])

    def note(what: str, measured: object, aim: object = "") -> None:
        rows.append(f"| {what} | {measured} | {aim} |")

    return note


@pytest.fixture(autouse=True)
def _one_thread_per_operation() -> Iterator[None]:
    import scipy.linalg  # noqa: F401 (its library is to be limited too)

    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        yield


def spread(values: list[float]) -> str:
    """Median, and the smallest and largest."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the findings and the machine."""
    terminalreporter.section("findings")
    for row in ["| what | measured | aim |", "|---|---|---|", *config.stash.get(FINDINGS, [])]:
        terminalreporter.write_line(row)
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = f"{len(names)} × {names[0].split(':')[1].strip()}" if names else cpu
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}, Numba {numba.__version__}"
    terminalreporter.write_line(f"{cpu}, {versions}")
