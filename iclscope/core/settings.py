"""The base of every config: frozen, without unknown fields, and refused in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, cached_property
from numbers import Number
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from iclscope.core.errors import BadRequest, refused, require
from iclscope.core.html import html_settings
from iclscope.core.refusals import advice, in_plain_words, unknown
from iclscope.core.renamed import adopt_old_overrides, renamed_property
from iclscope.core.settings_text import with_settings

# What is left out says what was got, which we say ourselves.
_EXPECTED = re.compile(
    r"(?:Input|List|Tuple|String|Dictionary) should (?:be|have) (.+?)(?:, (?:got|unable).*| after .*)?"
)

one_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""Plain values as JSON, names in order and nothing between: equal values, equal text."""


def without_negative_zero(value: Any) -> Any:
    """A value with 0.0 wherever it says −0.0, also within lists, tuples and mappings; anything else is left alone."""
    if isinstance(value, float):
        return value if value else 0.0
    if type(value) in (tuple, list):
        return type(value)(map(without_negative_zero, value))
    if type(value) is dict:
        return {name: without_negative_zero(entry) for name, entry in value.items()}
    return value


def check_unconverted(given: Any, understood: Any, place: str) -> None:
    """Refuse a text or true where a number is meant, and the other way round: pydantic would take them for it.

    A whole number may stand for a real one and the other way round, as 1 and 1.0 are the same number, and a list for a
    tuple. Settings within settings are checked where they are made.

    Args:
        given: what was written.
        understood: what it was taken for.
        place: the name of the setting.

    Raises:
        BadRequest: naming the place and what should have been written.
    """
    if given is understood:
        return
    if isinstance(given, Mapping) and isinstance(understood, Mapping):
        for name, value in given.items():
            check_unconverted(value, understood.get(name), f"{place}.{name}")
    elif isinstance(given, (list, tuple)) and isinstance(understood, (list, tuple)):
        for index, (value, held) in enumerate(zip(given, understood, strict=False)):
            check_unconverted(value, held, f"{place}[{index}]")
    elif _kind(understood) is not None and _kind(given) not in (None, _kind(understood)):
        require(False, place, given, _expected_form(given, understood))


def _expected_form(given: object, understood: object) -> str:
    """What should have been written in place of a value that pydantic has understood otherwise."""
    if _kind(understood) is bool:
        return "true or false"
    if _kind(understood) is Number:
        return f"a number without quotes, {understood!r}" if isinstance(given, str) else "a number"
    return f"{understood!r}, which is what it would be taken for"


def _kind(value: object) -> type | None:
    """Text, truth or number; None of anything else."""
    if isinstance(value, (bool, np.bool_)):
        return bool
    return next((kind for kind in (str, Number) if isinstance(value, kind)), None)


class Settings(BaseModel):
    """A config whose fields are checked when it is made and do not change afterwards.

    Raises:
        BadRequest: on a field that is not allowed, naming it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    neutral_values: ClassVar[Mapping[str, Any]] = {}
    """Fields that were added to a class after things were named by it, each with the value, as JSON, at which all is as
    it was before. There a field is no part of a name (`named_settings`), so what was made before is found again."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self._first(error) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        """Let ``help()`` say what each field means."""
        super().__pydantic_init_subclass__(**settings)
        cls.__doc__ = with_settings(cls.__doc__, cls)

    # It changes what errors are raised, not what is made: so pydantic need not call it for settings within others.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="wrap")
    @classmethod
    def _as_given(cls, given: Any, make: ModelWrapValidatorHandler[Self]) -> Self:
        """Take numbers for numbers only."""
        try:
            made = make(given)
        except ValidationError as error:
            raise cls._first(error) from None
        for name, value in given.items() if isinstance(given, dict) else ():
            check_unconverted(value, getattr(made, _fields_of(cls)[name]), name)
        return made

    @model_validator(mode="after")
    def _one_zero(self) -> Self:
        """Take −0.0 for 0.0: equal settings must be written alike, or one trial has two names."""
        for name, value in self.__dict__.items():
            if value == 0 if isinstance(value, float) else isinstance(value, (tuple, list, dict)):
                self.__dict__[name] = without_negative_zero(value)
        return self

    @cached_property
    def as_json(self) -> str:
        """The settings as JSON in one line, for a name of them (`named_settings`)."""
        return one_json(named_settings(self))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, not checked again; what was worked out of the others is not kept."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - _fields_of(type(self)).values():
            del copied.__dict__[name]
        return copied

    @classmethod
    def _first(cls, error: ValidationError) -> BadRequest:
        """The first of pydantic's errors, in the words of our own refusals."""
        first = error.errors()[0]
        ours = first.get("ctx", {}).get("error")
        if isinstance(ours, BadRequest):
            return ours
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        if first["type"] == "extra_forbidden":
            return unknown(where, first["input"], cls.model_fields, advice(where, cls.model_fields))
        return refused(where, first["input"], expected_by(first))


class KindSettings(Settings):
    """Settings of something that has a kind: a task, or the sizes of a model. A subclass has a field ``kind``."""

    if TYPE_CHECKING:  # a field of a subclass

        @property
        def kind(self) -> str:
            """Its name in the registry."""

    version: ClassVar[str | None] = None
    """Of a class of another package: raised when the same settings give other numbers. None: its source counts."""
    renamed: ClassVar[Mapping[str, str]] = {"told": "title", "described": "summary"}
    """Old names, which classes of other packages may still override, with the new ones."""

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return self.kind.replace("_", " ")

    def summary(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in display order."""
        return {name: str(value) for name, value in self.model_dump(mode="json").items() if name != "kind"}

    told: ClassVar[Any] = renamed_property("told", "title")
    described: ClassVar[Any] = renamed_property("described", "summary")

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        """Let classes of other packages override what was renamed under its old names."""
        super().__pydantic_init_subclass__(**settings)
        adopt_old_overrides(cls, cls.renamed)

    def _repr_html_(self) -> str:
        return html_settings(self.title, self.summary())


def expected_by(error: Mapping[str, Any]) -> str:
    """What pydantic expected, in words: "a number less than or equal to 1" of "Input should be …".

    Args:
        error: one of those that `ValidationError.errors` returns.
    """
    if error["type"] == "union_tag_not_found":
        return "settings with their kind"
    message = " ".join(error["msg"].removeprefix("Value error, ").split())
    found = _EXPECTED.fullmatch(message)
    if found is None:
        return f"another value; {message}"
    return in_plain_words(f"{'a number ' if found[1].startswith(('less', 'greater')) else ''}{found[1]}")


def named_settings(settings: Settings) -> dict[str, Any]:
    """Settings as JSON for a name of them: all fields but those that were added later and have their neutral value."""
    dumped = settings.model_dump(mode="json")
    _leave_out_neutral(settings, dumped)
    return dumped


def _leave_out_neutral(given: Any, dumped: Any) -> None:
    if isinstance(given, Settings):
        for name, neutral in type(given).neutral_values.items():
            if dumped[name] == neutral:
                del dumped[name]
        given = given.__dict__
    if isinstance(given, Mapping):
        for name in given.keys() & dumped.keys():
            _leave_out_neutral(given[name], dumped[name])
    elif isinstance(given, tuple):
        for one, written in zip(given, dumped, strict=True):
            _leave_out_neutral(one, written)


@cache
def _fields_of(settings: type[Settings]) -> dict[str, str]:
    """The name of every field, by itself and by what a file calls it."""
    fields = settings.model_fields.items()
    return {name: name for name, _ in fields} | {field.alias: name for name, field in fields if field.alias}
