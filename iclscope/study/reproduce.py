"""Train every model of a paper, redraw its figures, judge its claims."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import polars as pl
import torch
from markupsafe import escape

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.paper import Paper
from iclscope.claims.verdicts import Verdicts
from iclscope.core.environment import chosen_device, environment
from iclscope.core.errors import JobsFailed
from iclscope.core.files import user_path
from iclscope.core.interrupted import Interrupted, give_back, is_interactive
from iclscope.core.threads import one_thread_per_operation
from iclscope.execution.failures import FATAL, reason_of
from iclscope.execution.groups import step_cost, unique_trials
from iclscope.execution.local import workers_on
from iclscope.execution.run_trials import groups_by_owner, load_groups, run_groups
from iclscope.plotting.style import new_figure
from iclscope.study.experiment import (
    Experiment,
    Preset,
    experiments_named,
    figure_names,
    paper_and_figures,
    paper_named,
)
from iclscope.study.folder import ResultFolder
from iclscope.study.progress import ProgressReport, reported
from iclscope.study.report import REPORT, write_report
from iclscope.training.trial import Trial


class Reproduction(NamedTuple):
    """The result of a reproduction.

    Attributes:
        folder: where everything is.
        report: the page to open.
        claims: the claims of all finished figures in the folder, judged.
        missing: the figures asked for that are not in the folder yet.
        failed: why those of them failed that did, by name, each in one line.
    """

    folder: Path
    report: Path
    claims: Sequence[JudgedClaim]
    missing: Sequence[str]
    failed: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        missing = f"\nmissing: {', '.join(self.missing)}" if self.missing else ""
        return f"{Verdicts(self.claims)!r}{missing}\nreport: {self.report}"

    def _repr_html_(self) -> str:
        return f"{Verdicts(self.claims)._repr_html_()}<p>Report: {escape(str(self.report))}</p>"


class InterruptedReproduction(Interrupted):
    """Raised on Ctrl-C; ``reproduction`` has what was finished."""

    def __init__(self, reproduction: Reproduction) -> None:
        super().__init__(reproduction)
        self.reproduction = reproduction


class IncompleteReproduction(JobsFailed):
    """Some figures failed; ``reproduction`` has the others, and the same call retries only those that failed."""

    def __init__(self, reproduction: Reproduction) -> None:
        count = len(reproduction.failed)
        reasons = "; ".join(f"{name}: {reason}" for name, reason in reproduction.failed.items())
        super().__init__(
            f"{count} figure{'s' * (count != 1)} failed ({reasons}). The others are finished and kept; the same call "
            "makes only these again"
        )
        self.reproduction = reproduction


class Plan(NamedTuple):
    """A checked request."""

    experiments: Sequence[Experiment]
    preset: Preset
    device: torch.device
    folder: ResultFolder


def planned(
    paper: str,
    *,
    figures: Sequence[str] = (),
    preset: str = "quick",
    seeds: int | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    force: bool = False,
) -> Plan:
    """Check a request for `reproduce`, whose arguments these are; nothing is computed or written.

    Raises:
        BadRequest: if a setting is not allowed.
    """
    experiments = experiments_named(paper_named(paper).name, figures)
    settings = Preset.named(preset, seeds, paper=paper)
    where = chosen_device(device)
    path = user_path(out, "--out") if out is not None else Path("results") / paper
    return Plan(experiments, settings, where, ResultFolder(path, paper, settings, force=force))


def reproduce(
    paper: str | Paper | Experiment,
    *,
    figures: str | Sequence[str] = (),
    preset: str = "quick",
    seeds: int | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    force: bool = False,
    redraw: bool = False,
    progress: ProgressReport | bool | None = None,
) -> Reproduction:
    """Train a paper's models, redraw its figures and judge every claim.

    What the folder already holds is kept; only what is missing is trained, measured and drawn.

    Args:
        paper: short name, for instance "li2024"; a `Paper`; or an `Experiment`, one figure, of a paper or by itself.
        figures: names of figures; none means all.
        preset: "quick" (minutes on two cores), "lab" (minutes on one good GPU) or "paper".
        seeds: seeds per point; None: the preset's own number.
        device: "auto", "cpu" or "cuda".
        out: the folder to write; None: ``results/PAPER``.
        force: recompute everything, even over results of other settings.
        redraw: measure and draw the figures again, from the trained models that are there.
        progress: whether to show a bar, or where to report progress; None: a bar in a terminal and in a notebook.

    Returns:
        What was made. After Ctrl-C at a prompt or in a notebook, what is finished.

    Raises:
        BadRequest: before anything is computed or written, if a setting is not allowed.
        IncompleteReproduction: if figures failed, after all others have been made and reported.
        InterruptedReproduction: on Ctrl-C in a script, after the finished figures have been reported.
    """
    figures = (figures,) if isinstance(figures, str) else figures
    paper, figures = paper_and_figures(paper, figures)
    plan = planned(paper, figures=figures, preset=preset, seeds=seeds, device=device, out=out, force=force)
    folder = plan.folder
    with folder.reserved(), reported(progress) as report:
        try:
            return _reproduced(paper, plan, report, force=force, redraw=redraw)
        except InterruptedReproduction as stopped:
            if not is_interactive():
                raise
            return give_back(stopped.reproduction, "the figures that are missing are named in it")


def _reproduced(paper: str, plan: Plan, progress: ProgressReport, *, force: bool, redraw: bool) -> Reproduction:
    """Do it, in a folder that nobody else writes to."""
    chosen, settings, where, folder = plan
    trials_of = {experiment.name: unique_trials(experiment.trials(settings)) for experiment in chosen}
    folder.start(environment(where), recompute=list(trials_of) if force else ())
    if force:
        folder.store.discard([trial for trials in trials_of.values() for trial in trials])
        folder.store.discard_unfinished()
    held = {one.name: None if redraw else folder.rows(one, trials_of[one.name]) for one in chosen}
    finished = {name: rows for name, rows in held.items() if rows is not None}
    to_do = [experiment for experiment in chosen if experiment.name not in finished]
    needed = folder.store.missing([trial for experiment in to_do for trial in trials_of[experiment.name]])
    progress.expect(len(to_do), sum(trial.training.steps * step_cost(trial) for trial in needed))
    groups = {
        frozenset(trial.hash for trial in group): group
        for own in groups_by_owner(trials_of, where).values()
        for group in own
    }
    lacking = {trial.hash for trial in needed}
    failed: dict[str, str] = {}

    def report() -> Reproduction:
        names, experiments = figure_names(paper), {one.name: one for one in chosen}
        unasked = [name for name in names if name not in trials_of and name in folder.figures]
        others = experiments_named(paper, unasked) if unasked else []
        experiments.update({one.name: one for one in others})
        trials_of.update({one.name: unique_trials(one.trials(settings)) for one in others})
        found = {one.name: folder.rows(one, trials_of[one.name]) for one in others}
        finished.update({name: rows for name, rows in found.items() if rows is not None})
        said = write_report(paper, names, experiments, settings, folder, trials_of, finished)
        unmade = [one.name for one in chosen if one.name in said.missing]
        return Reproduction(folder.path, folder.path / REPORT, said.claims, unmade, {**failed, **said.failed})

    try:
        for number, experiment in enumerate(to_do):
            wanted = [trials_of[other.name] for other in to_do[number:]]
            train = _next(groups, wanted, lacking, workers_on(where))
            asked = [trial for group in train for trial in group if trial.hash in lacking]
            left: Sequence[Trial] = ()
            try:
                finished[experiment.name] = _make(experiment, trials_of[experiment.name], train, asked, plan, progress)
            except FATAL:
                raise
            except Exception as error:  # noqa: BLE001 (told at the end; it is the figure's own, or that of its task)
                failed[experiment.name] = reason_of(error)
                folder.write_traceback(experiment.name, "".join(traceback.format_exception(error)))
                progress.figure_done()
                left = folder.store.missing(asked)
            lacking -= {trial.hash for trial in asked} - {trial.hash for trial in left}
    except KeyboardInterrupt:
        raise InterruptedReproduction(report()) from None
    done = report()
    if done.failed:
        raise IncompleteReproduction(done)
    return done


def _make(
    experiment: Experiment,
    trials: Sequence[Trial],
    groups: Sequence[Sequence[Trial]],
    missing: Sequence[Trial],
    plan: Plan,
    progress: ProgressReport,
) -> pl.DataFrame:
    """Train some groups, of which some trials are missing and a figure needs some; measure and draw it.

    Returns:
        The figure's rows.
    """
    started = time.monotonic()
    folder, device = plan.folder, plan.device
    expected = sum(trial.training.steps * step_cost(trial) for trial in missing)
    made = 0
    counting = threading.Lock()

    def count(run_steps: int) -> None:
        nonlocal made
        with counting:
            made += run_steps
        progress.steps(run_steps)

    progress.stage(experiment.name, "training")
    run_groups(groups, folder.store, device=device, on_step=count)
    progress.skip(expected - made)
    if experiment.checkpoint is not None:
        folder.write_checkpoints(experiment.checkpoint, load_groups(trials, folder.store, device))
    progress.stage(experiment.name, "measuring")
    with one_thread_per_operation():
        rows = experiment.rows(load_groups(trials, folder.store, device), plan.preset, workers_on(device))
    progress.stage(experiment.name, "drawing")
    figure = new_figure(*experiment.size)
    experiment.draw(figure, rows)
    folder.finish(experiment, trials, rows, figure, time.monotonic() - started)
    progress.figure_done()
    return rows


def _next(
    groups: Mapping[frozenset[str], list[Trial]], wanted: Sequence[Sequence[Trial]], lacking: Set[str], at_a_time: int
) -> list[list[Trial]]:
    """What the first of some figures lacks, and groups of later ones for cores that would be idle.

    On two cores three groups want a fourth. Groups are whole, so who fills a core has the company it would have had.

    Args:
        groups: all there are, by the hashes of their trials.
        wanted: the trials of each figure that is still to be made.
        lacking: the hashes of trials that are not stored.
        at_a_time: how many groups train at a time.
    """
    chosen: list[list[Trial]] = []
    left = set(lacking)
    for number, trials in enumerate(wanted):
        if number and not len(chosen) % at_a_time:
            break
        own = {trial.hash for trial in trials} & left
        for hashes, group in groups.items():
            if number and not len(chosen) % at_a_time:
                break
            if own & left & hashes:
                chosen.append(group)
                left -= hashes
    return chosen
