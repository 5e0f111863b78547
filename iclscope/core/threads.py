"""How many threads a tensor operation may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """Run tensor operations on one thread each, and restore PyTorch's number afterwards.

    Our operations are small. Measured on two cores: a second thread inside an operation hardly helps when the machine
    is idle, and as soon as another process wants a core the threads wait for each other at every operation, which
    made a training thirty times as slow. Whole groups of runs side by side use the cores better. Acts on this process's
    CPU operations only; safe to nest, not to enter from several threads at once.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _linear_algebra().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _linear_algebra() -> ThreadpoolController:
    """The libraries behind NumPy and SciPy, whose products compiled code calls; finding them takes milliseconds."""
    import scipy.linalg  # noqa: F401 (loads its library)

    return ThreadpoolController()
