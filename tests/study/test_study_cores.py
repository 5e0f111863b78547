"""How many cores there are decides when something is trained, never in whose company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study.tiny import put_in_place, reproduce_module, tiny_experiment, tiny_trials

from iclscope.execution.run_trials import run_groups
from iclscope.study.experiment import Preset
from iclscope.study.reproduce import reproduce
from iclscope.training.trial import Trial

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

SEEDS = 20
"""More than train together, so that a figure has a whole group and a small one."""


def companies(folder: Path, monkeypatch: pytest.MonkeyPatch, cores: int) -> tuple[list[int], set[tuple[str, ...]]]:
    """How many groups were trained for each figure, and the trials of every group."""
    per_figure: list[int] = []
    found: set[tuple[str, ...]] = set()

    def noted(groups: Sequence[Sequence[Trial]], store: Any, **settings: Any) -> None:
        per_figure.append(len(groups))
        found.update(tuple(trial.hash for trial in group) for group in groups)
        run_groups(groups, store, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(reproduce_module, "run_groups", noted)
        patch.setattr(reproduce_module, "workers_on", lambda _device: cores)
        reproduce("li2024", out=folder, seeds=SEEDS, device="cpu")
    return per_figure, found


@pytest.fixture
def three_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of equal shape that share trials: the second has all of the first's and more, the third other ones."""
    figures = [tiny_experiment(name, position=index) for index, name in enumerate(("first", "second"))]

    def trials_of_second(preset: Preset) -> list[Trial]:
        more = [trial.model_copy(update={"seed": trial.seed + 100}) for trial in tiny_trials(preset, 4)]
        return [*tiny_trials(preset, 4)[:10], *more]

    third = tiny_experiment("third", position=2, steps=5)
    put_in_place(monkeypatch, [figures[0], replace(figures[1], trials=trials_of_second), third])


@pytest.mark.usefixtures("three_figures")
def test_the_company_of_a_trial_does_not_depend_on_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = {cores: companies(tmp_path / str(cores), monkeypatch, cores) for cores in (1, 2, 5)}
    assert len(plans[1][1]) == 6, "each figure has a group of 16 and one of 4"
    assert plans[1][1] == plans[2][1] == plans[5][1]
    assert plans[1][0] == [2, 2, 2], "one core is never idle"
    assert plans[5][0] == [5, 0, 1], "five cores take three groups of later figures"


@pytest.mark.usefixtures("three_figures")
def test_nor_does_it_on_what_was_made_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = companies(tmp_path / "whole", monkeypatch, 2)
    part = tmp_path / "part"
    reproduce("li2024", figures=["first"], out=part, seeds=SEEDS, device="cpu")
    _, rest = companies(part, monkeypatch, 2)
    assert rest < whole
