"""Standard output that fails, letters that it cannot hold, and words that are no text: one line, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iclscope.cli.main import main

RUN = [sys.executable, "-c", "from iclscope.cli.main import run; run()"]
COMMANDS = [["list"], ["--help"], ["--version"], ["predict", "--help"]]
"""Commands that print through Rich, through Click, and help."""


def started(*words: str | bytes, before: str = "", **settings: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, through the shell where something is to be closed first."""
    command: list[str | bytes] = [*RUN, *words]
    if before:
        command = ["sh", "-c", f'exec "$0" "$@" {before}', *command]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
    return subprocess.run(command, text=True, errors="replace", timeout=120, check=False, **settings)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_told_in_one_line(words: list[str]) -> None:
    ended = started(*words, before="> /dev/full")
    assert ended.stderr == "iclscope: standard output cannot be written: No space left on device\n"
    assert ended.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_nothing_can_be_told_where_standard_error_is_full_too() -> None:
    assert started("--help", before="> /dev/full 2> /dev/full").returncode == 1
    assert started("no-such-command", before="2> /dev/full").returncode == 2


@pytest.mark.parametrize("words", [["list"], ["sweep", "no-such-file.yaml"]], ids=" ".join)
def test_closed_output_is_refused_before_any_work(words: list[str]) -> None:
    ended = started(*words, before=">&-")
    assert ended.stderr == "iclscope: standard output is closed\n"
    assert ended.returncode == 1
    assert started(*words, before=">&- 2>&-").returncode == 1


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_closed_pipe_ends_the_command_quietly(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = started(*words, stdout=writer)
    finally:
        os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode == 1


def test_a_reader_that_takes_all_changes_nothing() -> None:
    ended = started("list")
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert ended.stdout.startswith("li2024  ")
    assert started("no-such-command", before=">/dev/null").returncode == 2


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_letters_that_output_cannot_hold_are_replaced(variables: dict[str, str]) -> None:
    ended = started("list", env={**os.environ, **variables})
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert "?" in ended.stdout
    refused = started("no-such-α", env={**os.environ, **variables})
    assert refused.stderr.startswith("iclscope: ")
    assert "no-such-?" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.returncode == 2


NO_TEXT = b"caf\xe9"


@pytest.mark.parametrize(
    ("words", "named", "value"),
    [
        ([b"evaluate", NO_TEXT], "argument", r"'caf\xe9'"),
        ([b"evaluate", b"model", b"--out", NO_TEXT + b".csv"], "--out", r"'caf\xe9.csv'"),
        ([b"sweep", NO_TEXT + b".yaml"], "argument", r"'caf\xe9.yaml'"),
        ([b"sweep", b"a.yaml", b"--out=" + NO_TEXT], "--out", r"'caf\xe9'"),
        ([b"sweep", b"a.yaml", b"--store", NO_TEXT], "--store", r"'caf\xe9'"),
        ([b"reproduce", b"li2024", b"--out", b"a/" + NO_TEXT + b"/b"], "--out", r"'a/caf\xe9/b'"),
        ([b"llm", b"evaluate", NO_TEXT], "argument", r"'caf\xe9'"),
        ([b"show", b"\xff"], "argument", r"'\xff'"),
        ([NO_TEXT], "argument", r"'caf\xe9'"),
    ],
)
def test_a_word_that_is_no_text_is_refused(words: list[bytes], named: str, value: str) -> None:
    ended = started(*words)
    assert ended.stderr == f"iclscope: {named}: expected text in UTF-8, got {value}\n"
    assert ended.returncode == 2


def test_a_name_of_any_letters_is_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["show", str(tmp_path / "Größe 大小 α")]) == 2
    told = capsys.readouterr().err
    assert "UTF-8" not in told
    assert "Größe" in told
