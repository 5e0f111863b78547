"""The project's own rules: pins, versions, the order of the rooms, file sizes, no pickle, no tracker, any device."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import iclscope
from iclscope.core.registry import MODELS, TASKS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "iclscope"
LONGEST_FILE = 320

# A room imports itself and the rooms above it; no room is exempt.
ROOMS = (
    "core",
    "plotting",
    "tasks",
    "models",
    "training",
    "claims",
    "mechanism",
    "pruning",
    "baselines",
    "evaluation",
    "execution",
    "playground",
    "study",
    "papers",
    "theory",
    "sweeps",
    "language_models",
    "cli",
)
LEVEL = {room: level for level, room in enumerate(ROOMS)}
NO_ROOM = ("__init__", "__main__", "registration")
"""What stands above all rooms, and imports them when they are asked for."""


def read_project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def read_pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every line of constraints.txt is name==version"
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(source: str, inside: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported; ``inside`` is the package that the source belongs to."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) + 1 - node.level] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def is_in_any(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)


def room_violations(path: str, source: str) -> list[str]:
    """Imports of rooms that are not above; ``path`` is relative to the folder that holds the package."""
    parts = Path(path).with_suffix("").parts
    room = parts[1]
    if room in NO_ROOM:
        return []
    if room not in LEVEL:
        return [f"{path}: no room {room}; give it a place in ROOMS"]
    found = []
    for line, name in imports(source, parts[:-1]):
        if not is_in_any(name, ("iclscope",)) or name == "iclscope.__version__":
            continue
        inner = name.partition(".")[2]
        if LEVEL.get(inner.partition(".")[0], len(ROOMS)) > LEVEL[room]:
            found.append(f"{path}:{line}: {room} imports {name}, which is not above it")
    return found


def pickle_violations(path: str, source: str) -> list[str]:
    """Uses of pickle, and of the functions of PyTorch that go through it."""
    pickles = ("pickle", "cloudpickle", "dill", "torch.load", "torch.save")
    imported = [(line, name) for line, name in imports(source, ("iclscope",)) if is_in_any(name, pickles)]
    attributes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    used = [(node.lineno, ast.unparse(node)) for node in attributes if ast.unparse(node) in pickles]
    return [f"{path}:{line}: {name}" for line, name in imported + used]


# Experiment trackers: training reports to a function that the caller may give, and to a plain file of its own.
TRACKERS = (
    "wandb",
    "tensorboard",
    "tensorboardX",
    "torch.utils.tensorboard",
    "trackio",
    "mlflow",
    "comet_ml",
    "neptune",
)


def tracker_violations(path: str, source: str) -> list[str]:
    """Imports of experiment trackers."""
    return [f"{path}:{line}: {name}" for line, name in imports(source, ("iclscope",)) if is_in_any(name, TRACKERS)]


def device_violations(path: str, source: str) -> list[str]:
    """Uses of a device by name; asking which type a given device is of is none."""
    tree = ast.parse(source)
    asked = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(".type")
        for part in ast.walk(node)
    }
    named = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and str(node.value).partition(":")[0] in ("cuda", "mps")
        and id(node) not in asked
    ]
    called = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("cuda", "mps")]
    return [f"{path}:{node.lineno}: {ast.unparse(node)}" for node in (*named, *called)]


def dependencies() -> list[str]:
    """What the package and its tests need; an extra of its own that another takes in is looked up."""
    extras = read_project()["optional-dependencies"]
    own = {f"iclscope[{name}]": wanted for name, wanted in extras.items()}
    named = [*read_project()["dependencies"], *extras["test"]]
    return [part for name in named for part in own.get(name, [name])]


@pytest.mark.parametrize("dependency", dependencies())
def test_every_dependency_is_pinned_inside_its_range(dependency: str) -> None:
    requirement = Requirement(dependency)
    pins = read_pins()
    name = canonicalize_name(requirement.name)
    assert name in pins, f"{name} has no line in constraints.txt"
    assert pins[name] in requirement.specifier


def test_pins_name_no_special_build() -> None:
    assert [name for name, version in read_pins().items() if version.local] == []


def test_all_versions_are_the_same() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(r"^version: (\S+)$", citation, flags=re.MULTILINE)
    assert found is not None
    assert read_project()["version"] == iclscope.__version__ == found[1]


def test_the_changelog_has_the_version() -> None:
    assert f"## [{iclscope.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_rooms_import_only_rooms_above() -> None:
    found = [
        violation
        for path in sources()
        for violation in room_violations(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("iclscope/tasks/prompts.py", "from iclscope.models import SoftmaxReLUTransformer"),
        ("iclscope/tasks/prompts.py", "from iclscope import models"),
        ("iclscope/tasks/prompts.py", "import iclscope.models.softmax_relu"),
        ("iclscope/tasks/prompts.py", "import iclscope as icl"),
        ("iclscope/tasks/prompts.py", "from ..models import softmax_relu"),
        ("iclscope/tasks/patterns/__init__.py", "from ...models import softmax_relu"),
        ("iclscope/tasks/prompts.py", "def late():\n    from iclscope.training import loop"),
        ("iclscope/core/errors.py", "from iclscope.tasks import prompts"),
        ("iclscope/evaluation/risks.py", "from iclscope.study import report"),
        ("iclscope/plotting/style.py", "from iclscope.tasks import prompts"),
        ("iclscope/claims/claim.py", "from iclscope.study.pages import page"),
        ("iclscope/sweeps/table.py", "from iclscope.cli import show"),
        ("iclscope/execution/jobs.py", "from iclscope.sweeps import table"),
        ("iclscope/claims/claim.py", "from iclscope.cli.main import run"),
        ("iclscope/attic/old.py", ""),
    ],
)
def test_a_forbidden_import_is_seen(path: str, source: str) -> None:
    assert room_violations(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("iclscope/training/state.py", "from iclscope.models.pretrained import write_safetensors"),
        ("iclscope/training/state.py", "from iclscope import __version__"),
        ("iclscope/training/state.py", "from . import loop"),
        ("iclscope/papers/li2024/one_layer/attention.py", "from iclscope.plotting.style import figure"),
        ("iclscope/papers/li2024/one_layer/attention.py", "from iclscope.execution.stores.store import TrialStore"),
        ("iclscope/cli/main.py", "from iclscope.study.pages import page"),
        ("iclscope/__init__.py", "from iclscope import papers, tasks"),
        ("iclscope/tasks/prompts.py", "import torch"),
    ],
)
def test_an_allowed_import_passes(path: str, source: str) -> None:
    assert room_violations(path, source) == []


# Files that ask whether something is of one task or one model, elsewhere than where that is defined, and why.
ASKED_BY_CLASS = {
    "iclscope/models/pattern_engine/engine.py": "the compiled steps of one model draw the prompts of one sampler",
    "iclscope/models/pattern_engine/gradients.py": "the same",
    "iclscope/training/trial.py": "tells the files of papers the type of what their own trials hold",
    "iclscope/papers/huang2024/rows.py": "a paper's own task",
    "iclscope/papers/huang2024/settings.py": "a paper's own task",
    "iclscope/papers/li2024/conditions.py": "the model that its theorem speaks of",
    "iclscope/papers/vonoswald2023/settings.py": "a paper's own task",
}


def homes() -> dict[str, set[Path]]:
    """The classes of every known task and model, of their prompts and samplers, and the files each is at home in."""
    found: dict[str, set[Path]] = {}
    models = [kind for _, model in MODELS.all() for kind in (model, model.config_type)]
    for known in (*(task for _, task in TASKS.all()), *models):
        file = Path(sys.modules[known.__module__].__file__ or "")
        alone = file.parent in (PACKAGE / "tasks", PACKAGE / "models")
        files = {file} if alone else set(file.parent.glob("*.py"))
        for path in files:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, set()).update(files)
    return found


def class_questions(source: str) -> set[str]:
    """Names of classes that code asks after, by isinstance, issubclass or type."""
    asked: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            parts = node.args[1:]
        elif isinstance(node, ast.Compare) and ast.unparse(node.left).startswith("type("):
            parts = node.comparators
        asked |= {
            ast.unparse(name).rpartition(".")[2] for part in parts for name in ast.walk(part) if hasattr(name, "ctx")
        }
    return asked


def test_tasks_and_models_are_asked_not_recognised() -> None:
    """Whatever one of ours can do, one of another package can."""
    qualified_name = homes()
    assert {"PatternPrompts", "CountPrompts", "LinearRegression", "SoftmaxReLUConfig", "GPT2Transformer"} <= set(
        qualified_name
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        for name in class_questions(path.read_text(encoding="utf-8")) & set(qualified_name)
        if path not in qualified_name[name]
    }
    assert found == set(ASKED_BY_CLASS)


@pytest.mark.parametrize(
    "source",
    ["isinstance(task, A)", "isinstance(task, (B, tasks.A))", "issubclass(kind, A | B)", "type(task) is tasks.A"],
)
def test_a_question_after_a_class_is_seen(source: str) -> None:
    assert "A" in class_questions(source)


def test_files_are_short() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {path.name: count for path, count in lines.items() if count > LONGEST_FILE} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [path for path in sources() if {path.stem, path.parent.name} & {"utils", "helpers"}] == []


def test_nothing_is_pickled() -> None:
    found = [
        violation
        for path in sources()
        for violation in pickle_violations(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "import torch\nread = torch.load",
    ],
)
def test_a_pickle_is_seen(source: str) -> None:
    assert pickle_violations("iclscope/x.py", source)


def test_no_tracker_is_imported() -> None:
    """The public code of Garg 2022 cannot be run without one."""
    found = [
        violation
        for path in sources()
        for violation in tracker_violations(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    ["import wandb", "from wandb import init", "import torch.utils.tensorboard as tb", "def f():\n    import trackio"],
)
def test_a_tracker_is_seen(source: str) -> None:
    assert tracker_violations("iclscope/x.py", source)


def test_training_brings_no_tracker_in() -> None:
    """Nor does any library that it imports."""
    script = f"import sys, iclscope.training\nprint([name for name in {TRACKERS} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert answer.stdout.strip() == "[]"


def test_tasks_models_and_training_run_on_the_device_they_are_given() -> None:
    """The public code of Garg 2022 calls .cuda() throughout."""
    found = [
        violation
        for room in ("tasks", "models", "training", "mechanism", "evaluation")
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for violation in device_violations(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "x.cuda()",
        "x.to('cuda')",
        "x.to('cuda:0')",
        "torch.zeros(3, device='cuda')",
        "def f(device='cuda'):\n    pass",
        "if torch.cuda.is_available():\n    pass",
        "device = 'mps'",
    ],
)
def test_a_device_by_name_is_seen(source: str) -> None:
    assert device_violations("iclscope/x.py", source)


@pytest.mark.parametrize(
    "source",
    ["x.to(device)", "if torch.device(device).type == 'cuda' and many:\n    pass", "def f(device='cpu'):\n    pass"],
)
def test_a_given_device_passes(source: str) -> None:
    assert device_violations("iclscope/x.py", source) == []


def test_the_drawing_of_the_rooms_is_what_the_imports_say() -> None:
    code = (
        "import runpy; made = runpy.run_path('docs/rooms.py'); print(made['drawing'](), end=''); print(made['ROOMS'])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.rpartition("</svg>\n")
    assert printed[0] + printed[1] == (ROOT / "docs" / "rooms.svg").read_text(encoding="utf-8"), "python docs/rooms.py"
    assert printed[2].strip() == repr(ROOMS)
