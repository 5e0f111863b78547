"""From the page's JavaScript modules to plain scripts: in the order of their imports, in one scope, nothing fetched.

The modules keep to a small part of the language, so that this needs no parser: named imports without renaming, and
declarations that begin their line. Whatever goes beyond is refused, with its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.[^"]*)";[ \t]*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function\b|class\b|const\b)", re.MULTILINE)
_DECLARED = re.compile(r"^(export )?(?:async )?(?:function\*?|class|const|let|var)\s+([\w$]+)", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*|^(?:const|let|var)\s*[\[{].*", re.MULTILINE)
_ENDS_SCRIPT = re.compile(r"</script|<!--", re.IGNORECASE)


class BadModule(ValueError):
    """A module that cannot be bundled; the message says which, where and why."""


class Module(NamedTuple):
    """One file of JavaScript.

    Attributes:
        path: where it lies.
        text: without its imports, and without the word ``export``.
        imports: the names that it takes from other files.
        declared: its top-level names.
        exported: those that it exports.
    """

    path: Path
    text: str
    imports: Mapping[Path, tuple[str, ...]]
    declared: tuple[str, ...]
    exported: frozenset[str]


def read_module(path: Path) -> Module:
    """A module from its file.

    Raises:
        BadModule: if it does not keep to the part of the language that can be bundled.
    """
    source = path.read_text(encoding="utf-8")
    imports: dict[Path, tuple[str, ...]] = {}
    for match in _IMPORT.finditer(source):
        names = tuple(name.strip() for name in match[1].split(",") if name.strip())
        bad = [name for name in names if not re.fullmatch(r"[\w$]+", name)]
        if bad:
            raise BadModule(f"{path}: import of {bad[0]!r}: expected a plain name")
        target = (path.parent / match[2]).resolve()
        imports[target] = imports.get(target, ()) + names
    text = _IMPORT.sub("", source)
    declared = tuple(match[2] for match in _DECLARED.finditer(text))
    exported = frozenset(match[2] for match in _DECLARED.finditer(text) if match[1])
    text = _EXPORT.sub("", text)
    if odd := _LEFT_OVER.search(text):
        line = source[: source.find(odd[0])].count("\n") + 1
        raise BadModule(f"{path}:{line}: cannot be bundled: {odd[0][:60]}")
    if odd := _ENDS_SCRIPT.search(text):
        raise BadModule(f"{path}: {odd[0]!r} would end the script that it stands in")
    return Module(path, text, imports, declared, exported)


def modules_from(entries: Iterable[Path], *, within: Path) -> list[Module]:
    """Modules and all that they import, each behind those that it imports itself.

    Args:
        entries: where to begin.
        within: modules of other folders are left out; they are another bundle's.

    Raises:
        BadModule: if modules import each other in a circle, a name that is not exported, or declare a name twice.
    """
    found: dict[Path, Module] = {}
    under_way: list[Path] = []

    def visit(path: Path) -> None:
        if path in found or not path.is_relative_to(within):
            return
        if path in under_way:
            raise BadModule(f"{path}: imports itself, by way of {under_way[-1].name}")
        under_way.append(path)
        module = read_module(path)
        for target, names in module.imports.items():
            _check_import(module, target, names)
            visit(target)
        under_way.pop()
        found[path] = module

    for entry in entries:
        visit(entry.resolve())
    modules = list(found.values())
    check_names(modules)
    return modules


def _check_import(module: Module, target: Path, names: tuple[str, ...]) -> None:
    if not target.is_file():
        raise BadModule(f"{module.path}: imports {target}, which is not there")
    missing = [name for name in names if name not in read_module(target).exported]
    if missing:
        raise BadModule(f"{module.path}: imports {missing[0]}, which {target.name} does not export")


def check_names(modules: list[Module]) -> None:
    """Refuse a top-level name that is declared twice: in one scope they would be one.

    Raises:
        BadModule: naming both modules.
    """
    owner: dict[str, Path] = {}
    for module in modules:
        for name in module.declared:
            if name in owner:
                raise BadModule(f"{module.path}: {name} is declared in {owner[name].name} as well")
            owner[name] = module.path


def imported_from(modules: list[Module], folder: Path) -> Iterator[str]:
    """The names that modules take from others outside their bundle, each once, in order."""
    imports = ((path, names) for module in modules for path, names in module.imports.items())
    yield from sorted({name for path, names in imports for name in names if not path.is_relative_to(folder)})


def joined(modules: list[Module]) -> str:
    """The text of modules one after the other."""
    return "\n".join(module.text.strip("\n") + "\n" for module in modules)
