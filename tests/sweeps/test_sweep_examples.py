"""The sweep files of examples/: each is allowed as it is, and runs, from its trials to its rows, at tiny size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from golden import check_golden
from sweeps.sweep_runs import run_here

from iclscope.core.settings import Settings
from iclscope.core.yaml_text import LARGEST_FILE
from iclscope.sweeps.file.axes import Range
from iclscope.sweeps.file.inheritance import EXTENDS, MOST_FILES, read_inherited
from iclscope.sweeps.file.known_settings import MOST_PROMPTS
from iclscope.sweeps.file.paper_settings import paper_names
from iclscope.sweeps.file.planned import SweepTest
from iclscope.sweeps.file.settings_tree import merged
from iclscope.sweeps.file.sweep_file import MOST_TESTS, MOST_TRIALS, Sweep, load_sweep
from iclscope.sweeps.sweep_folder import ROWS

FOLDER = Path(__file__).parents[2] / "examples" / "sweeps"
PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
TINY_TRAINING = {"steps": 2, "batch_size": 4, "precision": "double"}
GOLDEN = Path(__file__).with_name("golden_rows.json")


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
    assert {load_sweep(path).paper for path in EXAMPLES} == set(paper_names())
    assert set(paper_names()) <= {path.stem for path in EXAMPLES}


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
    rows = run_here(sweep, tmp_path / "out")
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
    check_golden(rows, GOLDEN, path.stem)


def keys_of(config: type[Settings]) -> set[str]:
    """The names that a file may use."""
    return {field.alias or name for name, field in config.model_fields.items()}


@pytest.mark.parametrize(
    "keys", [{*keys_of(Sweep), EXTENDS}, keys_of(Range), keys_of(SweepTest)], ids=("sweep", "range", "test")
)
def test_the_page_has_a_table_of_just_these_keys(keys: set[str]) -> None:
    tables = [
        {
            key
            for cell in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, flags=re.MULTILINE)
            for key in re.findall(r"\w+", cell)
        }
        for table in PAGE.split("\n\n")
        if table.startswith("| Key |")
    ]
    assert keys in tables


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_sweeps_of_the_page_are_allowed(text: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    sweep = load_sweep(tmp_path / "shown.yaml")
    assert len(list(sweep.trials())) == sweep.count > 1


def test_the_refusal_of_the_page_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("paper: li2024\nbase: {task: {alhpa: 0.2}}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="alhpa") as refused:
        load_sweep("mine.yaml")
    assert f"iclscope: {refused.value}\n" in PAGE


def test_limits_of_the_page_are_those_of_the_code() -> None:
    for number in (MOST_TRIALS, MOST_TESTS, LARGEST_FILE, MOST_PROMPTS):
        assert f"{number:,}" in PAGE
    assert f"At most {MOST_FILES} files" in PAGE
