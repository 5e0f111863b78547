"""Refusals that say where in a sweep file the fault is: a dotted path, and a value that fits on one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from iclscope.core.addresses import shown_address
from iclscope.core.errors import BadRequest

LONGEST_VALUE = 80
"""Characters of a value that a refusal shows."""

_NOT_ALLOWED = " is not allowed"
# Pydantic speaks of Python's types; whoever writes a file knows others.
_IN_A_FILE = (
    (
        re.compile(r"a valid dictionary or (?:instance of \w+|object to extract fields from)|a valid dictionary"),
        "settings by name",
    ),
    (re.compile(r"a valid (?:tuple|list)"), "a list"),
    (re.compile(r"a valid string"), "a text"),
    (re.compile(r"a valid boolean"), "true or false"),
    (re.compile(r", unable to parse string as an? \w+"), ""),
)
# What pydantic calls the members of a union, between the name of a field and what it says of it.
_MEMBER = re.compile(r"\.(?:(?:literal|tuple|list|dict|function)[\w-]*\[[^=]*\]|int|float|str|bool)(?=\.| = )")


def shown(value: object) -> str:
    """A value as one line of at most `LONGEST_VALUE` characters, with nothing that a terminal would act on."""
    text = repr(shown_address(value) if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def refusal(place: str, value: object, allowed: str) -> BadRequest:
    """The error for a value at a place, in the words of `errors.require`."""
    return BadRequest(f"{place} = {shown(value)}{_NOT_ALLOWED}; allowed: {allowed}")


def closest_of(name: str, names: Iterable[str], alike: float = 0.5) -> str | None:
    """The known name that looks most like an unknown one; None if none is alike to this degree, of 0 to 1."""
    by_lower_case = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=alike)
    return by_lower_case[found[0]] if found else None


def advice(name: object, names: Iterable[str]) -> str:
    """What to add to a refusal of an unknown name: the known one that looks most like it, if any does."""
    if not isinstance(name, str):
        return ""
    known = list(names)
    first, dot, _ = name.partition(".")
    meant = nested_text(name) if dot and first in known else closest_of(name, known)
    return f"; did you mean {meant}?" if meant else ""


def nested_text(name: str) -> str:
    """How a file says a setting of a dotted name where no dots may be: ``a.b`` → ``a: {b: …}``."""
    first, *below = name.split(".")
    return f"{first}: " + "".join(f"{{{part}: " for part in below) + "…" + "}" * len(below)


def check_names(given: Iterable[str], known: Iterable[str], values: Mapping[str, object], place: str = "") -> None:
    """Refuse a name that is not known, naming the closest one that is.

    Args:
        given: the names to check.
        known: the names there are.
        values: what was given under each name.
        place: where the names stand, for instance "base.task"; empty at the top of a file.

    Raises:
        BadRequest: naming the first unknown name.
    """
    names = list(known)
    for name in given:
        if name not in names:
            raise refusal(joined(place, name), values.get(name), ", ".join(names) + advice(name, names))


def joined(place: str, name: str) -> str:
    """A dotted path; an empty place is the top of a file."""
    return f"{place}.{name}" if place else name


@contextmanager
def inside(place: str, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Let every refusal of the block begin with the place.

    ``beta = -1 is not allowed`` becomes ``task.beta = -1 is not allowed``, and what speaks of several settings, as
    ``M1 + M2 = 40 is not allowed``, becomes ``task: M1 + M2 = 40 is not allowed``.

    Args:
        place: a dotted path, or the name of a file.
        settings: what stands there, where only names among it (or one level below) are joined to the place; None: any.
    """
    try:
        yield
    except BadRequest as error:
        raise BadRequest(_placed(place, _one_short_line(str(error)), settings)) from error


def _one_short_line(message: str) -> str:
    """A refusal whose value is cut if it is long, and whose reason speaks of lists and texts."""
    subject, said, reason = message.partition(_NOT_ALLOWED)
    if not said:
        return message
    name, equals, value = subject.partition(" = ")
    if len(value) > LONGEST_VALUE:
        value = f"{value[: LONGEST_VALUE - 1]}…"
    for python, file in _IN_A_FILE:
        reason = python.sub(file, reason)
    return f"{name}{equals}{value}{said}{reason}"


def _placed(place: str, message: str, settings: Mapping[str, Any] | None) -> str:
    message = _MEMBER.sub("", message) if " = " in message else message
    name, equals, _ = message.partition(" = ")
    first = re.match(r"[A-Za-z_]\w*", name)
    if not equals or first is None or " " in name:
        return f"{place}: {message}"
    if settings is None or first[0] in settings or first[0] == "kind":
        return f"{place}.{message}"
    for below, value in settings.items():
        if isinstance(value, Mapping) and first[0] in value:
            return f"{place}.{below}.{message}"
    return f"{place}: {message}"
