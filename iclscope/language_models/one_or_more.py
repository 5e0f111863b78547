"""Settings that are several of a kind, of which a caller may give one alone."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

Kind = TypeVar("Kind")


def one_or_more(value: Any) -> Any:
    """A single number or word as a tuple of one, several as a tuple; anything else as it is, to be refused.

    A text is one word: its characters are not several. True and false are no numbers.
    """
    if isinstance(value, (str, Real)) and not isinstance(value, bool):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, bytes) else value


OneOrMore = Annotated[tuple[Kind, ...], BeforeValidator(one_or_more)]
"""The type of such a setting: ``shots: OneOrMore[int]``."""
