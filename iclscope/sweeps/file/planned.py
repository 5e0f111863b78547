"""A trial of a sweep: what is trained, which settings were varied to get it, and what it is tested on afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from iclscope.core.errors import BadRequest
from iclscope.core.refusals import inside, shown
from iclscope.core.settings import Settings
from iclscope.execution.units import PlannedTest, PlannedTrial
from iclscope.sweeps.file.axes import Axis, axes_from
from iclscope.sweeps.file.designs import Grid, Point
from iclscope.sweeps.file.known_settings import MOST_PROMPTS, PARTS, classes_of, config_from, config_of
from iclscope.sweeps.file.misplaced import check_test_varies
from iclscope.sweeps.file.places import is_of, subject_of
from iclscope.sweeps.file.settings_tree import Tree, merged, with_setting
from iclscope.training.trial import Trial

_MOST_NAMED = 4
"""Varied settings that a refusal names."""


class SweepTest(Settings):
    """What a trained model is tested on: the task that it was trained on, with changes."""

    model_config = ConfigDict(strict=True)

    task: dict[str, Any] = Field(default_factory=dict, description="changes to the task trained on; none: that task")
    vary: dict[str, Any] = Field(
        default_factory=dict,
        description="settings of the test's task (`alpha`, `shift.S1`) → list of values or range: one test for each "
        "combination",
    )
    prompts: int | None = Field(
        None, ge=2, le=MOST_PROMPTS, description="test prompts per run; None: 4,096 on patterns, 1,280 on other tasks"
    )

    @model_validator(mode="after")
    def _check(self) -> SweepTest:
        check_test_varies(self.vary)
        Grid().check(self.axes)
        return self

    @cached_property
    def axes(self) -> Sequence[Axis]:
        """What the test itself varies."""
        return axes_from(self.vary)

    @property
    def count(self) -> int:
        """How many tests this is."""
        return Grid().count(self.axes)


def planned_trials(
    settings: Tree, point: Point, seeds: Sequence[int], tests: Mapping[str, SweepTest]
) -> Iterator[PlannedTrial]:
    """The trials of one point, one per seed, with all that can be refused before training refused at once.

    Args:
        settings: what the sweep starts from: task, model, training, evaluation.
        point: the varied settings.
        seeds: the seeds.
        tests: by name.

    Raises:
        BadRequest: naming the setting, and the point if anything varies.
    """
    for name, value in point.items():
        settings = with_setting(settings, name, value)
    with _at(point):
        parts = {part: _part(settings, part) for part in PARTS}
        tested = [test for name, about in tests.items() for test in _planned_tests(name, about, settings)]
        first = _trial(parts, seeds[0])
        for test in tested:
            with _of_test(test.name, tests[test.name], dict(test.task)):
                _check_test(test, first)
    # What was checked of one seed need not be checked of the others.
    return (PlannedTrial(first.model_copy(update={"seed": seed}), point, tested) for seed in seeds)


def _part(settings: Tree, part: str) -> Any:
    """The config of one part of a trial."""
    own = part_settings(settings, part)
    with inside(part, own):
        return config_from(own, part)


def part_settings(settings: Tree, part: str) -> Tree:
    """The settings of one part of a trial; what is recorded on the way are changes to the task trained on."""
    own: Tree = settings[part]
    if part != "evaluation" or not isinstance(own.get("on"), Mapping):
        return own
    changed = {
        name: merged(settings["task"], changes) if isinstance(changes, Mapping) else changes
        for name, changes in own["on"].items()
    }
    return {**own, "on": changed}


def _trial(parts: Mapping[str, Any], seed: int) -> Trial:
    """A trial, its refusals named by the part that they are about."""
    try:
        return Trial(**parts, seed=seed)
    except BadRequest as error:
        name = subject_of(error)
        homes = [part for part in PARTS if name in type(parts[part]).model_fields]
        if len(homes) != 1:
            raise
        raise error.at(f"{homes[0]}.{name}") from error


def _planned_tests(name: str, about: SweepTest, settings: Tree) -> Iterator[PlannedTest]:
    """The tests that one entry of a sweep asks for."""
    kind = config_of(settings["task"], classes_of("task"), "task")
    task_settings = merged(kind.for_testing(settings["task"]), about.task)  # type: ignore[attr-defined]
    for point in Grid().points(about.axes):
        changed = task_settings
        for setting, value in point.items():
            changed = with_setting(changed, setting, value)
        with _of_test(name, about, changed):
            task = config_from(changed, "task")
        varied = {f"test.{setting}": value for setting, value in point.items()}
        yield PlannedTest(name, task, about.prompts or task.default_prompts, varied)


def _check_test(test: PlannedTest, trial: Trial) -> None:
    """Refuse a test that the trained model could not be asked."""
    trial.model.check_task(test.task)
    test.task.check_test_of(trial.task)
    test.task.check_sizes()


@contextmanager
def _of_test(name: str, about: SweepTest, task: Mapping[str, Any]) -> Iterator[None]:
    """Let refusals of the block say of which test they are, and whether the setting is one that it varies."""
    try:
        yield
    except BadRequest as error:
        subject = subject_of(error)
        varied = subject is not None and is_of(subject, [setting for axis in about.axes for setting in axis.settings])
        with inside(f"tests.{name}.{'vary' if varied else 'task'}", task):
            raise


@contextmanager
def _at(point: Point) -> Iterator[None]:
    """Let refusals of the block say at which values of the varied settings they are."""
    try:
        yield
    except BadRequest as error:
        about = re.match(rf"({'|'.join(PARTS)}|tests)\b", str(error))
        part = None if about is None else "task" if about[0] == "tests" else about[0]
        # What is wrong within one part has nothing to do with what is varied in another.
        varied = {name: value for name, value in point.items() if part is None or name.partition(".")[0] == part}
        subject = subject_of(error)
        if not varied or (len(varied) == 1 and subject is not None and is_of(subject, varied)):
            raise
        named = [f"{name} = {shown(value)}" for name, value in islice(varied.items(), _MOST_NAMED)]
        where = f"at {', '.join(named)}{', …' if len(varied) > _MOST_NAMED else ''}"
        found = error.refusal
        raise BadRequest(f"{error} ({where})" if found is None else found._replace(where=where)) from error
