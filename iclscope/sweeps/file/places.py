"""Where in a sweep file a setting stands that a refusal is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from iclscope.core.errors import BadRequest

_SUBJECT = re.compile(r"[A-Za-z_][\w.+-]*(?:\[\d+\])*")


def subject_of(error: BadRequest) -> str | None:
    """The dotted name of the one setting that a refusal is about; None if it is about none, or several."""
    found = None if error.refusal is None else _SUBJECT.fullmatch(error.refusal.option)
    return found[0] if found else None


def is_of(name: str, settings: Iterable[str]) -> bool:
    """Whether a dotted name is one of these settings, a part of one, or all of which one is a part.

    ``task.shift.S1`` is of ``task.shift``, and the other way round.
    """
    return any(
        name == setting or name.startswith((f"{setting}.", f"{setting}[")) or setting.startswith(f"{name}.")
        for setting in settings
    )


def place_of(
    name: str, base: Mapping[str, Any], vary: Mapping[str, Any], together: Sequence[Mapping[str, Any]]
) -> str | None:
    """What stands before a trial's setting in the file: ``vary``, ``together[0]`` or ``base``; None if it is not there.

    Args:
        name: the setting, ``task.alpha``.
        base: what the file says under each of these names.
        vary: see above.
        together: see above.
    """
    if any(is_of(name, [one.strip() for one in names.split(",")]) for names in vary):
        return "vary"
    for number, group in enumerate(together):
        if is_of(name, group):
            return f"together[{number}]"
    part, _, setting = name.partition(".")
    settings = base.get(part)
    return "base" if isinstance(settings, Mapping) and is_of(setting, settings) else None


@contextmanager
def in_the_file(
    base: Mapping[str, Any], vary: Mapping[str, Any], together: Sequence[Mapping[str, Any]]
) -> Iterator[None]:
    """Let refusals of the block that name a trial's setting say where in the file it stands.

    ``task.alpha: expected …`` becomes ``base.task.alpha: expected …``. A setting that the paper gives
    keeps its name.
    """
    try:
        yield
    except BadRequest as error:
        name = subject_of(error)
        place = None if name is None else place_of(name, base, vary, together)
        if place is None:
            raise
        raise error.at(f"{place}.{name}") from error
