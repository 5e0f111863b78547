"""What a sweep varies: lists of values, ranges, and settings that move together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from iclscope.core.errors import require, require_finite
from iclscope.core.refusals import check_names, inside, joined, refusal
from iclscope.core.settings import Settings
from iclscope.core.yaml_text import as_written

DIGITS = 12
"""Significant digits of numbers from ranges, so that 0.1 + 2·0.1 is the 0.3 that a list would say."""

LARGEST_COUNT = 10**18
_MOST_ENDS = 1000
"""Values of a list that are looked at before all trials are."""

_FEW = 8
"""Numbers of a range that are shown one by one."""

_LONGEST_LINE = 120
"""Characters of values that are shown; a single value is shown whole."""


class Values(Settings):
    """A list of values, in the order given."""

    model_config = ConfigDict(strict=True)

    values: list[Any] = Field(description="at least one, each once: numbers, texts, true, false, null, lists, settings")

    @model_validator(mode="after")
    def _check(self) -> Values:
        _check_values(self.values, "values")
        return self

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        return self.values[index]


class Range(Settings):
    """Numbers between two ends, which belong to it."""

    model_config = ConfigDict(strict=True, populate_by_name=True)

    least: float = Field(alias="from", description="the first and smallest number")
    most: float = Field(alias="to", description="the last and largest number")
    count: int | None = Field(
        None,
        ge=2,
        le=LARGEST_COUNT,
        description="how many numbers; None: any number between the ends, for random and Sobol designs",
    )
    spacing: Literal["linear", "log"] = Field(
        "linear", description="equal differences, or equal ratios between neighbours"
    )
    integer: bool = Field(False, description="whole numbers only, rounded")

    @model_validator(mode="after")
    def _check(self) -> Range:
        require_finite([("from", self.least), ("to", self.most)])
        require(self.least < self.most, "to", self.most, f"more than from = {self.least:g}")
        require(self.spacing == "linear" or self.least > 0, "from", self.least, "a positive number, as spacing is log")
        if self.integer:
            for name, end in (("from", self.least), ("to", self.most)):
                require(end == int(end), name, end, "a whole number, where integer is true")
            if self.count is not None:
                there = int(self.most) - int(self.least) + 1
                require(self.count <= there, "count", self.count, f"at most {there:,}, the whole numbers in the range")
                # The first two are the closest of a log range, any two of a linear one.
                require(self[0] != self[1], "count", self.count, "fewer: some of these would be rounded to one number")
        return self

    @property
    def size(self) -> int | None:
        """How many numbers there are; None if any between the ends will do."""
        return self.count

    def __getitem__(self, index: int) -> int | float:
        assert self.count is not None
        return self.between(index / (self.count - 1))

    def between(self, share: float) -> int | float:
        """The number at a share of the way from one end to the other, in [0, 1]."""
        number = self._at(share, self.most)
        if self.integer:
            return round(number)
        if share in (0, 1):
            return number
        return min(max(float(f"{number:.{DIGITS}g}"), self.least), self.most)

    def drawn(self, share: float) -> int | float:
        """The number for a share that is uniform on [0, 1): uniform in the spacing, whole numbers included."""
        if not self.integer:
            return self.between(share)
        # With spacing log a whole number n has the part of the axis from log n to log (n + 1).
        number = math.floor(self._at(share, self.most + 1))
        return min(max(number, int(self.least)), int(self.most))

    def _at(self, share: float, most: float) -> float:
        """The number at a share of the way from the first number to another one."""
        if share in (0, 1):  # exactly
            return most if share else self.least
        if self.spacing == "log":
            return self.least * math.exp(share * (math.log(most) - math.log(self.least)))
        return self.least + share * (most - self.least)


@dataclass(frozen=True)
class Axis:
    """Settings that move together: one of them, the same value for several, or a list for each.

    Attributes:
        values_of: what each setting, of a dotted name, runs through; all have equally many values.
    """

    values_of: Mapping[str, Values | Range]

    @property
    def settings(self) -> tuple[str, ...]:
        """The dotted names of what moves."""
        return tuple(self.values_of)

    @property
    def size(self) -> int | None:
        """How many points it has; None if it is a range without a count."""
        return next(iter(self.values_of.values())).size

    def at(self, index: int) -> dict[str, Any]:
        """The settings at one of its points, counted from 0."""
        return {name: values[index] for name, values in self.values_of.items()}

    def ends(self) -> Iterator[dict[str, Any]]:
        """The settings at points that tell most of whether all are allowed: each of a list, both ends of a range."""
        assert self.size is not None
        listed = any(isinstance(values, Values) for values in self.values_of.values())
        for index in range(self.size) if listed and self.size <= _MOST_ENDS else (0, self.size - 1):
            yield self.at(index)

    def drawn(self, share: float) -> dict[str, Any]:
        """The settings for a share that is uniform on [0, 1)."""
        if self.size is not None:
            return self.at(min(int(share * self.size), self.size - 1))
        ranges = {name: values for name, values in self.values_of.items() if isinstance(values, Range)}
        return {name: values.drawn(share) for name, values in ranges.items()}


def values_text(values: Values | Range) -> str:
    """What a setting runs through, for a reader, in at most a line: the values, or from where to where."""
    if isinstance(values, Values):
        return _some([as_written(value) for value in values.values])
    if values.count is not None and values.count <= _FEW:
        return ", ".join(f"{values[index]:g}" for index in range(values.count))
    number = "whole numbers" if values.integer else "numbers"
    how_many = f"{values.count:,} {number}" if values.count is not None else f"any {number}"
    return f"{how_many} from {values.least:g} to {values.most:g}{', log' if values.spacing == 'log' else ''}"


def _some(texts: Sequence[str]) -> str:
    """All of some texts, or the first that fit into a line and how many there are."""
    length = 0
    for number, text in enumerate(texts):
        length += len(text) + 2
        if length > _LONGEST_LINE and number > 0:
            return f"{', '.join(texts[:number])}, … ({len(texts):,} in all)"
    return ", ".join(texts)


def values_from(given: Any, place: str = "") -> Values | Range:
    """A list or a range, from what a file says.

    Raises:
        BadRequest: if it is neither, or not allowed.
    """
    if isinstance(given, (Values, Range)):
        return given
    if isinstance(given, (list, tuple)):
        _check_values(given, place)
        return Values(values=list(given))
    if not isinstance(given, Mapping):
        raise refusal(place, given, "a list of values, or a range {from, to, count}")
    names = {field.alias or name for name, field in Range.model_fields.items()}
    check_names(given, sorted(names), given, place)
    for name in ("from", "to"):
        if name not in given:
            raise refusal(place, dict(given), f"a range with {name}")
    with inside(place):
        return Range(**given)


def _check_values(values: Sequence[Any], place: str) -> None:
    """Refuse an empty list, and a value that is there twice; 1 and 1.0 are the same."""
    require(len(values) > 0, place, list(values), "at least one value")
    seen = set()
    for value in values:
        text = json.dumps(float(value) if _is_number(value) else value, sort_keys=True)
        if text in seen:
            raise refusal(place, value, "each value once")
        seen.add(text)


def axes_from(vary: Mapping[str, Any], together: Sequence[Mapping[str, Any]] = ()) -> list[Axis]:
    """What a sweep varies, from what its file says.

    Args:
        vary: a setting, or several of equal value with commas between them → a list or a range.
        together: settings that move together, each with its own list or range of equal length.

    Raises:
        BadRequest: if a list is empty, a range is not allowed, lengths differ, or a setting is varied twice.
    """
    axes = []
    for names, given in vary.items():
        values = values_from(given, joined("vary", names))
        axes.append(Axis({name.strip(): values for name in names.split(",")}))
        _check_dotted(axes[-1].settings, joined("vary", names), given)
    for number, group in enumerate(together):
        place = f"together[{number}]"
        if not isinstance(group, Mapping) or len(group) < 2:
            raise refusal(place, group, "two settings or more, each with a list or a range")
        axis = Axis({name: values_from(given, joined(place, name)) for name, given in group.items()})
        _check_dotted(axis.settings, place, group)
        sizes = {name: values.size for name, values in axis.values_of.items()}
        require(len(set(sizes.values())) == 1, f"number of values in {place}", sizes, "equally many of each setting")
        axes.append(axis)
    _check_each_once([name for axis in axes for name in axis.settings])
    return axes


def _check_each_once(names: Sequence[str]) -> None:
    """Refuse a setting that is varied twice, or of which a part is varied too."""
    whole: set[str] = set()
    of_parts: dict[str, str] = {}  # what some varied setting is a part of → that setting
    for name in names:
        parts = name.split(".")
        above = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        other = next((one for one in above if one in whole), of_parts.get(name))
        if other is not None:
            raise refusal("vary", name, f"each setting in one place; {other} is varied already")
        whole.add(name)
        of_parts |= dict.fromkeys(above, name)


def _check_dotted(names: Sequence[str], place: str, given: object) -> None:
    """Refuse a name with nothing before or after a dot or a comma."""
    for name in names:
        if not all(name.split(".")):
            raise refusal(place, given, "names of settings as task.length, with commas between several")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
