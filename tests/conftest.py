"""Shapes and types are checked at run time in all tests; every test is deterministic and on one thread."""

from __future__ import annotations

import gc
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self, get_args

import typer
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook
from numpy.typing import ArrayLike

# Machine code that an earlier run left is not used: a test must see the source as it is. Before anything imports Numba,
# which reads this once; the processes of pytest-xdist, and those that tests start, inherit it.
_OWN_CACHE = None
if "ICLSCOPE_TEST_CACHE" not in os.environ:
    _OWN_CACHE = Path(tempfile.mkdtemp(prefix="iclscope-compiled-"))
    os.environ["ICLSCOPE_TEST_CACHE"] = os.environ["NUMBA_CACHE_DIR"] = str(_OWN_CACHE)

# An int is a float to every type checker (PEP 484), so it is one here.
_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def _checkable(annotation: object) -> bool:
    """Whether beartype can check an annotation: not a protocol that is not runtime-checkable, and not Self."""
    # beartype refuses tuples for ArrayLike, which NumPy takes; typer.Context stands for the class typer passes.
    if annotation in (ArrayLike, typer.Context):
        return False
    if not all(_checkable(part) for part in get_args(annotation)):
        return False
    bound = getattr(annotation, "__bound__", None) or annotation
    is_protocol = getattr(bound, "_is_protocol", False) and not getattr(bound, "_is_runtime_protocol", False)
    return not is_protocol and annotation is not Self


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """`beartype`, with annotations that it cannot check taken as anything."""
    for name, annotation in function.__annotations__.items():
        if not _checkable(annotation):
            function.__annotations__[name] = object
    return _beartype(function)


# The import hook names its checker as module.function, and every folder's conftest is called "conftest".
_module = ModuleType("iclscope_shape_checks")
_module.checked = checked  # type: ignore[attr-defined]
sys.modules[_module.__name__] = _module
# Before anything imports the package, so that every annotated function and dataclass of it is checked.
install_import_hook("iclscope", "iclscope_shape_checks.checked")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

torch.set_num_threads(1)
settings.register_profile("iclscope", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("iclscope")


def pytest_collection_finish() -> None:
    """Whatever is imported by now stays: collecting garbage, as after a lack of memory, need not look through it."""
    gc.collect()
    gc.freeze()


_LEFT = pytest.StashKey[int]()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the slow tests that this run leaves out."""
    stash = items[0].config.stash
    stash[_LEFT] = stash.get(_LEFT, 0) + sum(item.get_closest_marker("slow") is not None for item in items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of pytest-xdist tells its count to the one that started it; all of them have collected the same."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash.get(_LEFT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the count from a process of pytest-xdist."""
    node.config.stash[_LEFT] = getattr(node, "workeroutput", {}).get("left", 0)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say what was left out, and remove the machine code of this run, in the process that made the folder for it."""
    left = config.stash.get(_LEFT, 0)
    if left and not hasattr(config, "workeroutput"):
        config.get_terminal_writer().line(f"{left} slow tests are left to `make test-slow`.")
    if _OWN_CACHE is not None:
        shutil.rmtree(_OWN_CACHE, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hashes of files are remembered for this run of the tests alone, also by the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICLSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def models_are_in_float32() -> Iterator[None]:
    """No processor is taken to multiply in bfloat16: numbers are the same on all, unless a test is about the type."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iclscope.language_models.models.precision.NATIVE", ())
        yield


@pytest.fixture(scope="module")
def figures_are_not_drawn() -> Iterator[None]:
    """They take most of the time of a small measurement: for tests that are about something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", plain_file)
        yield


def plain_file(_figure: Any, to: Any, **_: Any) -> None:
    """Write a picture of nothing, to whatever Matplotlib would write to."""
    empty = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'
    if isinstance(to, io.StringIO):
        to.write(empty)
    elif hasattr(to, "write"):
        to.write(empty.encode())
    else:
        Path(to).write_text(empty)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of what is to run, begin with files that take long: no process is left alone with one of them at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("thorough")}
    items.sort(key=lambda item: item.path not in long)
