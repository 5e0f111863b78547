"""Sweep files that must be refused: at once, in one line that names file, key, value and what is allowed."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import says
from sweeps.bad_sweeps import BAD_SWEEPS

from iclscope.core.errors import BadRequest
from iclscope.core.yaml_text import LARGEST_FILE
from iclscope.sweeps.file.axes import axes_from
from iclscope.sweeps.file.inheritance import MOST_FILES
from iclscope.sweeps.file.sweep_file import Sweep, load_sweep

AT_ONCE = 1.0
"""Seconds of this process, whatever else the machine does; the slowest takes a tenth of that on an idle core."""
ATTEMPTS = 3
"""A collection of the garbage of all tests before may fall into an attempt, not into each."""

Found = TypeVar("Found")


def at_once(attempt: Callable[[], Found]) -> Found:
    """What an attempt gives; one of several must end within `AT_ONCE`."""
    for _ in range(ATTEMPTS):
        started = time.process_time()
        found = attempt()
        if time.process_time() - started < AT_ONCE:
            return found
    raise AssertionError(f"{ATTEMPTS} attempts took more than {AT_ONCE} s each")


def refused(path: Path) -> str:
    with pytest.raises(BadRequest) as found:
        list(load_sweep(path).trials())
    return str(found.value)


def refusal(path: Path) -> str:
    """The line with which a file is refused, at once."""
    text = at_once(lambda: refused(path))
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
        assert says(line, word), line


def test_only_refusals_of_keys_begin_with_the_file(tmp_path: Path) -> None:
    """Whatever stands in the file, the line says which file; what stands in another, says that one."""
    path = tmp_path / "bad.yaml"
    path.write_text("paper: li2024\nbase: {task: {alpha: 3}}\n", encoding="utf-8")
    assert refusal(path).startswith(f"{path}: base.task.alpha: expected")
    child = tmp_path / "child.yaml"
    child.write_text("extends: bad.yaml\n", encoding="utf-8")
    assert refusal(child).startswith(f"{child} (extends {path}): base.task.alpha: expected")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"paper: \xff\xfe\n", "byte 7 is none"),
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
    assert says(line, words)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "a folder" in refusal(tmp_path)
    assert "device" in refusal(Path("/dev/zero"))
    assert "'nul\\x00.yaml'" in refusal(Path("nul\0.yaml"))
    assert "xxx…" in refusal(tmp_path / ("x" * 5000))


def test_a_file_of_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    with path.open("wb") as file:
        file.truncate(2**30)
    assert "at most 262,144 bytes" in refusal(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody will ever write to it; in a process of its own, which can be ended if it waits all the same."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "child.yaml").write_text("extends: pipe.yaml\n", encoding="utf-8")
    script = "from iclscope.cli.main import main\nfor name in ('pipe', 'child'): print(main(['sweep', name + '.yaml']))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["2", "2"]
    pipe, child = done.stderr.splitlines()
    assert pipe.startswith("iclscope: FILE: expected a YAML file, got 'pipe.yaml'; this is a folder")
    assert child.startswith("iclscope: child.yaml: extends: expected a file that exists")


def test_what_lies_elsewhere_is_read_as_a_sweep_or_refused(tmp_path: Path) -> None:
    """A folder of sweeps may have what they share beside it; what is none is refused, and under its own name."""
    (tmp_path / "secret.txt").write_text("first line\nsecond: line\n", encoding="utf-8")
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "child.yaml"
    path.write_text("extends: ../secret.txt\n", encoding="utf-8")
    assert "secret.txt" in refusal(path)
    path.write_text(f"extends: {tmp_path / 'secret.txt'}\n", encoding="utf-8")
    assert "relative to this one" in refusal(path)


@pytest.mark.parametrize("twice", ["task.s7", "task.s7.x", "task"])
def test_thousands_of_settings_are_told_apart_at_once(twice: str) -> None:
    vary: dict[str, Any] = {f"task.s{number}": [1] for number in range(4000)}

    def attempt() -> None:
        with pytest.raises(BadRequest, match="varied already"):
            axes_from({**vary, f"{twice},model.x": [1]})

    at_once(attempt)


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
    assert "extends: expected another file, got 'a.yaml'" in line


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

    def attempt() -> None:
        assert Sweep(paper="li2024", vary=vary, seeds=1).count == 1_000_000
        with pytest.raises(BadRequest, match=r"number of trials: expected .*, got 2,000,000"):
            Sweep(paper="li2024", vary=vary, seeds=2)

    at_once(attempt)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"vary": {"task.alpha": [float("nan")]}}, "vary.task.alpha[0] = nan"),
        ({"vary": {"task.alpha": [object()]}}, "vary.task.alpha[0] = <object"),
        ({"base": {"task": {1: 2}}}, "got 1"),
        ({"seeds": [10**30]}, "seeds[0] = 1000"),
        ({"tests": {"a": {"task": {"alpha": float("inf")}}}}, "tests.a.task.alpha = inf"),
        ({"design": {"kind": "random", "samples": float("nan")}}, "design.samples = nan"),
        ({"seed": 3}, "did you mean seeds?"),
    ],
)
def test_python_may_say_no_more_than_a_file(said: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Sweep(paper="li2024", **said)
    assert says(str(refused.value), words), refused.value


def test_a_refusal_warns_of_nothing(tmp_path: Path) -> None:
    """YAML and SciPy have warnings of their own."""
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "paper: li2024\ndesign: {kind: sobol, samples: 100}\nvary: {task.alpha: {from: 0, to: 1}}\n", encoding="utf-8"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "64 or 128" in refusal(path)


WHOLE: dict[str, Any] = {
    "name": "whole",
    "question": "Why?",
    "paper": "garg2022",
    "preset": "quick",
    "base": {
        "task": {"noise": 0.1, "function": "linear"},
        "model": {"layers": 1},
        "training": {"steps": 3, "schedule": {"kind": "curriculum", "every": 2}},
        "evaluation": {"on": {"clean": {"noise": 0}}, "probes": ["squared_error"], "every": 2},
    },
    "vary": {
        "task.x_scale": [1, 2],
        "training.learning_rate": {"from": 0.001, "to": 0.01, "count": 3, "spacing": "log"},
    },
    "together": [{"task.length": [5, 10], "training.batch_size": [4, 8]}],
    "design": {"kind": "random", "samples": 3, "seed": 1},
    "seeds": [0, 1],
    "tests": {"noisy": {"task": {"noise": 1}, "vary": {"y_scale": [1, 2]}, "prompts": 8}},
}
HOSTILE = st.sampled_from(
    [None, True, False, "", "x", "0.8", "1e-3", "../x", 0, -1, 1.5, -0.5, 10**17, 1e300, 1e-300, [], {}, [[]], [{}],
     {"": 1}, {"kind": "x"}, {"a.b": [1]}, ["x", 1], [1, [2, "3"]], {"from": 0, "to": 1},
     {"from": 1, "to": 3, "count": 2}]
)  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a tree."""
    found = [path] if path else []
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return found + [place for name, value in below for place in places(value, (*path, name))]


