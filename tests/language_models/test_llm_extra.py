"""Without the extra `llm` everything else works, and what needs it says so before anything is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import importlib.util, sys
EXTRA = ("accelerate", "bm25s", "gguf", "sentence_transformers")
for name in EXTRA:
    sys.modules[name] = None
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in EXTRA else found(name, *rest)
from iclscope.cli.main import main
print(main(sys.argv[1:]))
"""


def run(*words: str, cwd: Path) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout.splitlines()[-1], done.stderr


def test_a_measurement_without_the_extra(tiny_llama_folder: Path, tmp_path: Path) -> None:
    words = ["llm", "evaluate", str(tiny_llama_folder), "words", "--queries", "5", "--draws", "2", "--shots", "0,1"]
    assert run(*words, cwd=tmp_path)[0] == "0"


@pytest.mark.parametrize(
    ("model", "more", "allowed"),
    [
        ("here", ["--selector", "bm25"], "bm25 too once pip install 'iclscope[llm]' was run"),
        ("here.gguf", [], "a GGUF file, once pip install 'iclscope[llm]' was run"),
    ],
    ids=["bm25", "gguf"],
)
def test_what_needs_the_extra_says_so(model: str, more: list[str], allowed: str, tmp_path: Path) -> None:
    (tmp_path / "here.gguf").touch()
    status, told = run("llm", "evaluate", model, "words", *more, cwd=tmp_path)
    assert status == "2"
    assert allowed in told
    assert len(told.splitlines()) == 1
