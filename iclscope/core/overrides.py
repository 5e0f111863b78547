"""Whether a caller's class says otherwise: fast paths ask before they take a method's work out of its hands."""

from __future__ import annotations


def is_plain(instance: object, base: type, *methods: str) -> bool:
    """Whether an object's methods are those of a class of ours, overridden in no class of the caller's nor on it.

    Args:
        instance: the object.
        base: the class whose methods are meant; an object of another one is not plain.
        methods: their names.
    """
    own = getattr(instance, "__dict__", {})
    return isinstance(instance, base) and all(
        name not in own and getattr(type(instance), name) is getattr(base, name) for name in methods
    )


def defining_class(cls: type, name: str) -> type | None:
    """The class, among a class and those it is derived from, that defines an attribute; None if none does."""
    return next((one for one in cls.__mro__ if name in vars(one)), None)


def is_overridden_later(cls: type, name: str, other: str) -> bool:
    """Whether a class derived from the one that defines ``other`` defines ``name``: the caller's is the later word."""
    mro = cls.__mro__
    first, second = defining_class(cls, name), defining_class(cls, other)
    return first is not None and second is not None and mro.index(first) < mro.index(second)
