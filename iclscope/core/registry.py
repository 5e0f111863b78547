"""What there is: tasks, models and papers, ours and those of other packages, by the one door of entry points.

A package declares ``[project.entry-points."iclscope.tasks"]`` (or ``iclscope.models``, ``iclscope.papers``) with lines
``name = "module:object"``; ours do the same in pyproject.toml and are listed nowhere else. A notebook calls
`iclscope.register`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from iclscope.core.errors import BadRequest, Notice, one_of_these, refused, unusable
from iclscope.core.refusals import advice

OURS = "iclscope"
HERE = "this process"
"""Where what was registered by a call comes from."""


class Entry(NamedTuple):
    """What is known of a thing before it is imported.

    Attributes:
        distribution: the installed package that declares it; `HERE` for what a call registered.
        version: of that distribution.
        value: where it is, as ``module:object``.
    """

    distribution: str
    version: str
    value: str


class Registry:
    """Things of one kind by name, imported when they are first asked for.

    Attributes:
        group: the group of entry points.
        kind: what one of them is called, for refusals.
    """

    def __init__(self, group: str, kind: str) -> None:
        """Know nothing yet; the installed packages are looked at when a name is first asked for."""
        self.group, self.kind = group, kind
        self._points: dict[str, EntryPoint] | None = None
        self._entries: dict[str, Entry] = {}
        self._loaded: dict[str, Any] = {}
        self._broken: set[str] = set()
        self._lock = RLock()

    def names(self) -> list[str]:
        """All names, ours first."""
        self._look()
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        self._look()
        return name in self._entries

    def entry(self, name: object) -> Entry:
        """Where a thing comes from, without importing it."""
        return self._entries[self._known(name)]

    def get(self, name: object) -> Any:
        """The thing of a name.

        Raises:
            BadRequest: if there is none, naming the closest that there is, or if it cannot be imported.
        """
        name = self._known(name)
        with self._lock:
            if name not in self._loaded:
                assert self._points is not None
                try:
                    self._loaded[name] = self._points[name].load()
                except Exception as error:
                    raise self._unimportable(name, error) from error
            return self._loaded[name]

    def all(self) -> Iterator[tuple[str, Any]]:
        """All that can be imported, with names; what cannot is told once, in one line."""
        for name in self.names():
            try:
                found = self.get(name)
            except BadRequest as error:
                if name not in self._broken:
                    self._broken.add(name)
                    warnings.warn(str(error), Notice, stacklevel=2)
                continue
            yield name, found

    def add(self, name: str, thing: Any) -> None:
        """Register a thing of this process; defining the same one again, as in a notebook, replaces it.

        Raises:
            BadRequest: if another one has that name.
        """
        self._look()
        value = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', name)}"
        there = self._entries.get(name)
        if there is not None and there != Entry(HERE, "", value):
            raise refused(self.kind, name, f"a name of its own; that one is {there.value} of {there.distribution}")
        with self._lock:
            self._entries[name], self._loaded[name] = Entry(HERE, "", value), thing

    def _known(self, name: object) -> str:
        if not isinstance(name, str) or name not in self:
            raise refused(self.kind, name, one_of_these(self._entries) + advice(name, self._entries))
        return name

    def _look(self) -> None:
        """Read what installed packages declare, once; of a clash the first one counts, and both are named."""
        with self._lock:
            if self._points is not None:
                return
            self._points = {}
            for distribution, version, point in sorted(_declared(self.group), key=lambda one: (one[0] != OURS, one[0])):
                there = self._entries.get(point.name)
                if there is None:
                    self._points[point.name] = point
                    self._entries[point.name] = Entry(distribution, version, point.value)
                elif there.distribution != distribution:
                    warnings.warn(
                        f"{self.kind} {point.name} is declared by {there.distribution} and by {distribution}; that of "
                        f"{there.distribution} is used",
                        Notice,
                        stacklevel=3,
                    )

    def _unimportable(self, name: str, error: Exception) -> BadRequest:
        entry = self._entries[name]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        where = f"{entry.value} of {entry.distribution}"
        return unusable(self.kind, name, f"{where} cannot be imported ({reason})")


def is_module(name: str) -> bool:
    """Whether a module or package is there, without importing it."""
    return _source_of(name) is not None


def summary_of(name: str) -> str:
    """What the first line of a module says behind its name, without importing it."""
    source = _source_of(name)
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source is not None else None
    line = (text or "").partition("\n")[0].rpartition("``: ")[2]
    return line[:1].upper() + line[1:]


def source_files(name: str) -> list[Path]:
    """All Python files of the topmost package that a module stands in, or its own file; nothing is imported."""
    spec, _ = _topmost(name)
    if spec is None or spec.origin is None:
        return []
    places = spec.submodule_search_locations
    return sorted(path for place in places for path in Path(place).rglob("*.py")) if places else [Path(spec.origin)]


def modules_below(name: str) -> list[tuple[str, Path]]:
    """All modules below a package, with their files; of them none is imported.

    Raises:
        BadRequest: if it is no package.
    """
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise refused("package", name, "a folder with an __init__.py, below which figures are")
    files = [(path.relative_to(place), path) for place in places for path in sorted(Path(place).rglob("*.py"))]
    dotted = [
        (".".join((name, *inside.with_suffix("").parts)).removesuffix(".__init__"), path) for inside, path in files
    ]
    return [(module, path) for module, path in dotted if module != name]


def _topmost(name: str) -> tuple[ModuleSpec | None, list[str]]:
    """Where the topmost package of a module is, and the names below it; None for a notebook or a script."""
    top, *below = name.split(".")
    try:
        return find_spec(top), below
    except ValueError:
        return None, below


def _source_of(name: str) -> Path | None:
    """The file of a module, without importing it or what it is in, but for the topmost package."""
    spec, below = _topmost(name)
    files = [Path(place).joinpath(*below) for place in (spec.submodule_search_locations or () if spec else ())]
    there = [*(path.with_suffix(".py") for path in files), *(path / "__init__.py" for path in files)]
    return next((path for path in there if path.is_file()), None)


def _declared(group: str) -> Iterator[tuple[str, str, EntryPoint]]:
    """What installed distributions declare in a group, with the name and version of each."""
    for point in entry_points(group=group):
        if point.dist is not None:
            yield point.dist.name, point.dist.version, point


TASKS = Registry("iclscope.tasks", "kind of a task")
MODELS = Registry("iclscope.models", "kind of a model")
PAPERS = Registry("iclscope.papers", "PAPER")
