"""What fails ends nothing else; what does not fit into memory is done in smaller parts, with the same numbers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from language_models.tiny_models import make_tiny
from polars.testing import assert_frame_equal
from refusals import says

import iclscope as icl
from iclscope.cli.main import main
from iclscope.core.memory import is_out_of_memory, usable_memory

SWEEP = """
base:
  task: {kind: linear_regression, d_X: 2, length: 3}
  model: {kind: linear_attention, d_X: 2}
  training: {loss: squared, optimizer: adam, learning_rate: 0.01, steps: 3, batch_size: 4}
vary: {task.length: [2, 3, 4]}
seeds: 4
tests: {own: {prompts: 64}}
"""
Sampler = Callable[..., Any]
NOT_MEASURED = ("seconds", "iclscope", "git", "device")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("models") / "tiny-gpt2", "gpt2"))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SWEEP, encoding="utf-8")
    rows = "".join(f"thing {place},{'ab'[place % 2]}\n" for place in range(40))
    Path("d.csv").write_text("text,label\n" + rows, encoding="utf-8")


def measured(folder: str) -> pl.DataFrame:
    return icl.sweep_rows(folder).drop(NOT_MEASURED, strict=False)


def failing(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[Any, int], bool], error: Callable[[], BaseException]
) -> None:
    """Let tasks of linear regression fail where their task and number of runs say so."""
    plain: Sampler = icl.tasks.LinearRegression.sampler

    def sampler(self: Any, seeds: Any, **options: Any) -> Any:
        if fails(self, len(seeds)):
            raise error()
        return plain(self, seeds, **options)

    monkeypatch.setattr(icl.tasks.LinearRegression, "sampler", sampler)


# Jobs that fail


@pytest.mark.parametrize(
    "error",
    [
        lambda: ZeroDivisionError("a bug of mine"),
        lambda: KeyError("a bug of mine"),
        lambda: RuntimeError("a bug of mine\nin two lines"),
        lambda: FileNotFoundError(2, "a bug of mine", "data-of-mine.csv"),
    ],
)
def test_a_trial_that_fails_leaves_the_others(
    error: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "s.yaml", "--out", "whole"]) == 0
    with monkeypatch.context() as patch:
        failing(patch, lambda task, _: task.length == 3, error)
        capsys.readouterr()
        assert main(["sweep", "s.yaml", "--out", "out"]) == 1
        told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert says(told.err, "task.length = 3")
    assert "a bug of mine" in told.err
    assert "task.length = 2" not in told.err
    assert_frame_equal(measured("out"), measured("whole").filter(pl.col("task.length") != 3))
    assert main(["show", "out"]) == 0
    told = capsys.readouterr()
    assert "4" in told.out + told.err
    assert main(["sweep", "s.yaml", "--out", "out"]) == 0
    assert "4 trained now, 8 found in the store" in capsys.readouterr().out
    assert_frame_equal(measured("out"), measured("whole"))


def test_from_python_rows_and_failures_are_both_there(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda task, _: task.length == 4, lambda: ValueError("a bug of mine"))
    with pytest.raises(Exception, match="a bug of mine") as caught:
        icl.sweep("s.yaml", out="out")
    incomplete: Any = caught.value
    assert type(incomplete).__name__ == "IncompleteSweep"
    assert sorted(set(incomplete.rows["task.length"])) == [2, 3]
    assert len(incomplete.failures) >= 1


def test_if_all_fail_there_is_a_line_and_no_table_of_another_sweep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, lambda *_: True, lambda: ZeroDivisionError("a bug of mine"))
    assert main(["sweep", "s.yaml", "--out", "out"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    rows = Path("out/rows.parquet")
    assert not rows.exists() or pl.read_parquet(rows).height == 0


# Memory: sweeps


@pytest.mark.parametrize(
    "error",
    [
        lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        lambda: RuntimeError("CUDA error: out of memory"),
        MemoryError,
    ],
)
def test_a_group_that_does_not_fit_is_trained_in_parts_with_the_same_numbers(
    error: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "s.yaml", "--out", "whole"]) == 0
    capsys.readouterr()
    failing(monkeypatch, lambda _, runs: runs > 1, error)
    assert main(["sweep", "s.yaml", "--out", "out"]) == 0
    told = capsys.readouterr()
    assert len([line for line in (told.out + told.err).splitlines() if "memory" in line]) == 1
    assert_frame_equal(measured("out"), measured("whole"), rel_tol=1e-4)


def test_a_single_trial_that_does_not_fit_fails_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, lambda task, _: task.length == 3, lambda: torch.OutOfMemoryError("CUDA out of memory"))
    assert main(["sweep", "s.yaml", "--out", "out"]) == 1
    assert says(capsys.readouterr().err, "task.length = 3")
    assert sorted(set(measured("out")["task.length"])) == [2, 4]


# Memory: language models and trained models


def refuse_large_batches(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let GPT-2 raise what a full GPU raises, for more rows than fit; says how many rows were asked for."""
    plain = transformers.GPT2Model.forward
    seen: list[int] = []

    @functools.wraps(plain)
    def forward(self: Any, input_ids: Any = None, *args: Any, **options: Any) -> Any:
        given = input_ids if input_ids is not None else options.get("inputs_embeds")
        rows = 1 if given is None else int(given.shape[0])
        seen.append(rows)
        if rows > most:
            raise torch.OutOfMemoryError(f"CUDA out of memory. {rows} rows do not fit")
        return plain(self, input_ids, *args, **options)

    monkeypatch.setattr(transformers.GPT2Model, "forward", forward)
    return seen


