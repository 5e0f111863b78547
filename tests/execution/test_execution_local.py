"""Training many trials: alone or together, on one thread or two, in one go or interrupted, the numbers are the same."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import iclscope
from iclscope.execution import jobs
from iclscope.execution.jobs import train_trials
from iclscope.execution.run_trials import load_groups, run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.models.softmax_relu import SoftmaxReLUConfig
from iclscope.tasks.patterns import PatternClassification
from iclscope.training.trial import Evaluation, Training, Trial

TASK = PatternClassification(M1=4, M2=6, d_X=10, d_Y=6, length=8)
# Alone and in a batch, sums may be taken in another order. Measured in float32 with PyTorch 2.13 on a CPU: no
# difference at all for these trials, nor for two of the default trials after 400 steps; two threads inside one
# operation instead of one changed the default weights (of order 1) by at most 1.2e-7. Ten times that is allowed.
ALONE_OR_TOGETHER = 1.2e-6


def make_trial(seed: int = 0, *, alpha: float = 0.8, width: int = 12, **training: Any) -> Trial:
    task = TASK.replace(alpha=alpha)
    return Trial(
        task=task,
        model=SoftmaxReLUConfig(d_X=10, d_Y=6, width=width),
        training=Training(**{"steps": 60, "batch_size": 16, **training}),
        evaluation=Evaluation(on={"in-domain": task.replace(tasks="unseen")}, every=10, prompts=32),
        seed=seed,
    )


def contents(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """All tensors of all files."""
    return {path.name: load_file(path) for path in sorted(folder.iterdir())}


def assert_same(one: Path, other: Path) -> None:
    """Bit-identical tensors in files of the same names."""
    left, right = contents(one), contents(other)
    assert left.keys() == right.keys()
    assert left
    for name, tensors in left.items():
        assert tensors.keys() == right[name].keys()
        for key, tensor in tensors.items():
            bits, others = (one.reshape(-1).view(torch.uint8) for one in (tensor, right[name][key]))
            assert torch.equal(bits, others), f"{name}: {key}"


def test_alone_or_in_a_mixed_batch() -> None:
    never = 1e-9
    trials = [
        make_trial(0, steps=200, target_risk=never),
        make_trial(1, steps=200, target_risk=never, learning_rate=0.3),
        make_trial(0, steps=200, target_risk=never, alpha=0.4),
        make_trial(2, steps=200, target_risk=0.9),
        make_trial(3, steps=200, target_risk=never, learning_rate=1e30),
    ]
    assert len({trial.shape for trial in trials}) == 1
    together = train_trials(trials)
    assert int(together.stopped_at[3]) > 0, "one run must end early, or nothing of that kind is tested"
    assert int(together.diverged_at[4]) > 0
    largest = 0.0
    for run, trial in enumerate(trials[:4]):
        alone = train_trials([trial])
        assert int(alone.stopped_at[0]) == int(together.stopped_at[run])
        for name, weights in alone.weights.items():
            largest = max(largest, float((weights[0] - together.weights[name][run]).abs().max()))
    assert largest <= ALONE_OR_TOGETHER
    # And the runs do differ from each other by far more.
    assert float((together.weights["W_O"][0] - together.weights["W_O"][2]).abs().max()) > 100 * ALONE_OR_TOGETHER


def test_equal_trials_are_trained_once(tmp_path: Path) -> None:
    steps: list[int] = []
    store = TrialStore(tmp_path)
    run_trials([make_trial(0), make_trial(1), make_trial(0)], store, on_step=steps.append, workers=1)
    assert sum(steps) == 2 * 60
    run_trials([make_trial(1), make_trial(0)], store, on_step=steps.append, workers=1)
    assert sum(steps) == 2 * 60, "what is stored was trained again"
    run_trials([make_trial(1), make_trial(2)], store, on_step=steps.append, workers=1)
    assert sum(steps) == 3 * 60
    assert len(list(tmp_path.iterdir())) == 3


def test_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    run_trials([], TrialStore(tmp_path / "trained"))
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    trials = [make_trial(seed, width=width) for seed in range(2) for width in (4, 8, 12)]
    threads: set[int] = set()
    run_trials(trials, TrialStore(tmp_path / "1"), workers=1)
    run_trials(trials, TrialStore(tmp_path / "2"), workers=2, on_step=lambda _: threads.add(threading.get_ident()))
    assert len(threads) == 2, "two workers must have been at work"
    assert_same(tmp_path / "1", tmp_path / "2")


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_are_given_back(tmp_path: Path, workers: int) -> None:
    before = torch.get_num_threads()
    run_trials([make_trial(steps=2)], TrialStore(tmp_path), workers=workers)
    assert torch.get_num_threads() == before


def test_stored_trials_note_how_they_were_made(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    run_trials([make_trial()], store, workers=1)
    with safe_open(store.path(make_trial()), framework="pt") as file:
        noted = file.metadata()
    assert noted["iclscope"] == iclscope.__version__
    assert noted["device"] == "cpu"
    assert float(noted["seconds"]) > 0


def test_a_failing_group_is_told_and_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TrialStore(tmp_path)
    real = jobs.train_trials
    good, bad = [make_trial(seed, width=20) for seed in range(2)], make_trial(0, width=4)

    def failing(trials: list[Trial], **settings: Any) -> Any:
        if trials[0].model.width == 4:
            raise OSError("no space left on device")
        return real(trials, **settings)

    monkeypatch.setattr(jobs, "train_trials", failing)
    with pytest.raises(OSError, match="no space left"):
        run_trials([bad, *good], store, workers=1)  # the longest come first, so the good ones are finished by then
    assert store.missing([*good, bad]) == [bad]
    monkeypatch.setattr(jobs, "train_trials", real)
    steps: list[int] = []
    run_trials([bad, *good], store, on_step=steps.append, workers=1)
    assert sum(steps) == 60
    assert store.missing([*good, bad]) == []


def test_a_failure_beside_running_groups_is_the_one_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker is stopped and saves where it is; what it had done is not lost."""
    store = TrialStore(tmp_path / "interrupted")
    real = jobs.train_trials
    under_way = threading.Event()
    slow, bad = make_trial(0, width=20, steps=300), make_trial(0, width=4)

    def failing(trials: list[Trial], **settings: Any) -> Any:
        if trials[0].model.width == 4:
            assert under_way.wait(20)
            raise OSError("no space left on device")
        return real(trials, **settings)

    monkeypatch.setattr(jobs, "train_trials", failing)
    with pytest.raises(OSError, match="no space left"):
        run_trials([slow, bad], store, workers=2, on_step=lambda _: under_way.set() or threading.Event().wait(0.005))
    assert store.missing([slow, bad]) == [slow, bad]
    assert len(list(store.folder.glob("unfinished-*.safetensors"))) == 1
    monkeypatch.setattr(jobs, "train_trials", real)
    steps: list[int] = []
    run_trials([slow, bad], store, workers=1, on_step=steps.append)
    assert 60 < sum(steps) < 360, "the saved group did not go on from where it was"
    run_trials([slow, bad], TrialStore(tmp_path / "whole"), workers=1)
    assert_same(tmp_path / "interrupted", tmp_path / "whole")


