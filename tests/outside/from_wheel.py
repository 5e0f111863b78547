"""What `make package` tries of the wheel, from a folder elsewhere, with a package of an outsider beside it."""

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
    command("reproduce", "li2024", "--figure", "attention", "--seeds", "2", "--out", "figure")
    assert Path("figure/attention.png").stat().st_size > 10_000
    command("new", "trial_theory")
    assert Path("trial_theory/pyproject.toml").is_file()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from language_models.tiny_models import make_tiny

    make_tiny(Path("tiny"), "llama")
    few = ("--shots", "0,2", "--queries", "6", "--draws", "2")
    assert "accuracy" in command("llm", "evaluate", "tiny", "words", *few, "--out", "answers")
    print("the wheel works, with a package of an outsider beside it")
