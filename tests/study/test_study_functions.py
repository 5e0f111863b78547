"""Garg 2022 from its trials to its report: checkpoints, Ctrl-C in the middle of GPT-2, the published run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
import torch
from refusals import says
from safetensors.torch import load_file
from study.tiny import reproduce_module
from study.tiny_functions import STEPS, CtrlC, shrink

from iclscope.core.errors import BadRequest
from iclscope.evaluation import evaluate
from iclscope.execution import jobs
from iclscope.execution.stores.store import TrialStore
from iclscope.models import GPT2Transformer, load_model
from iclscope.papers.garg2022 import rows as garg2022_rows
from iclscope.papers.garg2022.settings import PLANS, Plan, function_trial
from iclscope.study.experiment import Preset, experiments_of
from iclscope.study.reproduce import InterruptedReproduction, reproduce
from iclscope.tasks.function_classes import FunctionName
from iclscope.training.trial import Training

pytestmark = pytest.mark.slow

CLASSES: tuple[FunctionName, ...] = ("linear", "sparse_linear", "decision_tree", "relu_network")
LONG = 200
FIGURES = [experiment.name for experiment in experiments_of("garg2022")]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All figures, made without an interruption."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        done = reproduce("garg2022", out=folder, seeds=2, device="cpu")
    assert done.missing == []
    return folder


def files(folder: Path, *patterns: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for pattern in patterns for p in sorted(folder.glob(pattern))}


def test_every_figure_and_claim_is_there(whole: Path) -> None:
    for figure in FIGURES:
        assert (whole / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert set(pl.read_parquet(whole / f"{figure}.parquet")["seed"]) == {0, 1}
    claims = json.loads((whole / "claims.json").read_text(encoding="utf-8"))
    assert [claim["id"] for claim in claims] == [
        claim.id for experiment in experiments_of("garg2022") for claim in experiment.claims
    ]
    assert {claim["paper"] for claim in claims} == {"garg2022"}
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "What Can Transformers Learn In-Context?" in page
    assert all(claim["id"] in page for claim in claims)
    run = json.loads((whole / "run.json").read_text(encoding="utf-8"))
    # Four classes, and linear functions without a curriculum; three figures share the first.
    assert len({name for figure in run["figures"].values() for name in figure["trials"]}) == 2 * 5
    assert not list((whole / "trained").glob("unfinished-*"))
    assert not list((whole / "trained").glob("log-*")), "short trainings have no log"


def test_checkpoints_are_the_trained_models(whole: Path) -> None:
    names = {f"{function.replace('_', '-')}-d3-seed{seed}" for function in CLASSES for seed in (0, 1)}
    assert {path.name for path in (whole / "checkpoints").iterdir()} == names
    store, preset = TrialStore(whole / "trained"), Preset.named("quick", 2, paper="garg2022")
    for function in CLASSES:
        trial = function_trial(function, preset, 1)
        model = load_model(whole / "checkpoints" / f"{function.replace('_', '-')}-d3-seed1")
        assert isinstance(model, GPT2Transformer)
        assert (model.run_count, model.seeds, model.trained_on) == (1, (1,), (trial.task,))
        trained = store.load([trial]).model
        for name, weight in trained.state_dict().items():
            assert torch.equal(weight, model.state_dict()[name]), name
        errors = [evaluate(one, trial.functions, prompts=8).errors for one in (trained, model)]
        assert torch.equal(*errors)


def test_force_with_other_settings_removes_the_checkpoints_of_the_old_ones(tmp_path: Path) -> None:
    reproduce("garg2022", figures="linear", out=tmp_path, seeds=2)
    checkpoints = tmp_path / "checkpoints"
    (checkpoints / "linear-d3-seed1" / "notes.txt").write_text("mine")
    (checkpoints / "my-own").mkdir()
    reproduce("garg2022", figures="linear", out=tmp_path, seeds=1, force=True)
    left = {path.relative_to(checkpoints).as_posix() for path in checkpoints.rglob("*") if path.is_file()}
    mine = "linear-d3-seed1/notes.txt"
    assert left == {"linear-d3-seed0/config.json", "linear-d3-seed0/model.safetensors", mine}
    assert (checkpoints / "my-own").is_dir()


def fail(*_arguments: Any, **_settings: Any) -> NoReturn:
    raise AssertionError("this was finished")


def test_a_second_time_nothing_is_made(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = times(whole)
    for name in ("run_groups", "load_groups", "new_figure"):
        monkeypatch.setattr(reproduce_module, name, fail)
    done = reproduce("garg2022", out=whole, seeds=2, device="cpu")
    assert done.missing == []
    made_anew = {name for name, time in times(whole).items() if time != before.get(name)}
    assert made_anew <= {"report.html", "claims.json", "claims.csv", "claims.tex", "run.json"}


def times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seeds": 0}, ("seeds", "0", "at least 1")),
        ({"preset": "long"}, ("preset", "quick", "lab", "paper")),
        ({"figures": "lineal"}, ("figure", "lineal", "sparse-linear", "curriculum")),
        ({"device": "tpu"}, ("device", "auto", "cpu", "cuda")),
    ],
)
def test_bad_requests_write_nothing(tmp_path: Path, settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        reproduce("garg2022", **{"out": tmp_path / "new", **settings})
    assert all(says(str(refusal.value), word) for word in words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_belongs_to_one_paper_preset_and_number_of_seeds(whole: Path) -> None:
    before = times(whole)
    for paper, settings in (("li2024", {"seeds": 2}), ("garg2022", {"seeds": 1}), ("garg2022", {"preset": "lab"})):
        with pytest.raises(BadRequest, match="results of other settings"):
            reproduce(paper, out=whole, **{"seeds": 2, **settings})  # type: ignore[arg-type]
    assert times(whole) == before


@pytest.mark.parametrize("pressed", [[3], [STEPS, 3 * STEPS], [2, 2, 2]])
def test_ctrl_c_in_the_middle_of_gpt2_and_the_same_command_again(
    tmp_path: Path, whole: Path, pressed: list[int]
) -> None:
    settings: dict[str, Any] = {"figures": ("relu-network", "curriculum"), "seeds": 2, "device": "cpu"}
    for after in pressed:
        with pytest.raises(InterruptedReproduction) as stopped:
            reproduce("garg2022", out=tmp_path, progress=CtrlC(after), **settings)
        assert stopped.value.reproduction.missing
        assert stopped.value.reproduction.report.is_file()
    unfinished = list((tmp_path / "trained").glob("unfinished-*.safetensors"))
    assert unfinished
    assert all(0 < int(load_file(path)["step"]) <= STEPS for path in unfinished)
    torch.manual_seed(pressed[0])  # whatever state PyTorch's own generator is in
    assert reproduce("garg2022", out=tmp_path, **settings).missing == []
    assert_same_results(tmp_path, whole, settings["figures"])


def assert_same_results(one: Path, other: Path, figures: Sequence[str]) -> None:
    """Rows, pictures, checkpoints and claims, to the last bit."""
    made = files(one, "*.parquet", "*.png", "*.svg", "checkpoints/*/*")
    assert {Path(name).stem for name in made} >= {*figures, "model"}
    for name, content in made.items():
        assert content == (other / name).read_bytes(), name
    claims = [json.loads((folder / "claims.json").read_text(encoding="utf-8")) for folder in (one, other)]
    assert claims[0] == [claim for claim in claims[1] if claim["figure"] in figures]
    assert not list((one / "trained").glob("unfinished-*"))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The published linear run with a tiny model, few steps and an eighth of the batch."""
    plan = PLANS["paper"]["linear"]
    training = Training(**{**dict(plan.training), "steps": LONG, "batch_size": 8})
    monkeypatch.setitem(PLANS["paper"], "linear", Plan(plan.task, plan.size, training))
    # So that it counts as long, and as being as long as published.
    monkeypatch.setattr(jobs, "LONG", LONG)
    monkeypatch.setattr(garg2022_rows, "PUBLISHED_STEPS", LONG)
    return PLANS["paper"]["linear"]


