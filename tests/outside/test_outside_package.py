"""A package of an outsider, installed beside ours, has a task, two models and a paper; all work there as ours do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest
import yaml
from refusals import says
from sweeps.ray_cluster import ray_cluster

SOURCE = Path(__file__).with_name("cubic_theory")
MOST_LINES = 150
SWEEP = {
    "base": {
        "task": {"kind": "cubic_regression"},
        "model": {"kind": "kernel_smoother", "d_X": 1},
        "training": {"optimizer": "adam", "loss": "squared", "learning_rate": 0.03, "steps": 20, "batch_size": 16},
    },
    "vary": {"task.noise": [0.0, 0.5], "model.width": [0.1, 0.8]},
    "seeds": 2,
    "tests": {"short": {"task": {"length": 8}, "prompts": 64}},
}
NUMBERS = """
import json
import torch
import iclscope as icl
from cubic_theory import CubicRegression, KernelSmoother, SetNetwork, features

task = CubicRegression(noise=0.3)
smoother = icl.train(KernelSmoother(seeds=3), task, learning_rate=0.03, batch_size=64, steps=400).model
network = icl.train(SetNetwork(seeds=2, d_X=1), task, learning_rate=0.003, batch_size=64, steps=800).model
for name, model in (("smoother", smoother), ("network", network)):
    model.save_pretrained(name)
widths = [0.05 * 1.25**power for power in range(10)]
grid = [float(icl.evaluate(KernelSmoother(seeds=1, width=width), task).mean) for width in widths]
prompts = task.sampler(network.seeds, dtype=torch.float64).prompts(4096, purpose="evaluation")
known, asked = features(prompts.inputs[:, :, :-1, 0]), features(prompts.inputs[:, :, -1:, 0])
solved = torch.linalg.lstsq(known, prompts.answers[:, :, :-1, None]).solution
squares = ((asked @ solved)[..., 0, 0] - prompts.labels).square().mean(dim=1) / task.scale
print(json.dumps({
    "width": smoother.log_width.exp().tolist(), "widths": widths, "grid": grid,
    "network": icl.evaluate(network, task).mean[:, 0].tolist(), "least squares": squares.tolist(),
    "again": torch.equal(icl.evaluate(icl.models.load_model("network"), task).mean, icl.evaluate(network, task).mean),
}))
"""


def install(site: Path) -> None:
    """What an installer leaves of the package: its module, its name and its entry points."""
    site.mkdir(parents=True)
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copy(SOURCE / "cubic_theory.py", site)
    about = site / f"cubic_theory-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in groups
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))


class Outside:
    """A folder to work in, and an environment in which the package is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        install(self.site)

    def done(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        paths = [str(self.site), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "ICLSCOPE_CACHE": str(self.folder / "cache")}
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done

    def run(self, *words: str, status: int = 0) -> str:
        done = self.done(*words, status=status)
        return done.stdout if status == 0 else done.stderr

    def both(self, *words: str) -> tuple[str, str]:
        """What a command prints, on standard output and beside it."""
        done = self.done("-m", "iclscope.cli.main", *words)
        return done.stdout, done.stderr

    def command(self, *words: str, status: int = 0) -> str:
        return self.run("-m", "iclscope.cli.main", *words, status=status)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    return Outside(tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="module")
def numbers(outside: Outside) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads(outside.run("-c", NUMBERS))
    return found


def test_it_is_short() -> None:
    assert len((SOURCE / "cubic_theory.py").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_it_is_listed(outside: Outside) -> None:
    lines = outside.command("list").splitlines()
    assert any(line.startswith("nadaraya1964  smoothing in context") for line in lines)
    assert any(line.startswith("    smoothing-error  A smoother errs less") for line in lines)
    assert lines[0].startswith("li2024  ")


@pytest.mark.slow
def test_a_width_is_found_within_one_of_a_grid_search(numbers: dict[str, list[float]]) -> None:
    best = numbers["grid"].index(min(numbers["grid"]))
    nearest = [min(range(10), key=lambda i: abs(numbers["widths"][i] - width)) for width in numbers["width"]]
    assert 0 < best < 9, "the grid holds its best width inside"
    assert all(abs(place - best) <= 1 for place in nearest)


@pytest.mark.slow
def test_a_plain_module_comes_close_to_least_squares(numbers: dict[str, list[float]]) -> None:
    for error, least in zip(numbers["network"], numbers["least squares"], strict=True):
        assert 0.5 * least < error < 1.1 * least  # ridge on learnt features shrinks, and may well do better
    assert numbers["again"]


@pytest.mark.slow
def test_checkpoints_are_evaluated(outside: Outside, numbers: dict[str, list[float]]) -> None:
    text = outside.command("evaluate", "network", "--length", "8", "--prompts", "64", "--baseline", "none")
    assert "set network, 2 runs (seeds 0, 1). Trained on cubic regression" in text
    assert says(text, "but with length = 8")
    assert "--length, --noise" in outside.command("evaluate", "network", "--depth", "3", status=2)
    assert numbers["again"]


@pytest.mark.slow
def test_its_paper_is_reproduced(outside: Outside) -> None:
    outside.command("reproduce", "nadaraya1964", "--out", "paper")
    claims = json.loads((outside.folder / "paper" / "claims.json").read_text(encoding="utf-8"))
    assert {claim["id"]: (claim["verdict"], claim["control"]["verdict"]) for claim in claims} == {
        "smoothing-error": ("holds", "fails"),
        "learnt-error": ("holds", "fails"),
    }
    assert "A smoother errs less" in (outside.folder / "paper" / "report.html").read_text(encoding="utf-8")


def swept(outside: Outside, name: str, *options: str) -> pl.DataFrame:
    (outside.folder / "sweep.yaml").write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    outside.command("sweep", "sweep.yaml", "--out", name, *options)
    return pl.read_parquet(outside.folder / name / "rows.parquet")


def test_its_settings_are_swept(outside: Outside) -> None:
    rows = swept(outside, "here")
    assert len(rows) == 8
    assert rows["squared_error"].is_finite().all()
    assert "task.noise" in outside.command("show", "here")


@pytest.mark.slow
def test_they_are_swept_on_a_cluster(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(outside.site), os.environ.get("PYTHONPATH", "")]))
    with ray_cluster() as cluster:
        cluster.add_node().wait()
        there = swept(outside, "there", "--engine", "ray", "--address", cluster.address)
    columns = ["trial", "test", "squared_error"]
    assert there.select(columns).equals(swept(outside, "again").select(columns))