COMMANDS: dict[str, tuple[str, ...]] = {
    "evaluate": ("--shots", "0,2"),
    "select": ("--shots", "2", "--selector", "random,similarity,pattern", "--patterns", "2"),
    "prune": (
        "--shots",
        "2",
        "--rates",
        "0.2",
        "--score",
        "activation",
        "--prompts",
        "4",
        "--texts",
        "4",
        "--timings",
        "0",
    ),
    "attention": (
        "--shots",
        "4",
    ),
}


def numbers(folder: str) -> pl.DataFrame:
    name = "heads.parquet" if Path(folder, "heads.parquet").exists() else "rows.parquet"
    return pl.read_parquet(Path(folder, name))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_batch_that_does_not_fit_is_halved_with_the_same_rows(
    command: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["llm", command, model, "d.csv", "--queries", "16", "--draws", "2", *COMMANDS[command]]
    assert main([*words, "--out", "whole"]) == 0
    capsys.readouterr()
    seen = refuse_large_batches(monkeypatch, 2)
    assert main([*words, "--out", "out"]) == 0
    told = capsys.readouterr()
    assert max(seen) > 2
    assert "Traceback" not in told.err
    assert len([line for line in (told.out + told.err).splitlines() if "memory" in line]) == 1
    assert_frame_equal(numbers("out"), numbers("whole"), abs_tol=1e-4)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_prompt_that_does_not_fit_alone_ends_in_one_line(
    command: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_large_batches(monkeypatch, 0)
    words = ["llm", command, model, "d.csv", "--queries", "16", "--draws", "2", *COMMANDS[command]]
    assert main([*words, "--out", "out"]) in (1, 2)
    told = capsys.readouterr().err
    assert told.count("\n") <= 2
    assert "Traceback" not in told
    assert "memory" in told


def test_other_errors_of_a_model_are_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    chained = RuntimeError("worker failed")
    assert not is_out_of_memory(chained)


def test_a_test_that_does_not_fit_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpt2 = icl.models.GPT2Transformer(d_X=2, layers=1, heads=1, embedding=8, positions=12)
    task = icl.tasks.FunctionClass(d_X=2, length=4)
    icl.train(gpt2, task, steps=1, batch_size=2).model.save_pretrained("checkpoint")
    refuse_large_batches(monkeypatch, 7)
    monkeypatch.setattr(icl.models.GPT2Transformer, "is_as_made", lambda _: False)  # compiled steps hold few prompts
    assert main(["evaluate", "checkpoint", "--prompts", "32", "--baseline", "none", "--out", "out.parquet"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "memory" in told
    assert not Path("out.parquet").exists()


# Memory: what may be used


def test_the_least_limit_around_counts(tmp_path: Path) -> None:
    meminfo, cgroups, mounted = tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "mounted"
    meminfo.write_text("MemTotal: 16000000 kB\nMemFree: 1000 kB\nMemAvailable: 8000000 kB\n", encoding="utf-8")
    cgroups.write_text("0::/outer/inner\n", encoding="utf-8")
    limits = itertools.product(("max", str(3 << 30)), ("max", str(2 << 30)))
    for outer, inner in limits:
        for folder, limit in (("outer", outer), ("outer/inner", inner)):
            place = mounted / folder
            place.mkdir(parents=True, exist_ok=True)
            (place / "memory.max").write_text(limit + "\n", encoding="utf-8")
            (place / "memory.current").write_text(str(1 << 30) + "\n", encoding="utf-8")
        given = usable_memory(meminfo=meminfo, cgroups=cgroups, mounted=mounted)
        left = [int(limit) - (1 << 30) for limit in (outer, inner) if limit != "max"]
        assert given <= min([8000000 * 1024, *left])
        assert np.isclose(given, min([8000000 * 1024, *left]), rtol=1e-6) or not left
