"""A sweep: the trials of many settings, as one file describes them (docs/sweeps.md)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from iclscope.core.errors import Verbatim, refused, require
from iclscope.core.files import user_path
from iclscope.core.refusals import inside, refusal
from iclscope.core.settings import Settings
from iclscope.execution.units import PlannedTrial
from iclscope.sweeps.file.axes import Axis, axes_from
from iclscope.sweeps.file.designs import Design, Grid, design_from
from iclscope.sweeps.file.inheritance import read_inherited
from iclscope.sweeps.file.known_settings import PARTS, classes_of, kinds_of
from iclscope.sweeps.file.misplaced import check_base_parts, check_test_keys, check_top
from iclscope.sweeps.file.paper_settings import paper_names, paper_settings
from iclscope.sweeps.file.places import in_the_file
from iclscope.sweeps.file.planned import SweepTest, planned_trials
from iclscope.sweeps.file.settings_tree import Tree, check_plain, merged
from iclscope.sweeps.file.varied_settings import check_test_varied, check_varied

MOST_TRIALS = 1_000_000
MOST_TESTS = 1000
LARGEST_SEED = 2**63 - 1
OWN_TASK = "own-task"
"""The name of the test of a sweep that names none: on the task that was trained on."""

_MOST_SHOWN = 6
"""Sizes of axes that a refusal shows."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.+-]{0,98}[A-Za-z0-9_+-])?")
_NAME_TEXT = "up to 100 letters, digits, '-', '_', '+' and single dots, as it names a folder"


