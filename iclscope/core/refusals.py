"""Refusals that say where in a sweep file the fault is: a dotted path, and a value that fits on one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iclscope.core.addresses import shown_address
from iclscope.core.errors import BadRequest, Refusal, Verbatim, refused, unusable

LONGEST_VALUE = 80
"""Characters of a value that a refusal shows."""

# Pydantic speaks of Python's types; whoever writes a file knows others.
_IN_A_FILE = (
    (
        re.compile(r"a valid dictionary or (?:instance of \w+|object to extract fields from)|a valid dictionary"),
        "settings by name",
    ),
    (re.compile(r"a valid (?:tuple|list)"), "a list"),
    (re.compile(r"a valid string"), "a text"),
    (re.compile(r"a valid integer"), "a whole number"),
    (re.compile(r"a valid number"), "a number"),
    (re.compile(r"a valid boolean"), "true or false"),
    (re.compile(r", unable to parse string as an? \w+"), ""),
)
# What pydantic calls the members of a union, between the name of a field and what it says of it.
_MEMBER = re.compile(r"\.(?:(?:literal|tuple|list|dict|function)[\w-]*\[[^=]*\]|int|float|str|bool)(?=\.|$)")


def in_plain_words(expected: str) -> str:
    """What pydantic expected, without the names of Python's types."""
    for python, plain in _IN_A_FILE:
        expected = python.sub(plain, expected)
    return expected


def shown(value: object) -> str:
    """A value as one line of at most `LONGEST_VALUE` characters, with nothing that a terminal would act on."""
    text = repr(shown_address(value) if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def refusal(place: str, value: object, expected: str) -> BadRequest:
    """As `errors.refused`, with a value that fits on one line."""
    return refused(place, Verbatim(shown(value)), expected)


def unknown(place: str, value: object, names: Iterable[str], hint: str = "") -> BadRequest:
    """The error for a name that is not known: ``task.alhpa = 0.2: no such setting; known: …; did you mean alpha?``."""
    return unusable(place, Verbatim(shown(value)), f"no such setting; known: {', '.join(names)}{hint}")


def closest_of(name: str, names: Iterable[str], alike: float = 0.5) -> str | None:
    """The known name that looks most like an unknown one; None if none is alike to this degree, of 0 to 1."""
    by_lower_case = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=alike)
    return by_lower_case[found[0]] if found else None


def not_installed(name: str) -> str:
    """What to add to a refusal of an unknown name where a package of that name lies here, not installed yet."""
    try:
        is_here = name.isidentifier() and (Path(name) / "pyproject.toml").is_file()
    except OSError:
        return ""
    return f"; the package in ./{name} is not installed: pip install -e ./{name}" if is_here else ""


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
            raise unknown(joined(place, name), values.get(name), names, advice(name, names))


def joined(place: str, name: str) -> str:
    """A dotted path; an empty place is the top of a file."""
    return f"{place}.{name}" if place else name


@contextmanager
def inside(place: str, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Put the place in front of every refusal raised in the block.

    ``beta: expected …`` becomes ``task.beta: expected …``, and what is about several settings, as
    ``M1 + M2: expected …``, becomes ``task: M1 + M2: expected …``.

    Args:
        place: a dotted path, or the name of a file.
        settings: what stands there, where only names among it (or one level below) are joined to the place; None: any.
    """
    try:
        yield
    except BadRequest as error:
        raise _placed(place, error, settings) from error


def _placed(place: str, error: BadRequest, settings: Mapping[str, Any] | None) -> BadRequest:
    if error.refusal is None:
        return BadRequest(f"{place}: {error}")
    short = _short(error.refusal)
    first = re.match(r"[A-Za-z_]\w*", short.option)
    if first is None or " " in short.option:
        return BadRequest(f"{place}: {short}")
    if settings is None or first[0] in settings or first[0] == "kind":
        return BadRequest(short._replace(option=f"{place}.{short.option}"))
    for below, value in settings.items():
        if isinstance(value, Mapping) and first[0] in value:
            return BadRequest(short._replace(option=f"{place}.{below}.{short.option}"))
    return BadRequest(f"{place}: {short}")


def _short(refused: Refusal) -> Refusal:
    """A refusal whose value is cut if it is long, and whose words are those of files."""
    got, expected = refused.got, refused.expected
    if len(got) > LONGEST_VALUE:
        got = f"{got[: LONGEST_VALUE - 1]}…"
    return refused._replace(option=_MEMBER.sub("", refused.option), got=got, expected=in_plain_words(expected))
