"""Who defines a method: our class, or one of the caller's."""

from __future__ import annotations

from typing import Any

from iclscope.core.overrides import defining_class, is_overridden_later, is_plain


class Base:
    def sampler(self) -> str:
        return "stacked"

    @staticmethod
    def stacked() -> str:
        return "stacked"


class Renamed(Base):
    def brief(self) -> str:
        return "the same in other words"


class OwnSampler(Base):
    def sampler(self) -> str:
        return "own"


class OwnBoth(OwnSampler):
    @staticmethod
    def stacked() -> str:
        return "own"


def test_a_class_that_overrides_nothing_of_interest_is_plain() -> None:
    assert is_plain(Base(), Base, "sampler", "stacked")
    assert is_plain(Renamed(), Base, "sampler", "stacked")
    assert not is_plain(OwnSampler(), Base, "sampler", "stacked")
    assert is_plain(OwnSampler(), Base, "stacked")
    assert not is_plain(object(), Base, "sampler")


def test_an_object_may_have_a_method_of_its_own() -> None:
    changed: Any = Base()
    changed.sampler = lambda: "mine"
    assert not is_plain(changed, Base, "sampler")
    assert is_plain(changed, Base, "stacked")


def test_the_class_derived_last_has_the_last_word() -> None:
    assert defining_class(Renamed, "sampler") is Base
    assert defining_class(OwnBoth, "sampler") is OwnSampler
    assert defining_class(Base, "nothing") is None
    assert is_overridden_later(OwnSampler, "sampler", "stacked")
    assert not is_overridden_later(Base, "sampler", "stacked")
    assert not is_overridden_later(Renamed, "sampler", "stacked")
    assert not is_overridden_later(OwnBoth, "sampler", "stacked")
    assert not is_overridden_later(Base, "nothing", "stacked")
