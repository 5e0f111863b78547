"""How the loops of the engine are compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# What may be rounded otherwise than written: sums in another order, fused products. Infinities
# and NaN stay what they are.
_RELAXED = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Function) -> Function:
    """Compile, without the lock of Python; what checks shapes in tests is taken off, for it is not compiled.

    The machine code is kept beside the package, or in the user's cache, so that a second process starts at once.
    """
    plain = inspect.unwrap(function)
    try:
        made = numba.njit(nogil=True, cache=True, fastmath=_RELAXED)(plain)
    except RuntimeError:  # neither place can be written to
        made = numba.njit(nogil=True, fastmath=_RELAXED)(plain)
    return cast("Function", made)


def inlined(function: Function) -> Function:
    """For a part of a compiled function, written out where it is called: a call would count references to its arrays.

    That is cheap once and dear for every prompt.
    """
    return cast("Function", numba.njit(inline="always", fastmath=_RELAXED)(inspect.unwrap(function)))
