"""What ``help()`` says of settings: every field of a config, its default and what it means, behind the docstring."""

from __future__ import annotations

import inspect
from typing import Any

HEADING = "Settings:"


def with_settings(docstring: str | None, config: type[Any]) -> str | None:
    """A docstring with the fields of a config at its end, in place of those of the class that it may be derived from.

    Args:
        docstring: of the config itself, or of a model that takes its fields as keywords; None stays None.
        config: the class of settings.
    """
    fields = [_line(name, field) for name, field in getattr(config, "model_fields", {}).items() if name != "kind"]
    if docstring is None or not fields:
        return docstring
    return "\n".join([without_settings(docstring), "", HEADING, *fields]) + "\n"


def without_settings(docstring: str) -> str:
    """The docstring as it stands in the source, for pages that show the fields otherwise."""
    return inspect.cleandoc(docstring).partition(f"\n\n{HEADING}\n")[0]


def _line(name: str, field: Any) -> str:
    meaning = f": {field.description}" if field.description else ""
    if field.is_required():
        return f"    {name}, required{meaning}"
    default = "…" if field.default_factory is not None else repr(field.default)
    return f"    {name} = {default}{meaning}"
