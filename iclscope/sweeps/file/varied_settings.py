"""Whether what a sweep varies can be settings of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from iclscope.core.errors import Verbatim, refused
from iclscope.core.refusals import closest_of, refusal
from iclscope.sweeps.file.axes import Axis, Range, Values, values_text
from iclscope.sweeps.file.known_settings import PARTS, classes_of, config_of, takes_whole
from iclscope.sweeps.file.planned import SweepTest
from iclscope.sweeps.file.settings_tree import Tree, merged

_MOST_LOOKED_AT = 1000
"""Numbers of a range that are looked at; most of those that are not whole are among the first."""


def check_varied(settings: Tree, axes: Sequence[Axis]) -> None:
    """Refuse to vary what is of no part of a trial, naming the closest setting that is, and parts of a whole number.

    Args:
        settings: what the sweep starts from.
        axes: what is varied.

    Raises:
        BadRequest: naming the first such setting.
    """
    for axis in axes:
        for name, value in axis.drawn(0.0).items():
            part, dot, setting = name.partition(".")
            if part not in PARTS or (not dot and not isinstance(value, Mapping)):
                raise refusal(name, value, _parts_and_the_closest(name, settings))
            _check_whole(name, axis.values_of[name], settings[part], part, setting)


def check_test_varied(settings: Tree, tests: Mapping[str, SweepTest]) -> None:
    """Refuse a test that varies a whole number over a range of others.

    Args:
        settings: what the sweep starts from.
        tests: by name.

    Raises:
        BadRequest: naming the first such setting.
    """
    for name, test in tests.items():
        task = merged(settings["task"], test.task)
        for axis in test.axes:
            for setting, values in axis.values_of.items():
                _check_whole(f"tests.{name}.vary.{setting}", values, task, "task", setting)


def _check_whole(name: str, values: Values | Range, settings: Tree, part: str, setting: str) -> None:
    """Refuse a range with numbers that are not whole, of a setting that is."""
    if not isinstance(values, Range) or values.integer:
        return
    if not takes_whole([config_of(settings, classes_of(part), part)], setting):
        return
    numbers = () if values.count is None else (values[index] for index in range(values.count))
    if values.count is None or any(number != int(number) for number in islice(numbers, _MOST_LOOKED_AT)):
        allowed = "whole numbers; add integer: true to the range, which rounds them"
        raise refused(name, Verbatim(values_text(values)), allowed)


def _parts_and_the_closest(name: str, settings: Tree) -> str:
    """What may stand before the dot, and what an unknown name may have meant."""
    there = [f"{part}.{setting}" for part in PARTS for setting in _settings_of(settings, part)]
    same = [known for known in there if known.partition(".")[2] == name.rpartition(".")[2]]
    closest = same[0] if same else closest_of(name, there)
    advice = f"; did you mean {closest}?" if closest else ""
    return f"a setting of {', '.join(PARTS)}, as task.length{advice}"


def _settings_of(settings: Tree, part: str) -> Sequence[str]:
    """The settings that one part of a trial has."""
    return list(config_of(settings[part], classes_of(part), part).model_fields)
