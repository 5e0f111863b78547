"""Settings that stand where a sweep file has no place for them: refused with the place that they may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iclscope.core.refusals import advice, closest_of, joined, nested_text, refusal, unknown
from iclscope.sweeps.file.known_settings import PARTS, classes_of

_LOOKS_ALIKE = 0.8
"""How like a key of the top an unknown name must be to be taken for it, and not for a setting of a trial."""


def qualified_name(name: str) -> str | None:
    """A setting's dotted name with its part before it, ``alpha`` → ``task.alpha``; None if no trial has it.

    Of the parts that have it, the first of `PARTS` counts.
    """
    first = name.partition(".")[0]
    if first in PARTS:
        return name
    for part in PARTS:
        classes = classes_of(part)
        if any(first in config.model_fields for config in classes):
            return f"{part}.{name}"
    return None


def check_top(content: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse an unknown name at the top of a file; a setting of a trial belongs under ``base``.

    Args:
        content: what stands there.
        known: the names that may.

    Raises:
        BadRequest: naming the first unknown name.
    """
    for name, value in content.items():
        if name in known:
            continue
        home = qualified_name(name) if closest_of(name, known, _LOOKS_ALIKE) is None else None
        meant = f"; did you mean base: {{{nested_text(home)}}}?" if home else advice(name, known)
        raise unknown(name, value, known, meant)


def check_base_parts(base: Mapping[str, Any]) -> None:
    """Refuse what is no part of a trial under ``base``; a setting belongs under its part.

    Raises:
        BadRequest: naming the first such name.
    """
    for name, value in base.items():
        if name in PARTS:
            continue
        home = qualified_name(name)
        meant = f"; did you mean base: {{{nested_text(home)}}}?" if home else advice(name, PARTS)
        raise unknown(joined("base", name), value, PARTS, meant)


def check_test_keys(about: Mapping[str, Any], known: Iterable[str], place: str) -> None:
    """Refuse an unknown key of a test; a setting of the task belongs under ``task``.

    Args:
        about: what the file says of the test.
        known: the keys of a test.
        place: where it stands, "tests.NAME".

    Raises:
        BadRequest: naming the first unknown key.
    """
    names = list(known)
    for name, value in about.items():
        if name in names:
            continue
        home = qualified_name(name) or ""
        meant = f"; did you mean {nested_text(home)}?" if home.startswith("task.") else advice(name, names)
        raise unknown(joined(place, name), value, names, meant)


def check_test_varies(vary: Mapping[str, Any]) -> None:
    """Refuse that a test varies settings by the names that a sweep has for them: it varies the task only.

    Raises:
        BadRequest: naming the first such setting.
    """
    for names, values in vary.items():
        for name in names.split(","):
            part, dot, setting = name.strip().partition(".")
            if not dot or part not in PARTS:
                continue
            allowed = f"settings of the task, without 'task.', as a test varies no others; did you mean {setting}?"
            if part != "task":
                allowed = (
                    f"settings of the task only; those of the {part} are varied at the top, under vary: {{{name}}}"
                )
            raise refusal(joined("vary", names), values, allowed)
