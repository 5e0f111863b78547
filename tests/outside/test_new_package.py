"""`iclscope new NAME` from the built wheel, in an environment of its own, outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_new_package_installs_passes_its_tests_and_reproduces(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"ICLSCOPE_CACHE": str(tmp_path / "cache"), "MPLBACKEND": "agg"}

    def run(*words: str | Path, where: Path = tmp_path) -> str:
        ended = subprocess.run(words, cwd=where, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{words}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    wheels = tmp_path / "wheels"
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT)
    venv.create(tmp_path / "own", with_pip=True)
    python, iclscope = (tmp_path / "own" / "bin" / name for name in ("python", "iclscope"))
    # The libraries of this environment, gigabytes of them, but not its iclscope: the wheel's comes first.
    site = next((tmp_path / "own" / "lib").glob("python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", *wheels.glob("*.whl"))
    place = run(python, "-c", "import iclscope; print(iclscope.__file__)")
    assert Path(place.strip()).is_relative_to(tmp_path)

    run(iclscope, "new", "own_theory")
    package = tmp_path / "own_theory"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", package)
    assert "passed" in run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", where=package)
    assert "own_theory  " in run(iclscope, "list", "own_theory")
    started = time.monotonic()
    printed = run(iclscope, "reproduce", "own_theory", "--out", tmp_path / "results")
    assert time.monotonic() - started < 60
    assert "holds" in printed
    claims = json.loads((tmp_path / "results" / "claims.json").read_text(encoding="utf-8"))
    assert [(claim["id"], claim["verdict"], claim["control"]["verdict"]) for claim in claims] == [
        ("small-error", "holds", "fails"),
        ("many-examples", "holds", "fails"),
    ]
    assert "trials" in run(iclscope, "sweep", package / "sweep.yaml", "--dry-run")