@pytest.mark.slow
def test_an_edited_task_returns_no_old_rows(tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP | {"vary": {}, "seeds": 1}), encoding="utf-8")
    tables = []
    for edit in ((" ", " "), ("normal(batch, 1, 4)", "normal(batch, 1, 4) * 3")):
        module = outside.site / "cubic_theory.py"
        module.write_text(module.read_text(encoding="utf-8").replace(*edit), encoding="utf-8")
        outside.command("sweep", "sweep.yaml", "--out", "swept")
        tables.append(pl.read_parquet(tmp_path / "swept" / "rows.parquet"))
    before, after = tables
    assert before["trial"][0] != after["trial"][0]
    assert after["squared_error"][0] > 3 * before["squared_error"][0]


def test_a_broken_package_gets_a_line_and_the_rest_works(tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    (outside.site / "cubic_theory.py").write_text("import no_such_module_anywhere\n", encoding="utf-8")
    lines = outside.command("list").splitlines()
    (told,) = (line for line in lines if "no_such_module_anywhere" in line)
    assert told.startswith("nadaraya1964  PAPER = 'nadaraya1964': cubic_theory:PAPER of cubic-theory cannot")
    assert lines[0].startswith("li2024  ")
    assert outside.command("list", "huang2024").splitlines()[0].startswith("huang2024  ")
    assert "training steps" in outside.command("predict", "li2024")
    refused = outside.command("reproduce", "nadaraya1964", status=2)
    assert refused.count("\n") == 1
    assert "no_such_module_anywhere" in refused
    (tmp_path / "sweep.yaml").write_text("paper: zhang2024\nbase: {training: {steps: 1}}\nseeds: 1\n", encoding="utf-8")
    assert "1 trial (1 trained now" in outside.command("sweep", "sweep.yaml")


@pytest.mark.slow
def test_what_a_paper_lacks_may_be_installed_later(tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    source = (outside.site / "cubic_theory.py").read_text(encoding="utf-8")
    (outside.site / "cubic_theory.py").write_text("import a_library\n" + source, encoding="utf-8")
    assert "cannot be imported" in outside.command("list", "nadaraya1964")
    (outside.site / "a_library.py").touch()
    assert "smoothing-error" in outside.command("list", "nadaraya1964")


@pytest.mark.slow
def test_a_clash_names_both_distributions_in_a_line_and_the_rest_works(tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    another = outside.site / "another_theory-2.0.dist-info"
    another.mkdir()
    (another / "METADATA").write_text("Metadata-Version: 2.1\nName: another-theory\nVersion: 2.0\n")
    (another / "entry_points.txt").write_text(
        "[iclscope.papers]\nnadaraya1964 = nowhere:PAPER\n[iclscope.tasks]\npatterns = nowhere:Task\n"
    )
    listed, errors = outside.both("list")
    told = errors.splitlines()
    assert told[0] == (
        "iclscope: PAPER nadaraya1964 is declared by another-theory and by cubic-theory; that of another-theory is used"
    )
    assert len(told) == 2
    assert told[1].startswith("iclscope: kind of a task patterns is declared by iclscope and by another-theory")
    (line,) = (line for line in listed.splitlines() if line.startswith("nadaraya1964  "))
    assert "nowhere:PAPER of another-theory cannot be imported" in line
    assert listed.startswith("li2024  ")
    listed, errors = outside.both("list", "patterns")
    clash = "iclscope: kind of a task patterns is declared by iclscope and by another-theory; that of iclscope is used"
    assert clash in errors.splitlines()
    assert "PatternClassification of iclscope" in listed
    assert "training steps" in outside.both("predict", "li2024")[0]
