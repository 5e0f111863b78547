"""Names of a package that are imported on first use (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, names: Sequence[str], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``.

    Args:
        package: its ``__name__``.
        names: what it offers, its ``__all__``.
        homes: where each is: ``module:name``, or ``module`` for a module itself; left out: the module of that name in
            the package.
    """
    held = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = homes.get(name, f"{package}.{name}").partition(":")
        found = import_module(module)
        value = held[name] = getattr(found, attribute) if attribute else found  # found at once from now on
        return value

    return get, lambda: sorted(names)
