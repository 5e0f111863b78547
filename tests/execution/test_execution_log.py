"""The plain log of a long training: what its lines say, and that a resumed training adds to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_execution_gpt2 import ctrl_c_after

from iclscope.execution import jobs
from iclscope.execution.jobs import train_trials
from iclscope.execution.run_trials import run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.models import SoftmaxReLUConfig
from iclscope.tasks import PatternClassification
from iclscope.training.log import LINES, LONG, TrainingLog
from iclscope.training.trial import Training, Trial

TASK = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=3)


def make_trial(seed: int = 0, steps: int = 30, **training: Any) -> Trial:
    model = SoftmaxReLUConfig(d_X=5, d_Y=2, width=4)
    return Trial(task=TASK, model=model, training=Training(steps=steps, batch_size=2, **training), seed=seed)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("log-*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_say_step_seconds_and_the_loss_of_each_run(tmp_path: Path) -> None:
    trials = [make_trial(seed) for seed in range(3)]
    log = TrainingLog(tmp_path / "log-x.jsonl", trials)
    assert list(tmp_path.iterdir()) == [], "nothing is written before the first line"
    log(0, [0, 1, 2], torch.tensor([0.5, 1.0, 2.0]))
    log(1, [2, 0], torch.tensor([0.25, 0.125]))
    first, second = lines_of(tmp_path)
    assert first["loss"] == {trials[0].hash: 0.5, trials[1].hash: 1.0, trials[2].hash: 2.0}
    assert second["loss"] == {trials[2].hash: 0.25, trials[0].hash: 0.125}
    assert (first["step"], second["step"]) == (0, 1)
    assert 0 <= first["seconds"] <= second["seconds"] < 60


def test_a_training_from_its_start_begins_its_log_anew(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log-x.jsonl", [make_trial()])
    for step in (0, 1, 1, 0):  # made, saved before step 1 and resumed, forced anew
        log(step, [0], torch.tensor([1.0]))
    assert [line["step"] for line in lines_of(tmp_path)] == [0]


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (999, 1), (1000, 2), (50_000, 100), (500_000, 1000)])
def test_a_log_has_about_as_many_lines_however_long_the_training_is(tmp_path: Path, steps: int, every: int) -> None:
    log = TrainingLog(tmp_path / "log-x.jsonl", [make_trial(steps=steps)])
    tried = [*range(0, min(steps, 3 * every)), *range(steps - steps % every, steps)]
    for step in tried:
        log(step, [0], torch.tensor([1.0]))
    assert [line["step"] for line in lines_of(tmp_path)] == [step for step in tried if step % every == 0]
    assert steps // every <= 2 * LINES


def test_only_long_trainings_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert jobs.LONG == LONG == 1000
    monkeypatch.setattr(jobs, "LONG", 10)
    for steps, logged in ((9, 0), (10, 1)):
        store = TrialStore(tmp_path / str(steps))
        run_trials([make_trial(steps=steps)], store, workers=1)
        assert len(list(store.folder.glob("log-*"))) == logged
        assert store.missing([make_trial(steps=steps)]) == []
    assert [line["step"] for line in lines_of(tmp_path / "10")] == list(range(10))


def test_the_losses_are_those_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LONG", 10)
    trials = [make_trial(0), make_trial(1, learning_rate=1e30)]
    seen: dict[int, dict[str, float]] = {}

    def note(step: int, live: Any, losses: torch.Tensor) -> None:
        seen[step] = {trials[run].hash: float(loss) for run, loss in zip(live, losses, strict=True)}

    state = train_trials(trials, on_loss=note)
    run_trials(trials, TrialStore(tmp_path), workers=1)
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == list(range(30))
    for line in lines:
        assert line["loss"] == seen[line["step"]]
    diverged = int(state.diverged_at[1])
    assert 0 < diverged < 30
    assert [len(line["loss"]) for line in lines] == [2] * diverged + [1] * (30 - diverged)


def test_a_resumed_training_adds_to_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LONG", 10)
    trials = [make_trial(0), make_trial(1)]
    run_trials(trials, TrialStore(tmp_path / "whole"), workers=1)
    interrupted = TrialStore(tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt):
        run_trials(trials, interrupted, workers=1, on_step=ctrl_c_after(5))
    before = lines_of(interrupted.folder)
    assert 5 <= len(before) < 30
    run_trials(trials, interrupted, workers=1)
    lines = lines_of(interrupted.folder)
    assert lines[: len(before)] == before
    for line, other in zip(lines, lines_of(tmp_path / "whole"), strict=True):
        assert (line["step"], line["loss"]) == (other["step"], other["loss"])
