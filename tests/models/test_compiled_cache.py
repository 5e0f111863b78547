"""Kept machine code is a function of all that is compiled together, not of one file's time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from iclscope.models.compiled import compiling
from iclscope.models.pattern_engine.steps import hinge_step, outputs

PARTS = "from {package}.compiled import inlined\n\n\n@inlined\ndef part(x):\n    return x * {factor}\n"
CALLER = """from {package}.compiled import compiled
from {package}.parts import part
from {package}.numbers import OFFSET


@compiled
def whole(x):
    return part(x) + OFFSET
"""
ASK = "from {package}.caller import whole; print(whole(10.0), sum(whole.stats.cache_hits.values()))"


class Package:
    """A small package whose parts are written into a function of another file, as the engine's are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "small"
        self.folder.mkdir()
        (self.folder / "__init__.py").write_text("")
        (self.folder / "compiled.py").write_text(Path(str(compiling.__file__)).read_text(encoding="utf-8"))
        (self.folder / "caller.py").write_text(CALLER.format(package="small"))
        self.write(factor=2, offset=0.5)

    def write(self, *, factor: int, offset: float, at: int = 1_000_000_000) -> None:
        """Write the parts with a time of their own choice, so that the time tells nothing."""
        (self.folder / "parts.py").write_text(PARTS.format(package="small", factor=factor))
        (self.folder / "numbers.py").write_text(f"OFFSET = {offset}\n")
        for file in self.folder.glob("*.py"):
            os.utime(file, (at, at))

    def ask(self) -> tuple[float, int]:
        """What the function says of 10 in a process of its own, and how often kept code was found."""
        where = {**os.environ, "PYTHONPATH": str(self.folder.parent), "NUMBA_CACHE_DIR": str(self.folder / "kept")}
        where["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-c", ASK.format(package="small")]
        answer, hits = subprocess.run(command, env=where, capture_output=True, text=True, check=True).stdout.split()
        return float(answer), int(hits)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_unchanged_source_uses_kept_code_even_with_another_time(package: Package) -> None:
    assert package.ask() == (20.5, 0)
    package.write(factor=2, offset=0.5, at=1_500_000_000)
    assert package.ask() == (20.5, 1)


def test_a_part_of_another_file_counts_though_the_caller_is_unchanged(package: Package) -> None:
    package.ask()
    package.write(factor=3, offset=0.5)
    assert package.ask() == (30.5, 0)


def test_a_number_of_another_file_counts(package: Package) -> None:
    package.ask()
    package.write(factor=2, offset=1.5)
    assert package.ask() == (21.5, 0)


def test_a_file_that_goes_back_to_what_it_was_is_right_again(package: Package) -> None:
    package.ask()
    package.write(factor=3, offset=0.5)
    package.ask()
    package.write(factor=2, offset=0.5)
    assert package.ask()[0] == 20.5


def test_types_of_older_sources_that_are_no_more_are_no_fault(package: Package) -> None:
    """Numba reads the types of arguments that kept code was made for before it asks whether the code is of today."""
    caller = package.folder / "caller.py"
    told = caller.read_text()
    caller.write_text(
        told.replace("def whole(x)", "def of_pair(pair)").replace("part(x)", "part(pair.x)")
        + "\n\nfrom typing import NamedTuple\n\n\nclass Pair(NamedTuple):\n    x: float\n\n\n"
        + "def whole(x):\n    return of_pair(Pair(x))\n\n\nwhole.stats = of_pair.stats\n"
    )
    assert package.ask() == (20.5, 0)
    assert package.ask() == (20.5, 1)
    caller.write_text(caller.read_text().replace("Pair", "Couple"))
    assert package.ask() == (20.5, 0)


def test_numbas_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiling.source_stamp(hinge_step.py_func)  # type: ignore[attr-defined]
    monkeypatch.setattr(numba, "__version__", "0.0.1")
    assert compiling.source_stamp(hinge_step.py_func) != before  # type: ignore[attr-defined]


def test_the_processor_counts() -> None:
    """Numba keeps code by the processor's name and features: what the stamp leaves to it."""
    from numba.core.registry import cpu_target

    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    assert triple
    assert name
    key = outputs._cache._index_key((), cpu_target.target_context.codegen())  # type: ignore[attr-defined]
    assert (triple, name, features) in key


def test_tests_have_a_cache_of_their_own() -> None:
    kept = Path(numba.config.CACHE_DIR)
    assert str(kept) == os.environ["ICLSCOPE_TEST_CACHE"]
    assert Path(hinge_step._cache.cache_path).is_relative_to(kept)  # type: ignore[attr-defined]
