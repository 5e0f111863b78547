"""What a theorem asks of a setting, and whether a trial meets it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Condition(NamedTuple):
    """One condition of a theorem, beside a trial's value.

    Attributes:
        name: the condition, in the paper's symbols.
        value: what the trial has.
        met: whether it is met; None where the theorem leaves a constant open, so that nobody can say.
        multiple: then how many times what the law asks for, constant 1, the trial has.
        constant: the constant that was taken from a reference.
    """

    name: str
    value: str
    met: bool | None
    multiple: float = math.nan
    constant: float = math.nan


def all_met(conditions: Sequence[Condition]) -> bool:
    """Whether none of the conditions that can be decided is broken."""
    return all(one.met is not False for one in conditions)
