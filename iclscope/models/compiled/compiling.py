"""How the loops of the engines are compiled, and when machine code of an earlier process may be used again."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite
import numba
import numpy as np
from numba.core import types
from numba.extending import overload

Function = TypeVar("Function", bound=Callable[..., Any])

# What may be rounded otherwise than written: sums in another order, fused products. Infinities
# and NaN stay what they are.
_RELAXED: dict[str, Any] = {"fastmath": {"reassoc", "contract", "arcp", "nsz"}, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Compile, without the lock of Python; what checks shapes in tests is taken off, for it is not compiled.

    The machine code is kept beside the package, or in the user's cache, so that a second process starts at once. It is
    used again only if `source_stamp` is the same; Numba itself asks whether the processor is.
    """
    plain = inspect.unwrap(function)
    try:
        made = numba.njit(nogil=True, cache=True, **_RELAXED)(plain)
    except RuntimeError:  # neither place can be written to
        made = numba.njit(nogil=True, **_RELAXED)(plain)
    else:
        # Numba's stamp is the time and size of the one file in which the function stands, but parts from other files
        # are written out in it (`inlined`). It offers no public way to give another stamp; a test would notice if this
        # one were no longer read.
        kept = cast("Any", made)._cache._cache_file
        kept._source_stamp = source_stamp(plain)
        kept._load_index = partial(_index_if_readable, kept._load_index)
    return cast("Function", made)


def _index_if_readable(load: Callable[[], dict[Any, Any]]) -> dict[Any, Any]:
    """What Numba knows of kept code; nothing where that speaks of types that are no more, for it is of older sources.

    Numba reads the types before it compares the stamps.
    """
    try:
        return load()
    except (AttributeError, ImportError):
        return {}


def inlined(function: Function) -> Function:
    """For a part of a compiled function, written out where it is called: a call would count references to its arrays.

    That is negligible once and expensive per prompt.
    """
    return cast("Function", numba.njit(inline="always", **_RELAXED)(inspect.unwrap(function)))


def by_kind(numbers: Function, pairs: Function, place: int) -> Function:
    """A function that compiled code calls, in two ways: the types of its arguments say which is compiled.

    Args:
        numbers: for an array of real numbers.
        pairs: for an array of words, which are pairs of bfloat16.
        place: of the argument that tells.
    """

    def chosen(*_given: Any) -> Any:
        raise NotImplementedError("only compiled code calls it")

    def choose(*kinds: Any) -> Any:
        return inspect.unwrap(pairs if isinstance(kinds[place].dtype, types.Integer) else numbers)

    options: Any = {"nogil": True, **_RELAXED}
    overload(inspect.unwrap(chosen), jit_options=options, strict=False)(inspect.unwrap(choose))
    return cast("Function", inspect.unwrap(chosen))


def source_stamp(function: Callable[..., Any]) -> str:
    """What the machine code of a function is a function of, but for the types of its arguments and the processor.

    That is the content of all files in its folder and in this one, since they are compiled together; the numbers that
    its file takes from elsewhere; and the versions of Numba, LLVM's binding and NumPy.
    """
    folders = (Path(inspect.getfile(function)).parent, Path(__file__).parent)
    numbers = {name: value for name, value in function.__globals__.items() if isinstance(value, int | float | str)}
    known = sorted((name, repr(value)) for name, value in numbers.items() if not name.startswith("__"))
    versions = (numba.__version__, llvmlite.__version__, np.__version__)
    contents = [hash_of_folder(folder) for folder in folders]
    return hash_of_parts([*contents, *versions, *(part for pair in known for part in pair)])


@cache
def hash_of_folder(folder: Path) -> str:
    """A hash of the names and contents of the Python files in a folder, as they are when it is first asked for.

    Asked once per process: what is edited later has not been imported by this one.
    """
    files = sorted(folder.glob("*.py"))
    return hash_of_parts([part for file in files for part in (file.name, file.read_bytes())])


def hash_of_parts(parts: Iterable[str | bytes]) -> str:
    """A hash of texts in their order; where one ends and the next begins counts."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "big") + content)
    return found.hexdigest()
