"""The settings that a sweep starts from when it names a paper: those of the paper's own trainings."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from iclscope.core.errors import one_of_these
from iclscope.core.refusals import advice, refusal
from iclscope.study.experiment import PAPERS, PRESETS, Preset, experiments_named
from iclscope.sweeps.file.settings_tree import Tree
from iclscope.training.trial import Trial


def paper_names() -> list[str]:
    """The papers that a sweep may start from: all that are of one theory."""
    return [paper.name for paper in PAPERS.values() if paper.abilities is not None]


@lru_cache(maxsize=64)
def paper_trial(paper: str, figure: str | None = None, preset: str = "quick") -> Trial:
    """A training of a paper.

    Without a figure it is the one that most of the paper's figures look at: one layer on patterns (Li 2024), GPT-2 on
    linear functions (Garg 2022), one layer of linear attention on uniform inputs (von Oswald 2023) or on Gaussian ones
    of unit covariance (Zhang 2024), softmax attention on balanced features (Huang 2024).

    Args:
        paper: one of `paper_names`.
        figure: the name of one of its figures (``iclscope list``), whose first training is taken; None: see above.
        preset: "quick", "lab" or "paper": at which sizes.

    Raises:
        BadRequest: if there is no such paper, figure or preset.
    """
    names = paper_names()
    if paper not in names:
        raise refusal("paper", paper, one_of_these(names) + advice(paper, names))
    if preset not in PRESETS:
        raise refusal("preset", preset, one_of_these(PRESETS))
    sizes = Preset.named(preset, paper=paper)
    if figure is None and PAPERS[paper].start:
        module, _, function = PAPERS[paper].start.partition(":")
        found: Trial = getattr(import_module(module), function)(sizes)
        return found
    if figure is None:
        return experiments_named(paper)[0].trials(sizes)[0]
    return experiments_named(paper, [figure])[0].trials(sizes)[0]


def paper_settings(paper: str, figure: str | None = None, preset: str = "quick") -> Tree:
    """The settings of `paper_trial`, as plain values by name: task, model, training.

    What a figure records on the way, and a risk at which it stops training, belong to the figure and are left out.
    """
    trial = paper_trial(paper, figure, preset)
    settings = trial.model_dump(mode="json", include={"task", "model", "training"})
    settings["training"]["target_risk"] = None
    return settings
