"""The settings that a sweep starts from when it names a paper: those of the paper's own trainings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from iclscope.core.refusals import advice, refusal
from iclscope.papers.garg2022.settings import function_trial
from iclscope.papers.huang2024.settings import trajectory_trials
from iclscope.papers.li2024.settings import trial as pattern_trial
from iclscope.papers.vonoswald2023.settings import CODE, RANGES, linear_trial
from iclscope.papers.zhang2024.settings import one_covariance_trial, plan_of
from iclscope.study.experiment import PRESETS, Preset, experiments_named
from iclscope.sweeps.file.settings_tree import Tree
from iclscope.training.trial import Trial

_TRIAL_OF: dict[str, Callable[[Preset], Trial]] = {
    "li2024": lambda _: pattern_trial(0),
    "garg2022": lambda preset: function_trial("linear", preset, 0),
    "vonoswald2023": lambda preset: linear_trial(RANGES[CODE], preset, 0),
    "zhang2024": lambda preset: one_covariance_trial(preset, 0, plan_of(preset).length),
    "huang2024": lambda preset: trajectory_trials(preset)[0],
}

PAPER_NAMES = tuple(_TRIAL_OF)
"""The papers that a sweep may start from."""


@lru_cache(maxsize=64)
def paper_trial(paper: str, figure: str | None = None, preset: str = "quick") -> Trial:
    """A training of a paper.

    Without a figure it is the one that most of the paper's figures look at: one layer on patterns (Li 2024), GPT-2 on
    linear functions (Garg 2022), one layer of linear attention on uniform inputs (von Oswald 2023) or on Gaussian ones
    of unit covariance (Zhang 2024), softmax attention on balanced features (Huang 2024).

    Args:
        paper: one of `PAPER_NAMES`.
        figure: the name of one of its figures (``iclscope list``), whose first training is taken; None: see above.
        preset: "quick", "lab" or "paper": at which sizes.

    Raises:
        BadRequest: if there is no such paper, figure or preset.
    """
    if paper not in PAPER_NAMES:
        raise refusal("paper", paper, f"{', '.join(PAPER_NAMES)}{advice(paper, PAPER_NAMES)}")
    if preset not in PRESETS:
        raise refusal("preset", preset, ", ".join(PRESETS))
    sizes = Preset.named(preset, paper=paper)
    if figure is None:
        return _TRIAL_OF[paper](sizes)
    return experiments_named(paper, [figure])[0].trials(sizes)[0]


def paper_settings(paper: str, figure: str | None = None, preset: str = "quick") -> Tree:
    """The settings of `paper_trial`, as plain values by name: task, model, training.

    What a figure records on the way, and a risk at which it stops training, belong to the figure and are left out.
    """
    trial = paper_trial(paper, figure, preset)
    settings = trial.model_dump(mode="json", include={"task", "model", "training"})
    settings["training"]["target_risk"] = None
    return settings
