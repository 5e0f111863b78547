"""How large the numbers of a prediction may be: beyond, squares and fourth powers leave what float64 can hold."""

from __future__ import annotations

from iclscope.core.errors import require, require_finite

SMALLEST, LARGEST = 1e-6, 1e6


def check_size(option: str, value: float) -> None:
    """Refuse a size that is not positive, or too far from 1.

    Raises:
        BadRequest: naming the option.
    """
    require_finite([(option, value)])
    require(SMALLEST <= value <= LARGEST, option, value, f"positive, {SMALLEST:g} to {LARGEST:g}")
