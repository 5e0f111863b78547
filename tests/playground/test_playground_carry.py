"""What is copied from the page runs in the library, and gives the page's numbers."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from playground.library_numbers import STANDARD
from playground.test_playground_address import STATE
from playground.tools import in_node

from iclscope.sweeps.engines import sweep

pytestmark = pytest.mark.thorough

CARRIED = """(library, state) => {
  const rows = Array.from({ length: state.settings.seeds }, (_, index) => {
    const run = new library.Run(state.settings, state.settings.seed + index);
    for (let step = 0; step < state.steps; step++) run.step(step, state.settings.eta);
    return run.record(state.steps, state.settings.eta, false).row;
  });
  return {
    rows, python: library.pythonOf(state), sweep: library.sweepOf(state), json: library.jsonOf(state, rows),
    csv: library.csvOf(rows),
  };
}"""
CHANGED: list[dict[str, Any]] = [
    {"settings": {**STANDARD, "seed": 11, "seeds": 2}, "steps": 90},
    {
        "settings": {
            **STANDARD, "tasks": "broken", "M1": 7, "M2": 20, "alpha": 0.6, "length": 15, "width": 30, "delta": 0.1,
            "eta": 0.75, "batch": 128, "alpha_test": 0.5, "length_test": 12, "S1": -0.3, "K": 0.25,
            "beta": 2.5, "q_norm": 0.75,
        },
        "steps": 60,
    },
    {"settings": {**STANDARD, "tasks": "all", "width": 24}, "steps": 70},
    {"settings": {**STANDARD, "tasks": "share-3", "M1": 8, "width": 24}, "steps": 0},
]  # fmt: skip


@pytest.fixture(scope="module", params=CHANGED, ids=str)
def carried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = in_node(tmp_path_factory.mktemp("carried"), CARRIED, {**STATE, **request.param})
    return found


def test_python(carried: dict[str, Any]) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(carried["python"], "copied.py", "exec"), {})
    for line, domain in zip(printed.getvalue().splitlines(), ("in", "out"), strict=True):
        name, lists = line.split(" ", 1)
        risks, errors = json.loads(f"[{lists.replace('] [', '], [')}]")
        assert name == domain
        assert risks == pytest.approx([row[f"risk_{domain}"] for row in carried["rows"]], abs=1e-9)
        assert errors == [row[f"error_{domain}"] for row in carried["rows"]]


def test_sweep(carried: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "playground.yaml"
    file.write_text(carried["sweep"], encoding="utf-8")
    rows = sweep(file, out=tmp_path / "out")
    for name, domain in (("in-domain", "in"), ("out-of-domain", "out")):
        own = rows.filter(rows["test"] == name).sort("seed")
        assert own["seed"].to_list() == [row["seed"] for row in carried["rows"]]
        assert own["hinge_risk"].to_list() == pytest.approx(
            [row[f"risk_{domain}"] for row in carried["rows"]], abs=1e-9
        )
        assert own["classification_error"].to_list() == [row[f"error_{domain}"] for row in carried["rows"]]


def test_json_and_csv(carried: dict[str, Any]) -> None:
    noted = json.loads(carried["json"])
    assert noted["rows"] == [{**row, "loss": row["loss"] if row["step"] else None} for row in carried["rows"]]
    table = list(csv.DictReader(io.StringIO(carried["csv"])))
    assert [{name: float(value) for name, value in row.items() if value} for row in table] == [
        {name: value for name, value in row.items() if value == value} for row in carried["rows"]
    ]


def test_a_step_size_that_was_changed_is_told(tmp_path: Path) -> None:
    found = in_node(tmp_path, CARRIED, {**STATE, "changes": [[20, 0.5]]})
    told = "# The page changed the step size on the way (0.5 from step 20 on); here it stays at 1, so numbers differ.\n"
    assert found["python"].startswith(told)
    assert found["sweep"].startswith(told)
    assert yaml.safe_load(found["sweep"])["base"]["training"]["learning_rate"] == 1