class Sweep(Settings):
    """Trials of many settings, and what the trained models are tested on.

    >>> import iclscope as icl
    >>> icl.Sweep(paper="zhang2024", vary={"task.length": [5, 10, 20]}, seeds=2).count
    6

    A trial's settings are those of ``paper``, with ``base`` laid over them, with the values of one point of ``vary``
    and ``together`` laid over these. ``design`` says which points there are; each is trained once per seed.
    """

    model_config = ConfigDict(strict=True)

    name: str = Field(
        "sweep", description="what the sweep is called; the folder of its results; default: the file's name"
    )
    question: str = Field("", description="what it asks, for a reader")
    paper: str | None = Field(
        None, description="li2024, garg2022, vonoswald2023, zhang2024, huang2024: whose training to start from"
    )
    figure: str | None = Field(
        None,
        description="the figure (`iclscope list`) whose first training it is; None: the paper's most common training",
    )
    preset: str | None = Field(None, description="quick, lab or paper: at which of the paper's sizes; None: quick")
    base: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="settings of task, model, training, evaluation, laid over the paper's"
    )
    vary: dict[str, Any] = Field(
        default_factory=dict,
        description="setting (`task.alpha`; several of one value: `task.d_X, model.d_X`) → list of values, or range "
        "{from, to, count, spacing, integer}",
    )
    together: list[dict[str, Any]] = Field(
        default_factory=list, description="groups of settings that move together, each with its own list or range"
    )
    design: Design = Field(
        default_factory=lambda: Grid(), description="grid; or random or sobol, with samples and seed: which points"
    )
    seeds: int | list[int] = Field(
        5, description="how many seeds each point is trained with (0, 1, …), or which; 0 or more, each once"
    )
    tests: dict[str, SweepTest] = Field(
        default_factory=lambda: {OWN_TASK: SweepTest()},
        description="what each trained model is tested on, by name; the rows come from these",
    )

    _files: str = PrivateAttr("sweep")

    @model_validator(mode="before")
    @classmethod
    def _from_plain(cls, given: Any) -> Any:
        """Check that values are plain, then make designs and tests from what a file says of them."""
        if not isinstance(given, dict):
            return given
        ready = {"design", "tests"}
        check_plain({name: value for name, value in given.items() if name not in ready})
        made = dict(given)
        check_top(made, list(cls.model_fields))
        if isinstance(made.get("base"), Mapping):
            check_base_parts(made["base"])
        if "design" in made:
            if not isinstance(made["design"], Design):
                check_plain(made["design"], "design")
            made["design"] = design_from(made["design"])
        if "tests" in made:
            made["tests"] = _tests_from(made["tests"])
        return made

    @model_validator(mode="after")
    def _check(self) -> Sweep:
        check_name(self.name, "name")
        for name in self.tests:
            check_name(name, "tests")
        _check_record_names(self.base)
        require(self.paper is not None or self.figure is None, "figure", self.figure, "with a paper only")
        require(self.paper is not None or self.preset is None, "preset", self.preset, "with a paper only")
        _check_seeds(self.seeds)
        settings, axes = self.settings, self.axes
        with self._in_the_file():
            check_varied(settings, axes)
            self.design.check(axes)
        check_test_varied(settings, self.tests)
        tests = sum(test.count for test in self.tests.values())
        require(0 < tests <= MOST_TESTS, "number of tests", tests, f"1 to {MOST_TESTS:,} for each trial")
        self._check_count()
        self._check_ends()
        return self

    def _check_count(self) -> None:
        """Refuse more trials than anyone could train, before any is made."""
        if self.count <= MOST_TRIALS:
            return
        seeds = self.seed_count
        sizes = [axis.size or 0 for axis in self.axes] if isinstance(self.design, Grid) else [self.design.samples]
        factors = " × ".join(_count_text(size) for size in sizes[:_MOST_SHOWN]) or "one"
        factors += f"{' × …' if len(sizes) > _MOST_SHOWN else ''} {'points' if sizes else 'point'}"
        factors += f" with {_count_text(seeds)} {'seed' if seeds == 1 else 'seeds'}"
        count = Verbatim(f"{_count_text(self.count)} ({factors})")
        raise refused("number of trials", count, f"at most {MOST_TRIALS:,}")

    def _check_ends(self) -> None:
        """Refuse what the first point or a single value of a grid tells, before perhaps a million trials are made."""
        first = next(iter(self.design.points(self.axes)))
        with self._in_the_file():
            planned_trials(self.settings, first, self.seed_list[:1], self.tests)
            for axis in self.axes if isinstance(self.design, Grid) else ():
                for point in axis.ends():
                    planned_trials(self.settings, first | point, self.seed_list[:1], self.tests)

    def _in_the_file(self) -> AbstractContextManager[None]:
        """Let refusals of the block say where in the file a setting stands."""
        return in_the_file(self.base, self.vary, self.together)

    @cached_property
    def axes(self) -> Sequence[Axis]:
        """What is varied, in the file's order."""
        return axes_from(self.vary, self.together)

    @cached_property
    def settings(self) -> Tree:
        """What every trial starts from: task, model, training, evaluation, as plain values."""
        start: Tree = {part: {} for part in PARTS}
        if self.paper is not None:
            start |= paper_settings(self.paper, self.figure, self.preset or "quick")
        settings = merged(start, self.base)
        for part in ("task", "model"):
            if "kind" not in settings[part]:
                raise refusal(f"base.{part}.kind", None, _without_a_paper(part))
        return settings

    @property
    def varied(self) -> tuple[str, ...]:
        """The dotted names of all settings that are varied."""
        return tuple(name for axis in self.axes for name in axis.settings)

    @property
    def seed_list(self) -> Sequence[int]:
        """The seeds of each point."""
        return range(self.seeds) if isinstance(self.seeds, int) else self.seeds

    @property
    def seed_count(self) -> int:
        """How many seeds each point has; of a range too long for Python's ``len`` too."""
        return self.seeds if isinstance(self.seeds, int) else len(self.seeds)

    @property
    def count(self) -> int:
        """How many trials there are, without making any."""
        return self.design.count(self.axes) * self.seed_count

    @cached_property
    def kept(self) -> list[list[PlannedTrial]]:
        """The first trials, as far as they were made; `windows_of` fills it."""
        return []

    def trials(self, start: int = 0) -> Iterator[PlannedTrial]:
        """The trials in order, each made and checked when it is asked for; the seeds of a point follow each other.

        Args:
            start: how many trials are left out, and not made.

        Raises:
            BadRequest: at the first trial whose settings are not allowed, naming the setting and the point.
        """
        points, seeds = divmod(start, self.seed_count)
        for point in islice(self.design.points(self.axes), points, None):
            with inside(self._files, {}), self._in_the_file():
                planned = planned_trials(self.settings, point, self.seed_list[seeds:], self.tests)
            yield from planned
            seeds = 0


