"""Settings as nested mappings of plain values: merged, changed by dotted name, and checked to be plain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from iclscope.core.refusals import joined, refusal

Tree = dict[str, Any]
"""Settings by name; a value is a text, a number, true, false, null, a list of these or settings again."""

LARGEST_WHOLE = 10**18
"""Larger whole numbers do not fit into the columns of a table."""


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Settings with those of ``over`` laid over them; neither is changed.

    Mappings are merged name by name, everything else is replaced. A mapping that says another ``kind`` than the one
    under it starts from scratch: the settings of one kind of task, model or schedule mean nothing to another.
    """
    if "kind" in over and "kind" in under and over["kind"] != under["kind"]:
        return dict(over)
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[name] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def with_setting(settings: Mapping[str, Any], name: str, value: Any) -> Tree:
    """Settings with one of them, of a dotted name, laid over; only the mappings on the way to it are copied."""
    return merged(settings, nested(name, value))


def nested(name: str, value: Any) -> Tree:
    """One setting of a dotted name as nested mappings: ``a.b`` → {a: {b: value}}."""
    tree: Any = value
    for part in reversed(name.split(".")):
        tree = {part: tree}
    result: Tree = tree
    return result


def check_plain(value: Any, place: str = "") -> None:
    """Refuse whatever a file could not say: objects, NaN and infinite numbers, whole numbers beyond 10¹⁸.

    Raises:
        BadRequest: naming the place of the first such value.
    """
    if isinstance(value, Mapping):
        for name, entry in value.items():
            if not isinstance(name, str):
                raise refusal(f"a name in {place or 'the settings'}", name, "a text")
            check_plain(entry, joined(place, name))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            check_plain(entry, f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise refusal(place, value, "a finite number")
    elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise refusal(place, value, "a whole number of at most 18 digits")
    elif not isinstance(value, (str, int, float, bool, type(None))):
        raise refusal(place, value, "text, numbers, true, false, null, lists and mappings")
