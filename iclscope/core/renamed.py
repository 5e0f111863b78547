"""Old names of what was renamed; they work for one release, with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Say that a name has a new one.

    Args:
        old: as it was used.
        new: what to use instead.
        stacklevel: as of `warnings.warn`; 3 is the caller of the caller.
    """
    warnings.warn(f"{old} is deprecated and will be removed; use {new}", DeprecationWarning, stacklevel=stacklevel)


def renamed_property(old: str, new: str) -> Any:
    """A property that returns another attribute of the object; methods come bound."""

    def get(self: object) -> Any:
        warn_renamed(f"{type(self).__name__}.{old}", new)
        return getattr(self, new)

    get.__doc__ = f"Deprecated: `{new}`."
    return property(get)


def adopt_old_overrides(cls: type, renamed: Mapping[str, str]) -> None:
    """Let what a class defines under old names count under the new ones.

    Args:
        cls: a class that was just made.
        renamed: old name → new name.
    """
    for old, new in renamed.items():
        if old in vars(cls) and new not in vars(cls):
            warn_renamed(f"{cls.__name__}.{old}", new, stacklevel=5)
            setattr(cls, new, vars(cls)[old])


def renamed_names(module: str, renamed: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` (PEP 562) for names that it had before.

    Args:
        module: its ``__name__``.
        renamed: old name → new name.
    """

    def get(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", renamed[name])
        return vars(sys.modules[module])[renamed[name]]

    return get