@pytest.mark.filterwarnings("ignore:design:UserWarning")
@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)), HOSTILE), min_size=1, max_size=2), st.booleans())
def test_whatever_stands_anywhere_is_understood_or_refused(
    changes: list[tuple[tuple[Any, ...], Any]], add: bool
) -> None:
    """No other error, and one line."""
    sweep = copy.deepcopy(WHOLE)
    for (*way, last), value in changes:
        below: Any = sweep
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            for name in way:
                below = below[name]
            if add and isinstance(below, dict):
                below[f"{last}x"] = value
            else:
                below[last] = value
    text = ""
    try:
        found = Sweep(**sweep)
        assert len(list(found.trials())) == found.count
    except BadRequest as refused:
        text = str(refused)
    assert text == "" or re.fullmatch(r"[\w(].*(: expected .+, got .+| = .+: .+)", text), text


def test_the_whole_sweep_is_allowed() -> None:
    """Or nothing of the test above would be about the change."""
    assert len(list(Sweep(**WHOLE).trials())) == 6


@pytest.mark.parametrize(
    ("vary", "base", "end"),
    [
        ({"task.alpha": [0.5, 2]}, {}, "vary.task.alpha: expected a number less than or equal to 1, got 2"),
        ({"task.alpha": [0.5, 2], "task.K": [0.1]}, {}, "equal to 1, got 2 (at task.alpha = 2, task.K = 0.1)"),
        (
            {"training.steps": [5]},
            {"task": {"alpha": 2}},
            "base.task.alpha: expected a number less than or equal to 1, got 2",
        ),
        (
            {"training.steps": [5], "task.d_X": [31]},
            {},
            "got (31, 30) (at training.steps = 5, task.d_X = 31)",
        ),
    ],
)
def test_a_refusal_names_the_point_that_it_is_about(vary: dict[str, Any], base: dict[str, Any], end: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Sweep(paper="li2024", base=base, vary=vary)
    assert str(refused.value).endswith(end)