INTERRUPTED = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    sys.path.insert(0, sys.argv[1])
    from test_execution_local import make_trial
    from iclscope.execution.run_trials import run_trials
    from iclscope.execution.stores.store import TrialStore

    made, lock = 0, threading.Lock()

    def on_step(runs):
        global made
        with lock:
            made += runs
            now = made
        if now == 60:
            os.kill(os.getpid(), signal.SIGINT)
        if now >= 60:
            time.sleep(0.02)  # the signal reaches the main thread while steps are still being made

    try:
        trials = [make_trial(seed, width=width, steps=120) for width in (4, 12) for seed in range(2)]
        run_trials(trials, TrialStore(Path(sys.argv[2])), on_step=on_step, workers=int(sys.argv[3]))
    except KeyboardInterrupt:
        sys.exit(130)
    """
)


def test_interrupted_by_a_signal_and_run_again(tmp_path: Path) -> None:
    workers = 2
    interrupted, whole = tmp_path / "interrupted", tmp_path / "whole"
    trials = [make_trial(seed, width=width, steps=120) for width in (4, 12) for seed in range(2)]
    process = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(Path(__file__).parent), str(interrupted), str(workers)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 130, process.stderr
    assert process.stderr == ""
    unfinished = list(interrupted.glob("unfinished-*.safetensors"))
    assert len(unfinished) == workers, "every group under way is saved"
    assert TrialStore(interrupted).missing(trials) == trials
    at = [int(load_file(path)["step"]) for path in unfinished]
    assert all(0 < step < 120 for step in at)

    steps: list[int] = []
    run_trials(trials, TrialStore(interrupted), on_step=steps.append, workers=1)
    assert sum(steps) == 2 * 2 * 120 - 2 * sum(at), "steps that had been made were made again"
    run_trials(trials, TrialStore(whole), workers=1)
    assert_same(interrupted, whole)  # and nothing unfinished is left


def test_groups_are_loaded_by_shape(tmp_path: Path) -> None:
    trials = [make_trial(seed, width=width, steps=3) for seed in range(2) for width in (4, 12)]
    run_trials(trials, TrialStore(tmp_path), workers=1)
    groups = list(load_groups(trials, TrialStore(tmp_path)))
    assert sorted((group.model.configs[0].width, len(group.trials)) for group in groups) == [(4, 2), (12, 2)]
    assert {trial.hash for group in groups for trial in group.trials} == {trial.hash for trial in trials}
