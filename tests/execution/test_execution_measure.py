"""From trained trials to rows: the numbers are those of `evaluate`, the columns hold what was varied."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from sweeps.sweep_runs import run_here, trained_in

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.evaluation.length_errors import errors_by_length
from iclscope.execution.measure import measured
from iclscope.execution.run_trials import load_groups
from iclscope.execution.units import PlannedTrial
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.sweeps.sweep_folder import ROWS, SWEEP, SweepFolder
from iclscope.sweeps.table import varied_columns
from iclscope.training.trained import TrainedGroup, untrained_models

PATTERNS: dict[str, Any] = {
    "paper": "li2024",
    "base": {
        "task": {"M1": 4, "M2": 6, "d_X": 10, "d_Y": 6, "length": 8},
        "model": {"d_X": 10, "d_Y": 6, "width": 12},
        "training": {"steps": 20, "batch_size": 16},
    },
    "seeds": 2,
}
FUNCTIONS: dict[str, Any] = {
    "paper": "garg2022",
    "base": {
        "task": {"d_X": 3, "length": 4},
        "model": {"d_X": 3, "positions": 10, "layers": 1, "heads": 1, "embedding": 8},
        "training": {"steps": 2, "batch_size": 4, "schedule": None},
    },
    "seeds": 1,
}


def untrained(sweep: Sweep, diverged_at: int = -1, stopped_at: int = -1) -> tuple[TrainedGroup, list[PlannedTrial]]:
    """A sweep of one shape as if it had been trained for no step."""
    planned = list(sweep.trials())
    trials = [one.trial for one in planned]
    ends = [diverged_at] + [-1] * (len(trials) - 1)
    group = TrainedGroup(trials, untrained_models(trials), [], {}, [stopped_at] * len(trials), ends)
    return group, planned


def test_rows_of_patterns_are_what_evaluate_says(tmp_path: Path) -> None:
    tests = {
        "unseen": {"task": {"tasks": "unseen"}, "vary": {"alpha": [0.8, 0.4]}, "prompts": 64},
        "own": {"prompts": 32},
    }
    sweep = Sweep(**PATTERNS, vary={"task.alpha": [0.5, 1.0]}, tests=tests)
    rows = run_here(sweep, tmp_path / "out")
    assert rows.columns == [
        "task.alpha", "test.alpha", "seed", "trial", "test", "prompts", "length", "hinge_risk", "hinge_risk_se",
        "classification_error", "classification_error_se", "stopped_at", "diverged_at",
        "iclscope", "git", "device", "seconds",
    ]  # fmt: skip
    assert rows.height == 2 * 2 * 3
    store = trained_in(tmp_path / "out")
    for planned in sweep.trials():
        (group,) = load_groups([planned.trial], store)
        of_trial = rows.filter(pl.col("trial") == planned.trial.hash)
        assert of_trial["task.alpha"].unique().to_list() == [planned.varied["task.alpha"]]
        assert of_trial["seed"].unique().to_list() == [planned.trial.seed]
        for row, test in zip(of_trial.iter_rows(named=True), planned.tests, strict=True):
            risks = evaluate(group.model, test.task, prompts=test.prompts)
            assert row["test"] == test.name
            assert row["test.alpha"] == test.varied.get("test.alpha")
            assert row["prompts"] == test.prompts
            assert row["length"] == 8
            assert row["hinge_risk"] == pytest.approx(float(risks.hinge_risk), rel=1e-6)
            assert row["classification_error"] == pytest.approx(float(risks.classification_error), rel=1e-6)
            p = row["classification_error"]
            assert row["classification_error_se"] == pytest.approx(math.sqrt(p * (1 - p) / test.prompts))
            assert 0 < row["hinge_risk_se"] < 1


def test_functions_have_a_row_per_context_length(tmp_path: Path) -> None:
    tests = {"every": {"prompts": 16}, "query": {"task": {"predictions": "query"}, "prompts": 16}}
    sweep = Sweep(**FUNCTIONS, vary={"task.noise": [0, 0.5]}, tests=tests)
    rows = run_here(sweep, tmp_path / "out")
    assert rows.filter(pl.col("test") == "every")["length"].to_list() == [0, 1, 2, 3, 4] * 2
    assert rows.filter(pl.col("test") == "query")["length"].to_list() == [4] * 2
    planned = list(sweep.trials())
    for one in planned:
        (group,) = load_groups([one.trial], trained_in(tmp_path / "out"))
        found = evaluate(group.model, one.tests[0].task, prompts=16)
        shown = rows.filter((pl.col("trial") == one.trial.hash) & (pl.col("test") == "every"))
        assert shown["squared_error"].to_list() == pytest.approx(found.mean[0].tolist())
        spread = found.errors[0].double().std(dim=0) / 4
        assert shown["squared_error_se"].to_list() == pytest.approx(spread.tolist())


def test_an_orthogonal_query_is_measured_by_its_own_scale() -> None:
    """There predicting 0 scores 1 only beside E f² at such queries, which have lost their part along the context."""
    apart = {"inputs": "orthogonal_query", "predictions": "query", "length": 2}
    sweep = Sweep(**FUNCTIONS, tests={"apart": {"task": apart, "prompts": 64}})
    group, planned = untrained(sweep)
    task = planned[0].tests[0].task
    row = measured(group, planned, [0]).row(0, named=True)
    found = errors_by_length(group.model, task, prompts=64, lengths=(2,))
    assert row["squared_error"] == pytest.approx(float(found.mean))
    by_its_scale = float(evaluate(group.model, task, prompts=64).mean) * task.scale / task.scale_at_query
    assert row["squared_error"] == pytest.approx(by_its_scale)
    assert task.scale == 3 * task.scale_at_query


def test_rows_do_not_depend_on_what_was_trained_together(tmp_path: Path) -> None:
    """One seed alone has the rows that it has among three."""
    vary = {"task.alpha": [0.5, 1.0], "model.width": [4, 12]}
    together = run_here(Sweep(**{**PATTERNS, "seeds": 3}, vary=vary), tmp_path / "three")
    alone = run_here(Sweep(**{**PATTERNS, "seeds": [1]}, vary=vary), tmp_path / "one")
    assert_frame_equal(together.filter(pl.col("seed") == 1).drop("seconds"), alone.drop("seconds"), abs_tol=1e-6)
    assert together["seed"].to_list() == [0, 1, 2] * 4, "rows are in the order of the trials"


def test_what_diverged_or_stopped_is_told() -> None:
    sweep = Sweep(**PATTERNS, tests={"own": {"prompts": 8}})
    group, planned = untrained(sweep, diverged_at=7)
    rows = measured(group, planned, [0])
    assert rows["diverged_at"].to_list() == [7, None]
    assert rows["stopped_at"].to_list() == [None, None]
    assert rows["hinge_risk"].is_nan().to_list() == [True, False]
    assert rows["classification_error_se"].is_nan().to_list() == [True, False]
    group, planned = untrained(sweep, stopped_at=3)
    assert measured(group, planned, [0])["stopped_at"].to_list() == [3, 3]


@pytest.mark.parametrize(
    ("name", "values", "kind", "shown"),
    [
        ("task.length", [5, 9], pl.Int64, [5, 9]),
        ("task.length", {"from": 5, "to": 9, "count": 2, "integer": True}, pl.Int64, [5, 9]),
        ("task.beta", [1, 2.5], pl.Float64, [1.0, 2.5]),
        ("task.beta", {"from": 1, "to": 2, "count": 2}, pl.Float64, [1.0, 2.0]),
        ("task.tasks", ["training", "unseen"], pl.String, ["training", "unseen"]),
        ("task.check_condition", [True, False], pl.Boolean, [True, False]),
        ("model.m_a", [None, 4], pl.Int64, [None, 4]),
        ("task.length", [5, [2, 9]], pl.String, ["5", "[2, 9]"]),
        ("task.training_tasks", ["cycle", 1.0], pl.String, ["cycle", "1.0"]),
        ("task.shift", [None, {"S1": 1.3}], pl.String, [None, '{"S1": 1.3}']),
    ],
)
def test_columns_hold_what_was_varied(name: str, values: Any, kind: Any, shown: list[Any], tmp_path: Path) -> None:
    task = {**PATTERNS["base"]["task"], "alpha": 1.0}
    base = {**PATTERNS["base"], "task": task, "training": {"steps": 0}}
    sweep = Sweep(**{**PATTERNS, "base": base, "seeds": 1}, vary={name: values}, tests={"own": {"prompts": 2}})
    assert varied_columns(sweep) == {name: kind}
    rows = run_here(sweep, tmp_path / "out")
    assert rows.schema[name] == kind
    assert rows[name].to_list() == shown
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / ROWS), rows)


def test_tests_of_several_kinds_of_values_share_a_column() -> None:
    tests = {"a": {"vary": {"alpha": [0.5]}}, "b": {"vary": {"alpha": [0.2, 1]}}, "c": {"vary": {"length": [3]}}}
    assert varied_columns(Sweep(paper="li2024", tests=tests)) == {"test.alpha": pl.Float64, "test.length": pl.Int64}
    mixed = {"a": {"vary": {"length": [5]}}, "b": {"vary": {"length": [[2, 5]]}}}
    assert varied_columns(Sweep(paper="li2024", tests=mixed)) == {"test.length": pl.String}


def test_what_is_there_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(**PATTERNS, vary={"task.alpha": [0.5]}, tests={"own": {"prompts": 8}})
    before = run_here(sweep, tmp_path / "out")
    content = (tmp_path / "out" / ROWS).read_bytes()
    steps: list[int] = []
    more = Sweep(**PATTERNS, vary={"task.alpha": [0.5, 1.0]}, tests={"own": {"prompts": 8}})
    rows = run_here(more, tmp_path / "out", on_step=steps.append)
    assert sum(steps) == 2 * 20
    assert_frame_equal(rows.head(2), before)
    run_here(sweep, tmp_path / "out")
    assert (tmp_path / "out" / ROWS).read_bytes() == content


def test_the_folder_says_which_sweep_it_is_of(tmp_path: Path) -> None:
    sweep = Sweep(**PATTERNS, name="mine", tests={"own": {"prompts": 8}})
    run_here(sweep, tmp_path / "out")
    noted = json.loads((tmp_path / "out" / SWEEP.note).read_text(encoding="utf-8"))
    assert (noted["made by"], noted["name"]) == ("iclscope sweep", "mine")
    assert Sweep(**noted["sweep"]) == sweep
    with pytest.raises(BadRequest, match="holds those of mine"):
        SweepFolder(tmp_path / "out", "yours")
    (tmp_path / "out" / SWEEP.note).write_text("{}", encoding="utf-8")
    with pytest.raises(BadRequest, match=r"sweep\.json is not of iclscope"):
        SweepFolder(tmp_path / "out", "mine")
    (tmp_path / "out" / SWEEP.note).write_text("{", encoding="utf-8")
    with pytest.raises(BadRequest, match=r"sweep\.json is not of iclscope"):
        SweepFolder(tmp_path / "out", "mine")


def test_numbers_are_on_one_thread(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    run_here(Sweep(**PATTERNS, tests={"own": {"prompts": 8}}), tmp_path / "out")
    assert torch.get_num_threads() == threads


def test_a_sweep_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = Sweep(**PATTERNS, name="mine", tests={"own": {"prompts": 8}})
    rows = icl.sweep(sweep)
    assert_frame_equal(rows, icl.sweep_rows("results/sweeps/mine"))
    assert_frame_equal(rows, icl.sweep(sweep, out="elsewhere", store="results/sweeps/mine/store"))
    with pytest.raises(BadRequest, match=r"--engine: expected .*, got 'slurm'"):
        icl.sweep("nothing.yaml", engine="slurm")
