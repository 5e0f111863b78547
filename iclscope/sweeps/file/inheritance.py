"""Sweep files that extend another one: read from the first ancestor on, each laid over what it extends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iclscope.core.errors import Verbatim, refused
from iclscope.core.files import user_path
from iclscope.core.refusals import inside, refusal
from iclscope.core.yaml_text import read_yaml
from iclscope.sweeps.file.misplaced import check_top
from iclscope.sweeps.file.settings_tree import Tree, merged

EXTENDS = "extends"
MOST_FILES = 8
"""Files that extend each other."""

_OWN = ("name", "question")
"""What a file says of itself and passes on to none."""

_BY_NAME = ("vary", "tests")
"""Entries that a file replaces one by one, and takes away with null."""


class Inherited(NamedTuple):
    """What a file says with all that it extends.

    Attributes:
        settings: the merged settings, without ``extends``.
        files: which files they are from, for refusals.
    """

    settings: Tree
    files: str


def read_inherited(path: Path, known: Sequence[str]) -> Inherited:
    """Read a file and all that it extends.

    Args:
        path: the file.
        known: the names that may stand at the top of a file, ``extends`` not among them.

    Raises:
        BadRequest: if a file cannot be read, has an unknown name at its top, or extends itself in the end.
    """
    chain: list[tuple[Path, Tree]] = []
    seen: list[Path] = []
    following: Path | None = path
    while following is not None:
        if len(chain) == MOST_FILES:
            raise refused(f"{path}: extends", Verbatim(f"a chain of more than {MOST_FILES} files"), "fewer")
        here, content = following, read_yaml(following)
        with inside(str(here), {}):
            check_top(content, (*known, EXTENDS))
            seen.append(here.resolve())
            chain.append((here, content))
            following = _extended(here, content, seen)
    settings: Tree = {}
    for here, content in reversed(chain):
        with inside(str(here), {}):
            settings = overlay(settings, content)
    others = ", ".join(str(here) for here, _ in chain[1:])
    return Inherited(settings, f"{path} (extends {others})" if others else str(path))


def _extended(path: Path, content: Mapping[str, Any], seen: Sequence[Path]) -> Path | None:
    """The file that a file extends; None if it extends none."""
    if EXTENDS not in content:
        return None
    name = content[EXTENDS]
    if not isinstance(name, str) or not name or "\0" in name or Path(name).is_absolute():
        raise refusal(EXTENDS, name, "the name of a file, relative to this one or to the home folder (~)")
    other = path.parent / user_path(name, EXTENDS)
    if not os.path.isfile(other):  # noqa: PTH113 (Path.is_file raises where a folder may not be read)
        raise refusal(EXTENDS, name, f"a file that exists; {str(other)!r} is none")
    if other.resolve() in seen:
        raise refusal(EXTENDS, name, "another file; this one is extended by it already")
    return other


def overlay(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """A file's settings laid over those that it extends.

    ``base`` is merged setting by setting, ``vary`` and ``tests`` entry by entry (null takes an entry away), everything
    else is replaced; name and question are a file's own.

    Args:
        under: what is extended.
        over: what the file says itself.
    """
    result = {name: value for name, value in under.items() if name not in _OWN}
    for name, value in over.items():
        below = result.get(name)
        if name == EXTENDS:
            continue
        if not isinstance(value, Mapping) or not isinstance(below, Mapping):
            result[name] = value
        elif name == "base":
            result[name] = merged(below, value)
        elif name in _BY_NAME:
            entries = {**below, **value}
            result[name] = {key: entry for key, entry in entries.items() if entry is not None or key not in below}
        else:
            result[name] = value
    return result
