"""What stops work: a bad request, a place for results, a cluster that fails; and what failed beside other work."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import PurePath
from typing import NamedTuple

from iclscope.core.addresses import shown_address, without_secrets


class Refusal(NamedTuple):
    """What is wrong with one option.

    Attributes:
        option: its name, as the user writes it.
        got: the value that was given, as it is shown.
        expected: what would have been accepted, in words; empty if a reason says all.
        reason: what else there is to say.
        where: at which of many settings, for instance "at task.alpha = 2"; may be empty.
    """

    option: str
    got: str
    expected: str = ""
    reason: str = ""
    where: str = ""

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        if not self.expected:
            return f"{self.option} = {self.got}: {self.reason}{where}"
        reason = f"; {self.reason}" if self.reason else ""
        return f"{self.option}: expected {self.expected}, got {self.got}{reason}{where}"


class BadRequest(ValueError):
    """A request that cannot be honoured.

    The message is one line that names the option, what was expected and what was got. The command line prints it and
    exits with status 2; nothing has been computed or written by then. Like those of the other errors here, it hides
    secrets in addresses.

    Attributes:
        refusal: the same in parts; None where no single option is at fault.
    """

    def __init__(self, message: str | Refusal) -> None:
        self.refusal = message if isinstance(message, Refusal) else None
        super().__init__(without_secrets(str(message)))

    def at(self, option: str) -> BadRequest:
        """The same refusal of an option of another name, for instance with its place in a file."""
        return BadRequest(f"{option}: {self}" if self.refusal is None else self.refusal._replace(option=option))


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


class Verbatim(str):
    """A value that errors show as it is, without quotes."""

    __slots__ = ()

    __repr__ = str.__str__


def refused(option: str, value: object, expected: str) -> BadRequest:
    """The error for a value that is not what was expected: ``--seeds: expected at least 2, got 1``.

    Args:
        option: the name of the option at fault, as the user writes it.
        value: what was given.
        expected: what would have been accepted, in words; behind a semicolon, what else there is to say.
    """
    expected, _, reason = expected.partition("; ")
    return BadRequest(Refusal(option, _shown(value), expected, reason))


def unusable(option: str, value: object, reason: str) -> BadRequest:
    """The error for a value that does not work, and why: ``--out = 'x': permission denied``."""
    return BadRequest(Refusal(option, _shown(value), reason=reason))


def one_of_these(names: Iterable[str]) -> str:
    """Names as what is expected: ``one of auto, cpu, cuda``."""
    listed = list(names)
    return f"one of {', '.join(listed)}" if len(listed) > 1 else ", ".join(listed)


def require(condition: bool, option: str, value: object, expected: str) -> None:
    """Refuse a request unless ``condition`` holds.

    Args:
        condition: what must be true.
        option: the name of the option at fault, as the user writes it.
        value: what was given.
        expected: what would have been accepted, in words.

    Raises:
        BadRequest: if ``condition`` is false.
    """
    if not condition:
        raise refused(option, value, expected)


def require_one_of(option: str, value: object, names: Iterable[str]) -> None:
    """Refuse a name that is none of those that are known.

    Args:
        option: the name of the option at fault, as the user writes it.
        value: what was given.
        names: what would have been accepted.

    Raises:
        BadRequest: listing them.
    """
    known = list(names)
    require(value in known, option, value, one_of_these(known))


def _shown(value: object) -> str:
    quoted = isinstance(value, (str, PurePath)) and not isinstance(value, Verbatim)
    return repr(shown_address(str(value)) if quoted else value)


def require_finite(values: Iterable[tuple[str, float | None]]) -> None:
    """Refuse NaN and infinite numbers among ``(option, value)`` pairs; None means "not given" and passes.

    Raises:
        BadRequest: naming the first option whose value is not finite.
    """
    for option, value in values:
        require(value is None or math.isfinite(value), option, value, "a finite number")
