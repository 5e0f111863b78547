"""Signatures with jaxtyping's shapes as written, and the settings of a config as a table."""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic import BaseModel

from iclscope.core.settings_text import without_settings


def _as_written(app: Any, obj: Any, bound_method: bool) -> None:  # noqa: ARG001 (Sphinx passes them)
    """Keep annotations as the text of the source: jaxtyping's classes forget how they were written."""
    function = inspect.unwrap(obj) if callable(obj) else obj
    function = getattr(function, "__func__", function)
    notes = getattr(function, "__annotations__", None)
    if isinstance(notes, dict) and inspect.isfunction(function):
        function.__annotations__ = {
            name: _Written(note) if isinstance(note, str) and "[Tensor," in note else note
            for name, note in notes.items()
        }


class _Written(str):
    """An annotation that Sphinx cannot evaluate, and so prints as it is."""

    __slots__ = ()


def _settings(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Add the fields of a config to its docstring: name, default and what the field says of itself."""
    if what != "class" or not (inspect.isclass(obj) and issubclass(obj, BaseModel) and obj.model_fields):
        return
    lines += ["", "**Settings**", "", ".. list-table::", "   :header-rows: 1", "", "   * - name", "     - default"]
    lines += ["     - meaning"]
    for field, info in obj.model_fields.items():
        default = "required" if info.is_required() else repr(info.get_default(call_default_factory=True))
        shown = default if len(default) <= 60 else f"{default[:59]}…"
        meaning = _SIGN.sub(_escaped, info.description or "–")
        lines += [f"   * - ``{field}``", f"     - ``{shown}``", f"     - {meaning}"]
    lines += [""]


def _plain_signs(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Keep the bars of norms and the stars of limits as they are: in docstrings they mean no markup.

    The list of settings, which is for ``help()``, is left out: a table has them.
    """
    lines[:] = without_settings("\n".join(lines)).splitlines()
    lines[:] = [line if line.lstrip().startswith(">>>") else _SIGN.sub(_escaped, line) for line in lines]


def _plain_types(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """The same for types that napoleon put in, as ``Float[Tensor, "run batch *points"]``."""
    for place, line in enumerate(lines):
        if line.startswith((":vartype ", ":type ")):
            lines[place] = line.replace("*", r"\*").replace("jaxtyping.", "")


def _skipped(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:  # noqa: ARG001
    """Leave out fields of named tuples, which the table of attributes has with their meaning."""
    return True if type(obj).__name__ == "_tuplegetter" or name.startswith("model_") else None


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("`") else f"\\{found[0]}"


_SIGN = re.compile(r"``.*?``|`[^`]*`|[|*]")
"""Code, which stays as it is, or a sign that would mean something in reStructuredText."""


def register(app: Any) -> None:
    """Hook into autodoc."""
    app.connect("autodoc-before-process-signature", _as_written)
    app.connect("autodoc-process-docstring", _plain_signs, priority=400)
    app.connect("autodoc-process-docstring", _plain_types, priority=600)
    app.connect("autodoc-skip-member", _skipped)
    app.connect("autodoc-process-docstring", _settings)
