"""From the text of a YAML file to plain values, refusing whatever a sweep file has no use for.

Numbers are those of YAML 1.2: ``1e-3`` is a number, and ``yes``, ``on``, ``010`` and ``1:30`` are not what YAML 1.1
makes of them. Values are made from PyYAML's events one by one, so that an alias, a tag or a nesting without end is
refused when it is met, before anything has been built of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from iclscope.core.errors import BadRequest, Verbatim, refused
from iclscope.core.refusals import inside, joined, refusal, shown

LARGEST_FILE = 256 * 1024
"""Bytes. Read in a third of a second; a sweep of a million trials is described in a few lines."""

DEEPEST = 16
"""Levels of mappings and lists inside each other."""

LONGEST_KEY = 200
MOST_DIGITS = 18
"""Whole numbers of more digits do not fit into 64 bits."""

_WHOLE = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BARE = re.compile(r"[A-Za-z][\w.+-]*")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file that holds one YAML mapping.

    Args:
        path: the file, UTF-8, of at most `LARGEST_FILE` bytes.

    Returns:
        Its mapping, of texts, numbers, true, false, null, lists and mappings only; keys are texts as they stand there.

    Raises:
        BadRequest: if the file cannot be read or holds anything else, in one line that begins with the file's name.
    """
    text = _text_of(path)
    with inside(str(path), {}):
        return mapping_from_yaml(text)


def mapping_from_yaml(text: str) -> dict[str, Any]:
    """The mapping that a YAML text holds; as `read_yaml`, without a file's name in refusals."""
    try:
        value = _Document(text).value()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}" if mark is not None else "the text"
        raise BadRequest(f"{line} is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise BadRequest(f"the text is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise refusal("the top level", value, "a mapping, 'vary: …' and so on")
    return value


def as_written(value: Any) -> str:
    """A plain value as a file would say it, in one line: null, true, 0.5, sgd, [2, 20], {S1: 1.3}."""
    if isinstance(value, str):
        bare = _BARE.fullmatch(value) and value not in _WORDS
        return value if bare else json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {as_written(entry)}' for name, entry in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_written(entry) for entry in value)}]"
    return str(value) if _is_number(value) else json.dumps(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text_of(path: Path) -> str:
    """The text of a file."""
    try:
        if not path.exists():
            raise _unreadable(path, "a YAML file; this does not exist")
        if not path.is_file():
            raise _unreadable(path, "a YAML file; this is a folder or a device")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _unreadable(path, f"a YAML file that can be read; {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise _unreadable(path, f"a file of at most {LARGEST_FILE:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"text in UTF-8; byte {error.start} is none") from error


def _unreadable(path: Path, allowed: str) -> BadRequest:
    """The refusal of a file; its name is shown whole, unless it is no name at all."""
    name = repr(str(path))
    return refused("FILE", Verbatim(name if len(name) < 400 else shown(str(path))), allowed)


class _Document:
    """One document, made from its events."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)

    def value(self) -> Any:
        """What the text holds; None if it is empty."""
        next(self._events)  # the start of the stream
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        value = self._node(next(self._events), "", 0)
        next(self._events)  # the end of the document
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise BadRequest("expected one document, got a second one ('---')")
        return value

    def _node(self, event: yaml.Event, place: str, depth: int) -> Any:
        """The value that begins with an event."""
        where = place or "the top level"
        if isinstance(event, yaml.AliasEvent):
            raise refusal(where, f"*{event.anchor}", "no alias; write the value out, or let files extend another one")
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            raise refusal(where, f"&{event.anchor}", "no anchor; write the value out, or let files extend another one")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise refusal(where, tag, "no tag: values are text, numbers, true, false, null, lists and mappings")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, where)
        if depth >= DEEPEST:
            raise refused(where, Verbatim(f"{depth + 1}"), f"at most {DEEPEST} levels of nesting")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(place, depth)
        return self._mapping(place, depth)

    def _list(self, place: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._node(event, f"{place}[{len(values)}]", depth + 1))
        return values

    def _mapping(self, place: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, place)
            if key in values:
                line = event.start_mark.line + 1
                raise refused(joined(place, key), Verbatim(f"a second one in line {line}"), "each key once")
            values[key] = self._node(next(self._events), joined(place, key), depth + 1)
        return values

    def _key(self, event: yaml.Event, place: str) -> str:
        where = f"a key of {place or 'the top level'}"
        if not isinstance(event, yaml.ScalarEvent):
            raise refused(where, Verbatim("an alias, a list or a mapping"), "a text")
        if event.anchor is not None or event.tag is not None:
            raise refusal(where, event.value, "a text without anchor or tag")
        key: str = event.value
        if not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
            raise refusal(where, key, f"1 to {LONGEST_KEY} printable characters")
        return key


def _scalar(event: yaml.ScalarEvent, where: str) -> str | int | float | bool | None:
    """A text in quotes as it is; a word without quotes as what YAML 1.2 says it is."""
    text: str = event.value
    if event.style not in (None, ""):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise refused(where, Verbatim(text), "a finite number")
    if _WHOLE.fullmatch(text):
        if len(text.lstrip("+-0")) > MOST_DIGITS:
            raise refusal(where, text, f"a whole number of at most {MOST_DIGITS} digits")
        return int(text)
    if _REAL.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise refused(where, Verbatim(shown(text)), "a finite number; this one is too large")
        return number
    return text
