"""What an experiment is, and where the experiments of a paper are found."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim
from iclscope.claims.conditions import Condition, all_met
from iclscope.claims.paper import PAPERS as PAPERS  # where they are asked for with their figures
from iclscope.claims.paper import Paper
from iclscope.claims.paper import paper_named as paper_named
from iclscope.claims.published import Distances
from iclscope.core.arguments import expect, list_of, whole_number
from iclscope.core.errors import require
from iclscope.core.html import html_table
from iclscope.core.refusals import advice
from iclscope.core.registry import PAPERS as REGISTRY
from iclscope.core.registry import modules_below
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

PRESETS = ("quick", "lab", "paper")
MOST_SEEDS = 100_000

_DEFINES = re.compile(r"^\s*EXPERIMENT\b\s*[:=]", re.MULTILINE)


@dataclass(frozen=True)
class Preset:
    """The compute budget of an experiment.

    >>> import iclscope as icl
    >>> icl.Preset.named("quick", seeds=3).seeds
    (0, 1, 2)

    Attributes:
        name: "quick" (two cores, minutes), "lab" (one good GPU, minutes) or "paper" (the published settings where they
            are larger; finer grids, more seeds and prompts).
        seeds: the seeds of every point.
        prompts: test prompts per seed and point of pattern tasks.
        slow_seeds: the seeds of models that train a thousand times as long as the paper's own; None: the same.
    """

    name: str
    seeds: tuple[int, ...]
    prompts: int
    slow_seeds: tuple[int, ...] | None = None

    @classmethod
    def named(cls, name: str, seeds: int | None = None, *, paper: str = "li2024") -> Preset:
        """The preset of that name, with another number of seeds if one is given.

        Args:
            name: one of `PRESETS`.
            seeds: how many, of every model; None: the paper's own numbers for this preset.
            paper: whose numbers of seeds count.

        Raises:
            BadRequest: if there is no such preset, or fewer seeds are asked for than give an interval, or too many.
        """
        require(isinstance(name, str) and name in PRESETS, "preset", name, " or ".join(PRESETS))
        about = paper_named(paper)
        count = about.seeds[name] if seeds is None else whole_number("seeds", seeds)
        allowed = "at least 2, or there is no interval" if about.least_seeds > 1 else "at least 1"
        require(count >= about.least_seeds, "seeds", count, allowed)
        require(count <= MOST_SEEDS, "seeds", count, f"at most {MOST_SEEDS}")
        slow = about.slow_seeds.get(name, count) if seeds is None else count
        return cls(name, tuple(range(count)), {"quick": 4096, "lab": 16384, "paper": 32768}[name], tuple(range(slow)))

    @property
    def seeds_of_slow_models(self) -> tuple[int, ...]:
        """The seeds of models that train much longer than others: GPT-2 beside one layer."""
        return self.seeds if self.slow_seeds is None else self.slow_seeds

    @property
    def is_paper(self) -> bool:
        """Whether this is the paper preset."""
        return self.name == "paper"


@dataclass(frozen=True)
class Experiment:
    """One figure of a paper: what to train, how to measure it, what is claimed, how to draw it.

    Attributes:
        name: the figure's name on the command line and on disk.
        title: its heading.
        caption: what it shows and how to read it.
        position: where it stands in the report.
        trials: what to train for a preset.
        measure: trained models → rows; called once per group of equal shape, a `TrainedGroup`. It has ``trials``,
            ``model`` (all of them, one per run), ``model.untrained()`` for a control, and ``rows(arm=…, error=…)``,
            which makes a row per run.
        claims: what the paper says of it.
        draw: rows → figure. Never trains, never measures.
        finding: rows → one sentence with the figure's main numbers.
        size: width and height in inches.
        controls: all measured rows → the rows of controls that need no model; None if there are none.
        conditions: a trial → the conditions of the paper's theorem beside what it has; empty for a trial that the
            theorem does not speak of; None if no theorem is asked.
        distances: how far its curves lie from the published ones; None if none was published.
        checkpoint: the name under which a trained model is also written as a checkpoint of its own; None: under none.
        opening: whether it tells what the paper is about, and stands before all claims.
    """

    name: str
    title: str
    caption: str
    position: int
    trials: Callable[[Preset], Sequence[Trial]]
    measure: Callable[[TrainedGroup[Any], Preset], pl.DataFrame]
    claims: tuple[Claim, ...]
    draw: Callable[[Figure, pl.DataFrame], None]
    finding: Callable[[pl.DataFrame], str]
    size: tuple[float, float] = (6.4, 3.6)
    controls: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    conditions: Callable[[Trial], Sequence[Condition]] | None = None
    checkpoint: Callable[[Trial], str] | None = None
    distances: Distances | None = None
    opening: bool = False

    def __post_init__(self) -> None:
        listed = isinstance(self.claims, (tuple, list)) and all(isinstance(one, Claim) for one in self.claims)
        expect(listed, f"figure {self.name!r}: claims", self.claims, "a tuple of Claims", "of one, (claim,)")

    @cached_property
    def code(self) -> str:
        """A hash of the files in which its functions stand: a figure is measured and drawn again when one changes."""
        given = [self.trials, self.measure, self.draw, self.finding, self.controls, self.conditions, self.distances]
        functions = [*given, *(claim.estimate for claim in self.claims)]
        code = [getattr(inspect.unwrap(one), "__code__", None) for one in functions if one is not None]
        files = sorted({one.co_filename for one in code if one is not None})
        found = hashlib.sha256()
        for file in files:
            with suppress(OSError):  # of a notebook
                found.update(Path(file).read_bytes() + b"\0")
        return found.hexdigest()[:16]

    def _repr_html_(self) -> str:
        rows = [(claim.id, claim.form, claim.statement, claim.source) for claim in self.claims]
        return html_table(rows, head=("claim", "form", "statement", "source"), title=f"{self.name}: {self.title}")

    def rows(self, groups: Iterable[TrainedGroup[Any]], preset: Preset, workers: int = 1) -> pl.DataFrame:
        """Measure trained models into the figure's table, controls included.

        Args:
            groups: the trained models, in groups of equal shape.
            preset: the compute budget.
            workers: how many groups to measure at a time, in threads; the rows do not depend on it.
        """
        with ThreadPoolExecutor(workers) as pool:
            measured = pl.concat(pool.map(lambda group: self._measured(group, preset), groups), how="diagonal")
        every = measured if self.controls is None else pl.concat([measured, self.controls(measured)], how="diagonal")
        for claim in self.claims:
            claim.check_arms(every)
        return every

    def _measured(self, group: TrainedGroup[Any], preset: Preset) -> pl.DataFrame:
        if self.conditions is None:
            return self.measure(group, preset)
        meets = [all_met(self.conditions(trial)) for trial in group.trials]
        return self.measure(replace(group, meets=meets), preset)


def paper_and_figures(asked: str | Paper | Experiment, figures: Sequence[str] = ()) -> tuple[str, Sequence[str]]:
    """The short name of a paper, known from now on, and which of its figures are meant.

    Args:
        asked: a paper or its name, or one experiment; one that is of no paper becomes a paper of its own name.
        figures: the figures of a paper.

    Raises:
        BadRequest: if it is neither, or another paper has its name.
    """
    if isinstance(asked, Experiment):
        expect(not figures, "figures", figures, "none: an Experiment is one figure")
        own = next((name for name in PAPERS if asked.name in _figures(name) and _is_of(name, asked)), None)
        if own is not None:
            return own, (asked.name,)
        seeds = {"quick": 5, "lab": 20, "paper": 100}
        asked = Paper(asked.name, asked.title, "", asked.title, seeds, "", "", abilities=None, figures=(asked,))
    expect(isinstance(asked, (str, Paper)), "paper", asked, "the name of a paper, a Paper or an Experiment")
    if isinstance(asked, Paper):
        if asked.name not in PAPERS or PAPERS[asked.name] is not asked:
            REGISTRY.add(asked.name, asked)
        return asked.name, figures
    return asked, figures


def _is_of(paper: str, experiment: Experiment) -> bool:
    return experiments_named(paper, (experiment.name,))[0] is experiment


def figure_names(paper: str) -> list[str]:
    """The names of a paper's figures, in report order, without importing those whose name is a literal."""
    return list(_figures(paper))