def load_sweep(path: str | Path) -> Sweep:
    """The sweep that a YAML file describes; ``extends`` is followed.

    Nothing but the files is read, and nothing is trained or written.

    Args:
        path: the file; a file that it extends lies relative to it.

    Raises:
        BadRequest: in one line that begins with the file's name, if a file cannot be read or what it says is not
            allowed.
    """
    path = user_path(path, "FILE")
    inherited = read_inherited(path, tuple(Sweep.model_fields))
    with inside(inherited.files, {}):
        settings = {"name": path.stem, **inherited.settings}
        if "name" not in inherited.settings and not _is_name(path.stem):
            raise refusal("the file's name, which is the sweep's", path.stem, f"{_NAME_TEXT}; or give it a name: …")
        sweep = Sweep(**settings)
    sweep._files = inherited.files
    return sweep


def check_name(name: str, option: str) -> None:
    """Refuse a name that could not name a folder, or would name one elsewhere.

    Raises:
        BadRequest: naming the option.
    """
    require(_is_name(name), option, name, _NAME_TEXT)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and ".." not in name


def _tests_from(given: Any) -> dict[str, SweepTest]:
    """Tests by name, from what a file says."""
    if not isinstance(given, Mapping) or not given:
        raise refusal("tests", given, "at least one test by name, as unseen: {task: {tasks: unseen}}")
    tests = {}
    for name, about in given.items():
        check_name(str(name), "name of a test")
        place = f"tests.{name}"
        if isinstance(about, SweepTest):
            tests[name] = about
            continue
        check_plain(about, place)
        about = {} if about is None else about
        if not isinstance(about, Mapping):
            raise refusal(place, about, "{task: {changes}, prompts: …}")
        check_test_keys(about, SweepTest.model_fields, place)
        with inside(place, about):
            tests[name] = SweepTest(**about)
    return tests


def _check_record_names(base: Mapping[str, Mapping[str, Any]]) -> None:
    on = base.get("evaluation", {}).get("on")
    count = len(on) if isinstance(on, Mapping) else 0
    require(count <= MOST_TESTS, "number of tasks in base.evaluation.on", count, f"at most {MOST_TESTS:,}")
    for name in on if isinstance(on, Mapping) else ():
        check_name(name, "name in base.evaluation.on")


def _check_seeds(seeds: int | list[int]) -> None:
    if isinstance(seeds, int):
        require(seeds >= 1, "seeds", seeds, "at least 1, or a list of seeds")
        return
    require(len(seeds) > 0, "seeds", seeds, "at least one")
    require(len(set(seeds)) == len(seeds), "seeds", seeds, "each seed once")
    for seed in seeds:
        require(0 <= seed <= LARGEST_SEED, "seeds", seed, "0 to 2⁶³ − 1")


def _without_a_paper(part: str) -> str:
    """What a file must say of a part of its trials, where it names no paper."""
    first, *others = paper_names()
    papers = ", ".join(others)
    return f"{', '.join(kinds_of(classes_of(part)))}; or a line 'paper: {first}' ({papers}), which gives the rest"


def _count_text(count: int) -> str:
    """A number for a reader, however large."""
    return f"{count:,}" if count < 10**18 else f"about 10^{math.floor(math.log10(2) * (count.bit_length() - 1))}"
