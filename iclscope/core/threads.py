"""How many threads a tensor operation may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from typing import Any

import torch
from threadpoolctl import ThreadpoolController


class _Limit:
    """How often the block below is entered, by all threads together, and what to restore when the last one leaves."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.entered = 0
        self.before = 0
        self.libraries: AbstractContextManager[Any] | None = None


_LIMIT = _Limit()


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """Run tensor operations on one thread each, and restore PyTorch's number once nobody asks for it any more.

    Our operations are small. Measured on two cores: a second thread inside an operation hardly helps when the machine
    is idle, and as soon as another process wants a core the threads wait for each other at every operation, which
    made a training thirty times as slow. Whole groups of runs side by side use the cores better. Acts on this process's
    CPU operations only; safe to nest, and to enter from several threads at once.
    """
    with _LIMIT.lock:
        if not _LIMIT.entered:
            _LIMIT.before = torch.get_num_threads()
            _LIMIT.libraries = _linear_algebra().limit(limits=1, user_api="blas")
            _LIMIT.libraries.__enter__()
        _LIMIT.entered += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.entered -= 1
            if not _LIMIT.entered:
                torch.set_num_threads(_LIMIT.before)
                assert _LIMIT.libraries is not None
                _LIMIT.libraries.__exit__(None, None, None)


@cache
def _linear_algebra() -> ThreadpoolController:
    """The libraries behind NumPy and SciPy, whose products compiled code calls; finding them takes milliseconds."""
    import scipy.linalg  # noqa: F401 (loads its library)

    return ThreadpoolController()
