"""What `make package` tries of the wheel, beside which a package of an outsider is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import iclscope


def command(*words: str) -> str:
    """What a command prints."""
    return subprocess.run(
        [sys.executable, "-m", "iclscope.cli.main", *words], capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    assert Path("site").resolve() in Path(iclscope.__file__).resolve().parents, iclscope.__file__
    listed = command("list")
    assert "li2024  " in listed
    assert "nadaraya1964  " in listed
    command("reproduce", "nadaraya1964", "--out", "paper")
    claims = json.loads(Path("paper/claims.json").read_text(encoding="utf-8"))
    assert [claim["verdict"] for claim in claims] == ["holds", "holds"], claims
    assert Path("paper/report.html").stat().st_size > 10_000
    assert "training steps" in command("predict", "li2024")
    command("playground", "--out", "playground.html")
    assert 100_000 < Path("playground.html").stat().st_size < 600_000
    print("the wheel works, with a package of an outsider beside it")
