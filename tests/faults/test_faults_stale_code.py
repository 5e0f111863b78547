"""Compiled code, and whatever else is kept between runs, is that of the sources and files as they now are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from language_models.tiny_models import make_tiny

import iclscope
from iclscope.cli.main import main
from iclscope.language_models.models.file_hashes import file_hash

ASK = """
import json, pathlib, sys
import iclscope as icl
assert pathlib.Path(icl.__file__).is_relative_to(sys.argv[1])
task = icl.tasks.PatternClassification(M1=3, M2=4, d_X=8, d_Y=8, length=6, alpha=0.5, check_condition=False)
model = icl.models.SoftmaxReLUTransformer(d_X=8, d_Y=8, width=6)
for weights in model.parameters():
    weights.data.mul_(30)
print(json.dumps(icl.evaluate(model, task, prompts=64).hinge_risk.tolist()))
"""


def answer(package: Path, cache: Path) -> list[float]:
    """What a process says that imports the package from a folder, with compiled code kept in another."""
    variables = {"PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", ASK, str(package)],
        env={**os.environ, **variables},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    risks: list[float] = json.loads(run.stdout)
    return risks


@pytest.mark.slow
def test_a_change_in_a_file_that_is_compiled_into_another_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "copy"
    shutil.copytree(
        Path(iclscope.__file__).parent, package / "iclscope", ignore=shutil.ignore_patterns("__pycache__", "*.nb?")
    )
    before = answer(package, tmp_path / "cache")
    source = package / "iclscope" / "models" / "pattern_engine" / "attention.py"
    times = source.stat()
    text = source.read_text(encoding="utf-8")
    changed = text.replace("weight[i, s] -= largest", "weight[i, s] = 0.5 * (weight[i, s] - largest)")
    assert changed != text
    source.write_text(changed, encoding="utf-8")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # as rsync and archives leave it
    after = answer(package, tmp_path / "cache")
    assert not np.allclose(before, after, atol=1e-9)


def test_the_tests_compile_into_a_cache_of_their_own() -> None:
    cache = os.environ["NUMBA_CACHE_DIR"]
    assert cache
    assert not Path(cache).is_relative_to(Path.home() / ".cache")
    assert not Path(cache).is_relative_to(Path(iclscope.__file__).parent)


def test_a_hash_is_that_of_the_content_whatever_the_time_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICLSCOPE_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "weights.bin"
    file.write_bytes(b"a" * 3_000_000)
    os.utime(file, (1_600_000_000, 1_600_000_000))
    first = file_hash(file)
    assert file_hash(file) == first
    middle = bytearray(b"a" * 3_000_000)
    middle[1_500_000] = ord("b")
    file.write_bytes(bytes(middle))
    os.utime(file, (1_600_000_000, 1_600_000_000))
    assert file_hash(file) != first
    other = tmp_path / "other.bin"
    other.write_bytes(b"a" * 3_000_000)
    os.utime(other, (1_600_000_000, 1_600_000_000))
    other.replace(file)
    assert file_hash(file) == first


def test_a_damaged_memory_of_hashes_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("ICLSCOPE_CACHE", str(cache))
    file = tmp_path / "weights.bin"
    file.write_bytes(b"some weights")
    os.utime(file, (1_600_000_000, 1_600_000_000))
    first = file_hash(file)
    for content in (b"", b"{", b"[]", b'{"files": 3}', b"\xff\xfe"):
        for kept in cache.rglob("*.json"):
            kept.write_bytes(content)
        assert file_hash(file) == first


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("data") / "d.csv"
    rows = "".join(f"thing {place},{'ab'[place % 2]}\n" for place in range(20))
    file.write_text("text,label\n" + rows, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("part", ["weights", "tokenizer", "chat template", "config", "texts"])
def test_rows_of_another_content_are_not_kept_under_the_same_names(
    part: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_tiny(Path("tiny"), "gpt2")
    shutil.copy(data, "d.csv")
    command = ["llm", "evaluate", "tiny", "d.csv", "--shots", "0", "--queries", "4", "--draws", "1", "--out", "run"]
    assert main(command) == 0
    files = {
        "weights": model / "model.safetensors",
        "tokenizer": model / "tokenizer.json",
        "config": model / "config.json",
        "texts": Path("d.csv"),
    }
    if part == "chat template":
        (model / "chat_template.jinja").write_text("{{ messages[0] }}", encoding="utf-8")
    else:
        file = files[part]
        times, content = file.stat(), bytearray(file.read_bytes())
        if part == "weights":
            content[-5:] = bytes((content[-5] ^ 1, *content[-4:]))
        elif part == "tokenizer":
            content = bytearray(content.replace(b'"add_prefix_space":false', b'"add_prefix_space":true ', 1))
            content = bytearray(content.replace(b'"add_prefix_space": false', b'"add_prefix_space": true ', 1))
        elif part == "config":
            content = bytearray(content.replace(b'"layer_norm_epsilon": 1e-05', b'"layer_norm_epsilon": 1e-02', 1))
        else:
            content = bytearray(content.replace(b"thing 3,", b"think 3,"))
        assert bytes(content) != file.read_bytes()
        assert len(content) == times.st_size
        file.write_bytes(bytes(content))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    capsys.readouterr()
    assert main(command) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "run" in told
