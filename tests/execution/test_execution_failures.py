"""A group that fails ends no other: it is told at the end, the rest is in the table, and only it is done again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from sweeps.sweep_runs import run_here

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest, StorageFailed
from iclscope.execution import jobs
from iclscope.execution.failures import IncompleteSweep, reason_of
from iclscope.execution.memory_need import bytes_of_run, halves, parts_that_fit
from iclscope.models.linear_attention import LinearAttentionConfig
from iclscope.sweeps.engines import sweep as sweep_from_python
from iclscope.sweeps.file.sweep_file import Sweep, load_sweep
from iclscope.tasks import LinearRegression
from iclscope.training.trial import Evaluation, Training, Trial

YAML = """
paper: li2024
base:
  task: {M1: 4, M2: 6, d_X: 10, d_Y: 6}
  model: {d_X: 10, d_Y: 6, width: 12}
  training: {steps: 6, batch_size: 16}
vary:
  task.length: [4, 5, 6]
  task.alpha: [0.3, 0.8]
seeds: 2
tests:
  unseen: {task: {tasks: unseen}, prompts: 16}
"""
IN_A_GROUP, TRIALS = 4, 12
# In another company sums may be taken in another order: tests/execution/test_execution_local.py, ALONE_OR_TOGETHER.
ROUNDING = 1.2e-6

Fault = Callable[[Trial], Exception]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(YAML, encoding="utf-8")
    return path


@pytest.fixture
def sweep(file: Path) -> Sweep:
    return load_sweep(file)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The rows of that sweep, run where nothing fails."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.yaml").write_text(YAML, encoding="utf-8")
    return run_here(load_sweep(folder / "small.yaml"), folder / "out")


def let_training_fail(
    monkeypatch: pytest.MonkeyPatch, error: Exception, lengths: tuple[int, ...] = (5,), *, more_than: int = 0
) -> list[list[Trial]]:
    """Let trainings of these context lengths, and of more runs than that, end with an error; returns all begun."""
    begun: list[list[Trial]] = []
    real = jobs.train_trials

    def train(trials: list[Trial], **settings: Any) -> Any:
        begun.append(list(trials))
        if trials[0].task.length in lengths and len(trials) > more_than:
            raise error
        return real(trials, **settings)

    monkeypatch.setattr(jobs, "train_trials", train)
    return begun


def let_tests_fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    real = jobs.measured

    def measured(group: Any, *arguments: Any, **settings: Any) -> Any:
        if group.trials[0].task.length == 5:
            raise error
        return real(group, *arguments, **settings)

    monkeypatch.setattr(jobs, "measured", measured)


ERRORS = [
    ValueError("the output is NaN"),
    torch.linalg.LinAlgError("the input is singular"),
    KeyError("my own task"),
    BadRequest("task.alpha: expected 0 to 1"),
    FileNotFoundError(2, "No such file or directory", "/my/own/data.csv"),
    AssertionError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_that_fails_ends_no_other(
    error: Exception,
    workers: int,
    sweep: Sweep,
    undisturbed: pl.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as broken:
        let_training_fail(broken, error)
        with pytest.raises(IncompleteSweep) as incomplete:
            run_here(sweep, tmp_path / "out", workers=workers, keep_weights=False)
    (failure,) = incomplete.value.failures
    assert (
        failure.settings
        == "task.length = 5, task.alpha = 0.3, seeds 0 … 1; task.length = 5, task.alpha = 0.8, seeds 0 … 1"
    )
    assert type(error).__name__ in failure.reason or str(error) in failure.reason
    assert f"{IN_A_GROUP} of {TRIALS} trials failed" in str(incomplete.value)
    assert "\n" not in str(incomplete.value)
    rest = undisturbed.filter(pl.col("task.length") != 5).drop("seconds", "git")
    assert_frame_equal(incomplete.value.rows.drop("seconds", "git"), rest)
    assert_frame_equal(pl.read_parquet((tmp_path / "out" / "rows.parquet").read_bytes()).drop("seconds", "git"), rest)
    (trace,) = (tmp_path / "out" / "training").glob("failed-*.txt")
    assert type(error).__name__ in trace.read_text(encoding="utf-8")
    (noted,) = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))["failed"]
    assert noted["reason"] == failure.reason

    begun = let_training_fail(monkeypatch, error, lengths=())
    rows = run_here(sweep, tmp_path / "out", workers=workers, keep_weights=False)
    assert [[trial.task.length for trial in trials] for trials in begun] == [[5] * IN_A_GROUP]
    assert_frame_equal(rows.drop("seconds", "git"), undisturbed.drop("seconds", "git"))
    assert not list((tmp_path / "out" / "training").glob("failed-*.txt"))
    assert json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))["failed"] == []


def test_tests_that_fail_end_no_other(
    sweep: Sweep, undisturbed: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        let_tests_fail(broken, ZeroDivisionError("my own task"))
        with pytest.raises(IncompleteSweep):
            run_here(sweep, tmp_path / "out")
    rows = run_here(sweep, tmp_path / "out")
    assert_frame_equal(rows.drop("seconds", "git"), undisturbed.drop("seconds", "git"))


def test_the_command_tells_each_failure_and_show_and_plot_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_training_fail(monkeypatch, ValueError("cannot read https://me:p@ss@h/x"), lengths=(4, 5))
    assert main(["sweep", "small.yaml", "--out", "out"]) == 1
    output = capsys.readouterr()
    assert f"{TRIALS} trials (4 trained now, 0 found in the store, 8 failed), 4 rows" in output.out
    first, second, last = output.err.splitlines()
    assert {first[:8], second[:8]} == {"failed: "}
    assert "task.length = 4" in first + second
    assert "ValueError: cannot read https://***@h/x" in first
    assert last.startswith("iclscope: 2 groups of trials failed")
    assert "p@ss" not in output.err + "".join(path.read_text() for path in Path("out/training").glob("failed-*"))
    for command in (["show", "out"], ["plot", "out"]):
        assert main(command) == 0
    assert "4 trials, 2 seeds; 8 more failed and are missing" in capsys.readouterr().out
    monkeypatch.undo()


def test_from_python_it_is_an_error_that_has_the_rows(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_training_fail(monkeypatch, ValueError("boom"), lengths=(4, 5, 6))
    with pytest.raises(IncompleteSweep, match="12 of 12 trials failed") as incomplete:
        sweep_from_python(file, out=tmp_path / "out")
    assert incomplete.value.rows.is_empty()


@pytest.mark.parametrize(
    "error", [StorageFailed("writing to x failed: No space left on device"), OSError(28, "No space left on device")]
)
def test_what_concerns_all_jobs_still_ends_them(
    error: Exception, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_training_fail(monkeypatch, error)
    with pytest.raises(StorageFailed, match="No space left on device"):
        run_here(sweep, tmp_path / "out")


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("fits", [1, 2, 3])
def test_a_group_that_does_not_fit_is_halved(
    error: Exception,
    fits: int,
    sweep: Sweep,
    undisturbed: pl.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = let_training_fail(monkeypatch, error, lengths=(4, 5, 6), more_than=fits)
    told: list[str] = []
    rows = run_here(sweep, tmp_path / "out", on_notice=told.append)
    sizes = [len(trials) for trials in begun if len(trials) <= fits]
    assert sizes == ([1] * TRIALS if fits == 1 else [2] * (TRIALS // 2))
    assert told == ["a group of 4 trials did not fit into the memory of cpu; groups are trained in parts"]
    exact = ("seconds", "git", "hinge_risk", "hinge_risk_se", "classification_error", "classification_error_se")
    assert_frame_equal(rows.drop(exact), undisturbed.drop(exact))
    assert_frame_equal(rows.drop("seconds", "git"), undisturbed.drop("seconds", "git"), abs_tol=ROUNDING, rel_tol=0)
    assert not list((tmp_path / "out" / "training").glob("unfinished-*"))


def test_a_single_run_that_does_not_fit_is_a_failure(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = jobs.train_trials
    hopeless = ("0.8", 1)

    def train(trials: list[Trial], **settings: Any) -> Any:
        if any((str(trial.task.alpha), trial.seed) == hopeless and trial.task.length == 5 for trial in trials):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(trials, **settings)

    monkeypatch.setattr(jobs, "train_trials", train)
    with pytest.raises(IncompleteSweep) as incomplete:
        run_here(sweep, tmp_path / "out", on_notice=lambda _: None)
    assert incomplete.value.rows["trial"].n_unique() == TRIALS - 1
    (failure,) = incomplete.value.failures
    assert failure.text == "1 trial (task.length = 5, task.alpha = 0.8, seed 1): it does not fit into memory"


def test_tests_that_do_not_fit_are_halved(
    sweep: Sweep, undisturbed: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = jobs.measured

    def measured(group: Any, *arguments: Any, **settings: Any) -> Any:
        if len(group.trials) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(group, *arguments, **settings)

    monkeypatch.setattr(jobs, "measured", measured)
    with pytest.warns(UserWarning, match="did not fit"):
        rows = run_here(sweep, tmp_path / "out")
    assert_frame_equal(rows.drop("seconds", "git"), undisturbed.drop("seconds", "git"), abs_tol=ROUNDING, rel_tol=0)


def group_of(sweep: Sweep) -> jobs.Job:
    return jobs.Job(tuple(one for one in sweep.trials() if one.trial.task.length == 5))


def test_halves_are_the_whole(sweep: Sweep) -> None:
    job = group_of(sweep)._replace(tests=(0,), trained={one.trial.hash: b"x" for one in group_of(sweep).planned})
    first, second = halves(job)
    assert first.planned + second.planned == job.planned
    assert {**first.trained, **second.trained} == job.trained  # type: ignore[dict-item]
    assert {first.group, second.group} == {job.name}
    assert [len(part.planned) for part in halves(first)] == [1, 1]


def test_on_a_cpu_parts_are_chosen_beforehand(sweep: Sweep) -> None:
    job = group_of(sweep)
    need = bytes_of_run(job.trials[0])
    assert 0 < need < 2**20
    assert parts_that_fit(job, 2**40) == [job]
    assert [len(part.planned) for part in parts_that_fit(job, 4 * need)] == [4]
    assert [len(part.planned) for part in parts_that_fit(job, 4 * need - 1)] == [2, 2]
    assert [len(part.planned) for part in parts_that_fit(job, 2 * need - 1)] == [1, 1, 1, 1]
    assert [len(part.planned) for part in parts_that_fit(job, 0)] == [1, 1, 1, 1]


def test_the_local_engine_asks_what_there_is(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = let_training_fail(monkeypatch, ValueError(), lengths=())
    need = bytes_of_run(group_of(sweep).trials[0])
    monkeypatch.setattr("iclscope.execution.local.usable_memory", lambda: 3 * need)
    told: list[str] = []
    run_here(sweep, tmp_path / "out", on_notice=told.append)
    assert {len(trials) for trials in begun} == {2}
    assert told == ["a group of 4 trials would not fit into the memory of this machine; groups are trained in parts"]


def test_on_an_ordinary_machine_groups_are_as_ever(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = let_training_fail(monkeypatch, ValueError(), lengths=())
    monkeypatch.setattr("iclscope.execution.local.usable_memory", lambda: 2**31)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_here(sweep, tmp_path / "out", workers=2)
    assert [len(trials) for trials in begun] == [4, 4, 4]


def test_the_need_grows_with_the_batch() -> None:
    """That of a model whose gradients autograd takes; compiled loops hold one prompt at a time."""
    trial = Trial(
        task=LinearRegression(d_X=4, length=8),
        model=LinearAttentionConfig(d_X=4),
        training=Training(steps=1, batch_size=64, optimizer="adam", loss="squared", learning_rate=0.01),
        evaluation=Evaluation(),
        seed=0,
    )

    def with_batch(size: int) -> int:
        return bytes_of_run(
            trial.model_copy(update={"training": trial.training.model_copy(update={"batch_size": size})})
        )

    one, two, four = (with_batch(64 * times) for times in (1, 2, 4))
    assert one > 64 * 9 * 5 * 4, "at least the prompts themselves"
    assert four - two == pytest.approx(2 * (two - one), rel=1e-3)


def test_reasons_are_one_short_line() -> None:
    assert reason_of(ValueError("a\n b")) == "ValueError: a b"
    assert reason_of(AssertionError()) == "AssertionError"
    assert reason_of(BadRequest("x: expected")) == "x: expected"
    assert len(reason_of(ValueError("x" * 1000))) == 300
