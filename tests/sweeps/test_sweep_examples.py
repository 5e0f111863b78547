"""The sweep files of examples/: each is allowed as it is, and runs, from its trials to its rows, at tiny size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from iclscope.sweeps.inheritance import read_inherited
from iclscope.sweeps.paper_settings import PAPER_NAMES
from iclscope.sweeps.run_sweep import ROWS, SweepFolder, run_sweep
from iclscope.sweeps.settings_tree import merged
from iclscope.sweeps.sweep_file import Sweep, load_sweep

FOLDER = Path(__file__).parents[2] / "examples" / "sweeps"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
TINY_TRAINING = {"steps": 2, "batch_size": 4}


def two(values: Any) -> Any:
    """The first two values of a list, the two ends of a range."""
    if isinstance(values, list):
        return values[:2]
    return {**values, "count": 2} if "count" in values else values


def tiny(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same sweep with hardly any training, two values of each setting, one seed and few test prompts."""
    design = settings.get("design", "grid")
    return {
        **settings,
        "base": merged(settings.get("base", {}), {"training": TINY_TRAINING}),
        "vary": {name: two(values) for name, values in settings.get("vary", {}).items()},
        "together": [
            {name: two(values) if name != "training.steps" else [2, 3] for name, values in group.items()}
            for group in settings.get("together", [])
        ],
        "design": {**design, "samples": 2} if isinstance(design, dict) else design,
        "seeds": 1,
        "tests": {
            name: {**test, "prompts": 8, "vary": {key: two(values) for key, values in test.get("vary", {}).items()}}
            for name, test in settings["tests"].items()
        },
    }


def test_there_is_an_example_of_each_paper() -> None:
    assert {load_sweep(path).paper for path in EXAMPLES} == set(PAPER_NAMES)
    assert set(PAPER_NAMES) <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_allowed_as_it_is(path: Path) -> None:
    sweep = load_sweep(path)
    planned = list(sweep.trials())
    assert len(planned) == sweep.count == len({one.trial.hash for one in planned})
    assert sweep.question.strip().endswith("?")
    assert f"iclscope sweep examples/sweeps/{path.name}" in path.read_text(encoding="utf-8")
    assert sweep.varied


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    file = tmp_path / path.name
    file.write_text(yaml.safe_dump(tiny(read_inherited(path, tuple(Sweep.model_fields)).settings)), encoding="utf-8")
    sweep = load_sweep(file)
    planned = list(sweep.trials())
    rows = run_sweep(sweep, planned, SweepFolder(tmp_path / "out", sweep.name))
    assert pl.read_parquet(tmp_path / "out" / ROWS).equals(rows)
    assert rows["trial"].n_unique() == len(planned) >= 2
    assert set(rows["test"]) == set(load_sweep(path).tests)
    assert set(sweep.varied) <= set(rows.columns)
    measured = [name for name in rows.columns if name in ("hinge_risk", "classification_error", "squared_error")]
    assert measured
    for name in measured:
        assert rows[name].is_finite().all()
        assert rows[f"{name}_se"].is_finite().all()
    assert rows["diverged_at"].is_null().all()
