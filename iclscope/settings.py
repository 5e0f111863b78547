"""The base of every config: frozen, without unknown fields, and refused in one line."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from iclscope.errors import BadRequest


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

    @classmethod
    def _one_line(cls, error: ValidationError) -> str:
        """The first of pydantic's errors, in the words of our own refusals."""
        first = error.errors()[0]
        message = " ".join(first["msg"].removeprefix("Value error, ").split())
        if " is not allowed" in message:
            return message
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        if first["type"] == "extra_forbidden":
            message = f"{cls.__name__} has {', '.join(cls.model_fields)}"
        if first["type"] == "union_tag_not_found":
            message = "it does not say its kind"
        return f"{where} = {first['input']!r} is not allowed: {message}"