def log_of(folder: Path) -> list[dict[str, Any]]:
    (path,) = (folder / "trained").glob("log-*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_published_run_is_interrupted_resumed_and_logged(tmp_path: Path, published: Plan) -> None:
    assert (published.task.d_X, published.task.points) == (20, 41)
    settings: dict[str, Any] = {"figures": "linear", "preset": "paper", "device": "cpu"}
    reference = reproduce("garg2022", out=tmp_path / "whole", **settings)
    with pytest.raises(InterruptedReproduction) as stopped:
        reproduce("garg2022", out=tmp_path / "parts", progress=CtrlC(60), **settings)
    assert stopped.value.reproduction.missing == ["linear"]
    (unfinished,) = (tmp_path / "parts" / "trained").glob("unfinished-*.safetensors")
    assert 60 <= int(load_file(unfinished)["step"]) < LONG
    half = log_of(tmp_path / "parts")
    assert [line["step"] for line in half] == list(range(int(load_file(unfinished)["step"])))
    done = reproduce("garg2022", out=tmp_path / "parts", **settings)
    assert_same_results(tmp_path / "parts", tmp_path / "whole", ["linear"])

    # One checkpoint, and a line of the log for every step, with the losses of a training that was not interrupted.
    assert [path.name for path in (tmp_path / "parts" / "checkpoints").iterdir()] == ["linear-d20-seed0"]
    logs = [log_of(tmp_path / name) for name in ("whole", "parts")]
    assert [line["step"] for line in logs[0]] == list(range(LONG))
    assert [(line["step"], line["loss"]) for line in logs[0]] == [(line["step"], line["loss"]) for line in logs[1]]
    assert logs[1][: len(half)] == half

    # One seed, and intervals over prompts; as long as published, so no claim is left open for want of training.
    for claim in done.claims:
        assert claim.estimate.seeds == 1
        assert math.isfinite(claim.estimate.low)
        assert math.isfinite(claim.estimate.high)
    assert not pl.read_parquet(tmp_path / "parts" / "linear.parquet")["short"].any()
    assert done.claims == reference.claims
    run = json.loads((tmp_path / "parts" / "run.json").read_text(encoding="utf-8"))
    assert (run["settings"]["preset"], run["settings"]["seeds"]) == ("paper", 1)
