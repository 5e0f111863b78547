"""The page for outsiders: its task runs as it stands there, and its entry points are those of the package in tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_task_and_the_paper_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    script = tmp_path / "notebook.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    evaluated, _, reproduced = done.stdout.splitlines()
    assert evaluated == "cubic: 2 seeds, 64 prompts each; 95 % intervals over seeds"
    assert reproduced == "['linear-error', 'useful'] results/nobody2026/report.html"
    assert json.loads((tmp_path / "results" / "nobody2026" / "claims.json").read_text())[1]["answer"] in (
        "yes",
        "no",
        "open",
    )


def test_the_entry_points_of_the_page_are_those_of_the_package() -> None:
    shown = PAGE[PAGE.index("    [project]") : PAGE.index("The name of a task or a model is its")]
    told = tomllib.loads("\n".join(line.removeprefix("    ") for line in shown.splitlines()))
    file = ROOT / "tests" / "outside" / "cubic_theory" / "pyproject.toml"
    real = tomllib.loads(file.read_text(encoding="utf-8"))
    assert told["project"] == real["project"]
