"""What stops work: a bad request, a place for results, a cluster that fails; and what failed beside other work."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import PurePath

from iclscope.core.addresses import shown_address, without_secrets


class BadRequest(ValueError):
    """A request that cannot be honoured.

    The message is one line that names the option, the value that was given and what is allowed. The command
    line prints it and exits with status 2; nothing has been computed or written by then. Like those of the other errors
    here, it hides what is secret in addresses.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class StorageFailed(OSError):
    """Results could not be written or read: a full disk, a lost connection, a folder that was taken away.

    The message is one line that names the place and the reason. What had been finished by then is kept; the command
    line prints the message and exits with status 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class Notice(UserWarning):
    """What a user should know and need not mend; the command line shows it in one line."""


class ClusterFailed(RuntimeError):
    """A cluster could not go on with its work: it was shut down, or lost the same work again and again.

    The message is one line. What had been finished by then is kept; the command line prints the message and exits with
    status 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class JobsFailed(RuntimeError):
    """Parts of the work failed, each for a reason of its own; all else was done and kept.

    The message is one line that names them and the first reason. The same request does only these again.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


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
        value = shown_address(str(value)) if isinstance(value, (str, PurePath)) else value
        raise BadRequest(f"{option} = {value!r} is not allowed; allowed: {allowed}")


def require_finite(values: Iterable[tuple[str, float | None]]) -> None:
    """Refuse NaN and infinite numbers among ``(option, value)`` pairs; None means "not given" and passes.

    Raises:
        BadRequest: naming the first option whose value is not finite.
    """
    for option, value in values:
        require(value is None or math.isfinite(value), option, value, "a finite number")
