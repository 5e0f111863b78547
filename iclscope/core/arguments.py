"""What callers of the Python API give, checked: one line says what was expected and what was got."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Collection, Iterable, Sequence, Sized
from typing import Any

import numpy as np

from iclscope.core.errors import BadRequest, Refusal, require, require_finite

_LONGEST = 60
"""Characters of a value that a refusal repeats."""
SMALLEST, LARGEST = 1e-6, 1e6
"""Of a number whose squares and fourth powers float64 is to hold."""


def brief(value: object) -> str:
    """What somebody gave, in a few words: ``'2'``, ``4``, ``a TrainingResult``, ``the class Baseline``."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, (bool, numbers.Number, str, bytes)):
        text = " ".join(repr(value).split())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    name = type(value).__name__
    if isinstance(value, Sized) and getattr(value, "ndim", 1) > 0 and len(value) == 0:
        name = f"empty {name}"
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def expect(condition: bool, option: str, value: object, expected: str, hint: str = "") -> None:
    """Refuse a value of the wrong kind.

    Args:
        condition: what must be true of it.
        option: the argument's name.
        value: what was given.
        expected: what would have been accepted, in words.
        hint: what to do instead; a sentence of its own without a full stop.

    Raises:
        BadRequest: if ``condition`` is false.
    """
    if not condition:
        raise BadRequest(Refusal(option, brief(value), expected, hint))


def expect_instance(option: str, value: object, kinds: type | tuple[type, ...], hint: str = "") -> None:
    """Refuse what is of none of some classes.

    Raises:
        BadRequest: naming the classes.
    """
    names = [kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    expect(isinstance(value, kinds), option, value, f"a {' or '.join(names)}", hint)


def one_of(option: str, value: object, allowed: Collection[str]) -> None:
    """Refuse a word that is none of those allowed.

    Raises:
        BadRequest: listing them.
    """
    expect(isinstance(value, str) and value in allowed, option, value, " or ".join(map(repr, allowed)))


def whole_number(option: str, value: Any, *, least: int | None = None) -> int:
    """A whole number as Python's own; NumPy's and PyTorch's will do, ``True``, ``2.0`` and ``"2"`` will not.

    Raises:
        BadRequest: if it is none, or less than ``least``.
    """
    try:
        number = None if _is_boolean(value) else operator.index(value)
    except (TypeError, ValueError):
        number = None
    expect(number is not None, option, value, "a whole number")
    assert number is not None
    require(least is None or number >= least, option, number, f"at least {least}")
    return number


def real_number(option: str, value: Any) -> float:
    """A number as a float; NumPy's, and arrays and tensors that hold one, will do.

    Raises:
        BadRequest: if it is none. NaN and infinities are numbers.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    expect(isinstance(value, numbers.Real) and not isinstance(value, bool), option, value, "a number")
    return float(value)


def boolean(option: str, value: Any) -> bool:
    """True or False; nothing else, since ``"no"`` would be true.

    Raises:
        BadRequest: if it is neither.
    """
    expect(_is_boolean(value), option, value, "True or False")
    return bool(value)


def list_of(option: str, value: Any, things: str) -> list[Any]:
    """The members of a sequence, array or range; a text is none, though Python would take it apart.

    Args:
        option: the argument's name.
        value: what was given.
        things: what its members are, in words: "seeds".

    Raises:
        BadRequest: if it has no members.
    """
    single = isinstance(value, (str, bytes)) or getattr(value, "ndim", 1) == 0
    expect(isinstance(value, Iterable) and not single, option, value, f"a list of {things}")
    return value.tolist() if hasattr(value, "tolist") else list(value)


def seeds_from(value: Any, option: str = "seeds") -> tuple[int, ...]:
    """Seeds, one per run.

    Args:
        value: a number of runs, whose seeds are 0, 1, …; or their seeds.
        option: the argument's name.

    Raises:
        BadRequest: if there is no run, or a seed is no whole number.
    """
    expected = "a number of runs or a list of seeds, whole numbers"
    expect(not isinstance(value, (str, bytes, float, bool)) and value is not None, option, value, expected)
    if hasattr(value, "__index__") and getattr(value, "ndim", 0) == 0:
        return tuple(range(whole_number(option, value, least=1)))
    expect(isinstance(value, Iterable), option, value, expected)
    seeds = tuple(whole_number(option, seed) for seed in list_of(option, value, "seeds"))
    expect(len(seeds) > 0, option, value, "at least one run")
    return seeds


def _is_boolean(value: object) -> bool:
    """Whether a value is a bool, Python's or NumPy's."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool")


def check_size(option: str, value: float) -> None:
    """Refuse a size that is not positive, or too far from 1.

    Raises:
        BadRequest: naming the option.
    """
    require_finite([(option, value)])
    require(SMALLEST <= value <= LARGEST, option, value, f"a number from {SMALLEST:g} to {LARGEST:g}")


def check_covariance(covariance: Sequence[Sequence[float]], d: int, option: str = "covariance") -> None:
    """Refuse a matrix that is no covariance of d inputs.

    Raises:
        BadRequest: if it is not square of size d, finite, symmetric and positive definite.
    """
    rows = [len(row) for row in covariance]
    require(rows == [d] * d, f"rows of {option}", rows, f"{d} of {d} numbers each, as d_X = {d}")
    require_finite([(option, value) for row in covariance for value in row])
    matrix = np.asarray(covariance, dtype=float)
    require(bool(np.allclose(matrix, matrix.T)), option, "given", "a symmetric matrix; this one is not")
    least = float(np.linalg.eigvalsh(matrix)[0])
    require(least > 0, f"smallest eigenvalue of {option}", least, "positive: a covariance is positive definite")
