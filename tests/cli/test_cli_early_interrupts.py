"""Ctrl-C while Python still imports ends a command quietly, wherever it falls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from iclscope.cli.early_interrupts import quit_on_interrupt, restore_interrupts

RUN = "from iclscope.cli.main import run; run()"
INTERRUPTED = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
"""
SWALLOWED = """
try:
    import os, signal
    os.kill(os.getpid(), signal.SIGINT)
    while True: pass
except BaseException as error:
    raise ImportError("a library that tells an interrupt otherwise") from error
"""


def with_a_module_that(tmp_path: Path, name: str, text: str, code: str = RUN) -> subprocess.CompletedProcess[str]:
    """``iclscope reproduce`` where a library is replaced by a module that interrupts the process."""
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", str(Path.cwd()))])
    return subprocess.run(
        [sys.executable, "-c", code, "reproduce"], env={**os.environ, "PYTHONPATH": paths}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("text", [INTERRUPTED, SWALLOWED], ids=["plain", "caught by a library"])
@pytest.mark.parametrize("name", ["typer", "rich", "matplotlib", "torch"])
def test_an_interrupt_within_an_import_is_quiet(name: str, text: str, tmp_path: Path) -> None:
    ended = with_a_module_that(tmp_path, name, text)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_so_is_a_termination(tmp_path: Path) -> None:
    ended = with_a_module_that(tmp_path, "typer", INTERRUPTED.replace("SIGINT", "SIGTERM"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "", "")


def test_what_starts_first_imports_little() -> None:
    code = "import sys; import iclscope.cli.main; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert {"typer", "rich", "numpy", "torch", "click"}.isdisjoint(ended.stdout.split())


def test_a_command_can_be_interrupted_as_ever() -> None:
    code = (
        "import os, signal, iclscope.cli.list as command\n"
        "def interrupted():\n    os.kill(os.getpid(), signal.SIGINT)\n    while True: pass\n"
        "command.list_command = interrupted\n"
        "from iclscope.cli import main\n"
        "print(main.main(['list']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "130\n"
    assert ended.stderr == ""


def test_a_handler_of_somebody_else_stays() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        for other in (signal.SIG_IGN, print):
            signal.signal(signal.SIGINT, other)
            quit_on_interrupt()
            assert signal.getsignal(signal.SIGINT) is other
            restore_interrupts()
            assert signal.getsignal(signal.SIGINT) is other
        signal.signal(signal.SIGINT, signal.default_int_handler)
        quit_on_interrupt()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        restore_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
