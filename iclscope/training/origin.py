"""Where a task or a model of another package comes from: part of the name of what was trained with it.

Ours are named by their settings and by `trial.SCIENCE_VERSION`. An outsider's class is named by its distribution and by
the ``version`` that it declares, or else by its source, so that an edited task never returns old rows.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

from iclscope.core.errors import refused
from iclscope.core.registry import OURS, Entry, Registry, source_files


def origin_of(registry: Registry, kind: str) -> list[str] | None:
    """Distribution and version of a thing of another package; None for ours.

    Args:
        registry: where it is known.
        kind: its name there.

    Raises:
        BadRequest: if it declares no version, and has no source that can be read.
    """
    entry = registry.entry(kind)
    return None if entry.distribution == OURS else _origin(registry.get(kind), entry)


@cache
def _origin(thing: type[Any], entry: Entry) -> list[str]:
    config = getattr(thing, "config_type", thing)
    declared = getattr(config, "version", None) or getattr(thing, "version", None)
    return [entry.distribution, f"version {declared}" if declared else f"source {source_hash(thing)}"]


def source_hash(thing: type[Any]) -> str:
    """A hash of all source files of the package that a class stands in; of a notebook's class, of its own source.

    Raises:
        BadRequest: if there is no source.
    """
    found = hashlib.sha256()
    script = getattr(sys.modules.get(thing.__module__), "__file__", None)
    files = source_files(thing.__module__) or ([Path(script)] if script else [])
    if files:
        for path in files:
            found.update(path.read_bytes() + b"\0")
        return found.hexdigest()[:16]
    try:
        found.update(_cell_or_source(thing).encode())
    except (OSError, TypeError) as error:
        expected = (
            'a version, `version: ClassVar[str] = "1"`, to raise when its numbers change; it has no readable source'
        )
        raise refused(f"version of {thing.__name__}", None, expected) from error
    return found.hexdigest()[:16]


def _cell_or_source(thing: type[Any]) -> str:
    """The source of a class without a file. Before Python 3.13 a notebook's classes do not know their cell; methods do.

    Raises:
        OSError: if there is none.
    """
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        members = (getattr(value, "fget", value) for value in vars(thing).values())
        own = (one for one in members if inspect.isfunction(one) and one.__module__ == thing.__module__)
        method = next(own, None)
        if method is None:
            raise
        return "".join(inspect.findsource(method)[0])
