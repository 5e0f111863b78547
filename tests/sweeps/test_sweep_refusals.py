"""Sweep files that must be refused: at once, in one line that names file, key, value and what is allowed."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from sweeps.bad_sweeps import BAD_SWEEPS

from iclscope.errors import BadRequest
from iclscope.sweeps.inheritance import MOST_FILES
from iclscope.sweeps.sweep_file import Sweep, load_sweep
from iclscope.sweeps.yaml_text import LARGEST_FILE

AT_ONCE = 1.0
"""Seconds; the slowest takes a tenth of that on an idle core."""


def refusal(path: Path) -> str:
    """The line with which a file is refused, within a second."""
    started = time.perf_counter()
    with pytest.raises(BadRequest) as refused:
        list(load_sweep(path).trials())
    assert time.perf_counter() - started < AT_ONCE
    text = str(refused.value)
    assert "\n" not in text
    assert text.isprintable()
    assert len(text) < 700
    return text


@pytest.mark.parametrize("name", BAD_SWEEPS)
def test_what_no_sweep_can_be(name: str, tmp_path: Path) -> None:
    text, words = BAD_SWEEPS[name]
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    line = refusal(path)
    assert str(tmp_path) in line
    for word in words:
        assert word in line, line


def test_only_refusals_of_keys_begin_with_the_file(tmp_path: Path) -> None:
    """Whatever stands in the file, the line says which file; what stands in another, says that one."""
    path = tmp_path / "bad.yaml"
    path.write_text("paper: li2024\nbase: {task: {alpha: 3}}\n", encoding="utf-8")
    assert refusal(path).startswith(f"{path}: task.alpha = 3 is not allowed")
    child = tmp_path / "child.yaml"
    child.write_text("extends: bad.yaml\n", encoding="utf-8")
    assert refusal(child).startswith(f"{child} (extends {path}): task.alpha = 3 is not allowed")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"paper: \xff\xfe\n", "UTF-8; byte 7"),
        (b"# " + b"x" * LARGEST_FILE + b"\npaper: li2024\n", "at most 262,144 bytes"),
        (b"\x00\x01\x02", "not YAML"),
    ],
    ids=["missing", "not UTF-8", "too large", "binary"],
)
def test_files_that_cannot_be_read(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    if content is not None:
        path.write_bytes(content)
    line = refusal(path)
    assert str(path) in line
    assert words in line


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "a folder" in refusal(tmp_path)
    assert "device" in refusal(Path("/dev/zero"))
    assert "'nul\\x00.yaml'" in refusal(Path("nul\0.yaml"))
    assert "xxx…" in refusal(tmp_path / ("x" * 5000))


def test_a_file_without_rights(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("paper: li2024\n", encoding="utf-8")
    path.chmod(0)
    try:
        path.read_text(encoding="utf-8")
    except PermissionError:
        assert "ermission denied" in refusal(path)
    else:
        pytest.skip("this user may read every file")


def test_a_file_whose_name_is_no_name_of_a_sweep(tmp_path: Path) -> None:
    path = tmp_path / "my sweep.yaml"
    path.write_text("paper: li2024\n", encoding="utf-8")
    assert "'my sweep'" in refusal(path)
    path.write_text("paper: li2024\nname: my-sweep\n", encoding="utf-8")
    assert load_sweep(path).name == "my-sweep"


def test_a_ring_of_files(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {other}.yaml\n", encoding="utf-8")
    line = refusal(tmp_path / "a.yaml")
    assert "c.yaml" in line
    assert "extends = 'a.yaml'" in line


def test_a_long_chain_of_files(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 1):
        extends = f"extends: {number - 1}.yaml\n" if number else ""
        (tmp_path / f"{number}.yaml").write_text(f"{extends}paper: li2024\n", encoding="utf-8")
    assert load_sweep(tmp_path / f"{MOST_FILES - 1}.yaml").count == 5
    assert f"more than {MOST_FILES} files" in refusal(tmp_path / f"{MOST_FILES}.yaml")


def test_a_million_trials_are_counted_and_one_more_is_not_allowed() -> None:
    vary = {
        "task.alpha": {"from": 0.1, "to": 0.9, "count": 1000},
        "task.beta": {"from": 1, "to": 2, "count": 1000},
    }
    started = time.perf_counter()
    assert Sweep(paper="li2024", vary=vary, seeds=1).count == 1_000_000
    with pytest.raises(BadRequest, match="number of trials = 2,000,000"):
        Sweep(paper="li2024", vary=vary, seeds=2)
    assert time.perf_counter() - started < AT_ONCE


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vary": {"task.alpha": [float("nan")]}}, "vary.task.alpha[0] = nan"),
        ({"vary": {"task.alpha": [object()]}}, "vary.task.alpha[0] = <object"),
        ({"base": {"task": {1: 2}}}, "1 is not allowed"),
        ({"seeds": [10**30]}, "seeds[0] = 1000"),
        ({"tests": {"a": {"task": {"alpha": float("inf")}}}}, "tests.a.task.alpha = inf"),
        ({"design": {"kind": "random", "samples": float("nan")}}, "design.samples = nan"),
        ({"seed": 3}, "did you mean seeds?"),
    ],
)
def test_python_may_say_no_more_than_a_file(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Sweep(paper="li2024", **settings)
    assert words in str(refused.value)


def test_a_refusal_warns_of_nothing(tmp_path: Path) -> None:
    """YAML and SciPy have warnings of their own."""
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "paper: li2024\ndesign: {kind: sobol, samples: 100}\nvary: {task.alpha: {from: 0, to: 1}}\n", encoding="utf-8"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "64 or 128" in refusal(path)
