"""The reference: one page per room, with every public name from its docstring."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from sphinx.pycode import ModuleAnalyzer

import iclscope

ROOMS = ("tasks", "models", "training", "evaluation", "mechanism", "pruning", "baselines", "language_models")
"""Rooms that `import iclscope` offers, besides the papers' theory; each lists its public names in ``__all__``."""


class Entry(NamedTuple):
    """One public name.

    Attributes:
        path: module and name, as a user would import it.
        kind: class, function or data, in autodoc's words.
    """

    path: str
    kind: str


def kind_of(value: Any) -> str:
    """What autodoc calls a value."""
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if inspect.isroutine(value) else "data"


def public_names(module: ModuleType) -> list[str]:
    """What a module offers: its ``__all__``, or what it defines without an underscore."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def entries(module: ModuleType) -> list[Entry]:
    """Public names that are no modules, in the order in which they are listed."""
    found = [(name, getattr(module, name)) for name in public_names(module)]
    return [
        Entry(f"{module.__name__}.{name}", kind_of(value)) for name, value in found if not isinstance(value, ModuleType)
    ]


def theory_modules() -> list[ModuleType]:
    """The formulas of every paper that has any."""
    theory = import_module("iclscope.theory")
    return [getattr(theory, name) for name in theory.__all__]


def directive(entry: Entry) -> str:
    """How autodoc is told of a name."""
    if entry.kind == "data":
        said = "\n   ".join(_said_of_value(entry.path).splitlines())
        return f".. py:data:: {entry.path.rpartition('.')[2]}\n\n   {said}\n"
    members = "   :members:\n" if entry.kind in ("class", "exception") else ""
    module, _, name = entry.path.rpartition(".")
    if members and not {object, tuple} & set(getattr(import_module(module), name).__bases__):
        members += "   :show-inheritance:\n"
    return f".. auto{entry.kind}:: {entry.path}\n{members}"


def _said_of_value(path: str) -> str:
    """The text below a constant, in the module that defines it, and its value if that is short."""
    module, _, name = path.rpartition(".")
    home = module
    for node in ast.walk(ast.parse(inspect.getsource(import_module(module)))):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            home = node.module
    said = ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name), [])
    value = repr(getattr(import_module(module), name))
    shown = f"``{value}``" if len(value) <= 100 and "`" not in value and "<" not in value else ""
    return "\n".join(part for part in (" ".join(said).strip().replace("|", "\\|"), "", shown) if part) or "–"


def first_line(value: Any) -> str:
    """The first sentence of a docstring, for tables."""
    text = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")


def page(title: str, module: ModuleType, listed: list[Entry]) -> str:
    """One page: what the module says of itself, then every name."""
    body = "\n".join(directive(entry) for entry in listed)
    label = title.replace(".", "-")
    return (
        f"(reference-{label})=\n# {title}\n\n{inspect.getdoc(module) or ''}\n\n"
        f"```{{eval-rst}}\n.. py:module:: {module.__name__}\n\n{body}```\n"
    )


def pages(docs: Path) -> dict[str, str]:  # noqa: ARG001 (all makers are called alike)
    """The pages of the reference, by their names below docs/made."""
    made: dict[str, str] = {}
    homes: dict[int, str] = {}
    for room in ROOMS:
        module = import_module(f"iclscope.{room}")
        listed = entries(module)
        homes |= {id(getattr(module, entry.path.rpartition(".")[2])): entry.path for entry in listed}
        made[f"reference/{room}.md"] = page(f"iclscope.{room}", module, listed)
    for module in theory_modules():
        name = module.__name__.split(".")[2]
        made[f"reference/theory_{name}.md"] = page(f"iclscope.theory.{name}", module, entries(module))
    made["reference/top.md"] = _top(homes)
    return made


def _top(homes: dict[int, str]) -> str:
    """What `import iclscope as icl` offers: documented here where no room does."""
    rows, own = [], []
    for name in iclscope.__all__:
        value = getattr(iclscope, name)
        if isinstance(value, ModuleType) or name.startswith("__"):
            continue
        home = homes.get(id(value))
        entry = Entry(home or f"iclscope.{name}", kind_of(value))
        role = {"function": "func", "exception": "exc", "class": "class"}.get(entry.kind, "data")
        rows.append(f"| {{py:{role}}}`icl.{name} <{entry.path}>` | {first_line(value)} |")
        if home is None:
            own.append(entry)
    table = "\n".join(["| name | what it is |", "|---|---|", *rows])
    text = page("iclscope", iclscope, own)
    head, fence, rest = text.partition("```{eval-rst}")
    return f"{head}{table}\n\n{fence}{rest}"
