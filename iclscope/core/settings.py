"""The base of every config: frozen, without unknown fields, and refused in one line."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from iclscope.core.errors import BadRequest


def without_negative_zero(value: Any) -> Any:
    """A value with 0.0 wherever it says −0.0, also within lists, tuples and mappings; anything else is left alone."""
    if isinstance(value, float):
        return value if value else 0.0
    if type(value) in (tuple, list):
        return type(value)(map(without_negative_zero, value))
    if type(value) is dict:
        return {name: without_negative_zero(entry) for name, entry in value.items()}
    return value


class Settings(BaseModel):
    """A config whose fields are checked when it is made and do not change afterwards.

    Raises:
        BadRequest: on a field that is not allowed, naming it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadRequest(self._one_line(error)) from error

    @model_validator(mode="after")
    def _one_zero(self) -> Self:
        """Take −0.0 for 0.0: equal settings must be written alike, or one trial has two names."""
        for name, value in self.__dict__.items():
            if value == 0 if isinstance(value, float) else isinstance(value, (tuple, list, dict)):
                self.__dict__[name] = without_negative_zero(value)
        return self

    @classmethod
    def _one_line(cls, error: ValidationError) -> str:
        """The first of pydantic's errors, in the words of our own refusals."""
        first = error.errors()[0]
        message = " ".join(first["msg"].removeprefix("Value error, ").split())
        if " is not allowed" in message or isinstance(first.get("ctx", {}).get("error"), BadRequest):
            return message
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        if first["type"] == "extra_forbidden":
            message = f"{cls.__name__} has {', '.join(cls.model_fields)}"
        if first["type"] == "union_tag_not_found":
            message = "it does not say its kind"
        return f"{where} = {first['input']!r} is not allowed: {message}"
