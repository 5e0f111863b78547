"""The one error that means: the request, not the program, is at fault."""

from __future__ import annotations

import math
from collections.abc import Iterable


class BadRequest(ValueError):
    """A request that cannot be honoured.

    The message is one line that names the option, the value that was given and what is allowed. The command
    line prints it and exits with status 2; nothing has been computed or written by then.
    """


def require(condition: bool, option: str, value: object, allowed: str) -> None:
    """Refuse a request unless ``condition`` holds.

    Args:
        condition: what must be true.
        option: the name of the option at fault, as the user writes it.
        value: what was given.
        allowed: what would have been accepted, in words.

    Raises:
        BadRequest: if ``condition`` is false.
    """
    if not condition:
        raise BadRequest(f"{option} = {value!r} is not allowed; allowed: {allowed}")


def require_finite(values: Iterable[tuple[str, float | None]]) -> None:
    """Refuse NaN and infinite numbers among ``(option, value)`` pairs; None means "not given" and passes.

    Raises:
        BadRequest: naming the first option whose value is not finite.
    """
    for option, value in values:
        require(value is None or math.isfinite(value), option, value, "a finite number")