def experiments_of(paper: str) -> list[Experiment]:
    """All experiments of a paper, in the order of the report."""
    return experiments_named(paper)


def experiments_named(paper: str, figures: Sequence[str] = ()) -> list[Experiment]:
    """The named experiments of a paper, or all if none is named, in the order of the report; no other is imported.

    Raises:
        BadRequest: listing the figures there are.
    """
    known = _figures(paper)
    figures = list_of("figures", figures, "names of figures")
    for figure in figures:
        allowed = f"figures of {paper}: {', '.join(known)}{advice(figure, known)}"
        require(figure in known, "figure", figure, allowed)
    return [_imported(place) for name, place in known.items() if not figures or name in figures]


def _figures(paper: str) -> dict[str, Experiment | str]:
    """Every figure's name and the experiment itself, or its module where that was not imported, in order.

    Raises:
        BadRequest: if two figures have one name: the second would take the first one's files.
    """
    about = paper_named(paper)
    found: list[tuple[int, str, Experiment | str]] = [(one.position, one.name, one) for one in about.figures]
    for module, file in modules_below(about.package) if about.package else ():
        source = file.read_text(encoding="utf-8")
        if _DEFINES.search(source) is None:
            continue
        told = _literal_head(source)
        if told is not None:
            found.append((*told, module))
        elif (made := getattr(importlib.import_module(module), "EXPERIMENT", None)) is not None:
            found.append((made.position, made.name, made))
    names = [name for _, name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    require(twice is None, f"figure of {paper}", twice, "a name of its own; two figures have this one")
    return {name: place for _, name, place in sorted(found, key=lambda one: one[0])}


def _literal_head(source: str) -> tuple[int, str] | None:
    """Position and name in ``EXPERIMENT = Experiment(name="…", position=…, …)``; None where they are not written so."""
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        made = ast.unparse(node.value.func).rpartition(".")[2] == Experiment.__name__
        if made and [ast.unparse(target) for target in node.targets] == ["EXPERIMENT"]:
            given = {one.arg: getattr(one.value, "value", None) for one in node.value.keywords}
            name, position = given.get("name"), given.get("position")
            return (position, name) if isinstance(name, str) and isinstance(position, int) else None
    return None


def _imported(place: Experiment | str) -> Experiment:
    made: Experiment = importlib.import_module(place).EXPERIMENT if isinstance(place, str) else place
    return made
