"""``iclscope new``: a package of one's own with a task, a model, a figure and its tests."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from iclscope.core.errors import require
from iclscope.core.files import storage_failures
from iclscope.core.registry import MODELS, PAPERS, TASKS

_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "sweep.yaml": "sweep.yaml.txt",
    "{name}/__init__.py": "init.py.txt",
    "{name}/task.py": "task.py.txt",
    "{name}/model.py": "model.py.txt",
    "{name}/figure.py": "figure.py.txt",
    "tests/test_{name}.py": "test.py.txt",
}
"""What is written, and the template that each file is made of."""

_LONGEST = 40


def new_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Package and folder, in lower case, like my_theory.")],
) -> None:
    """Write a package of your own into the folder NAME: a task, a model, a paper with a figure, a sweep, tests."""
    folder = write_package(name)
    typer.echo(f"Wrote {folder}. Next:")
    typer.echo(f"  pip install -e './{name}[test]' && pytest {name}")
    typer.echo(f"  iclscope reproduce {name}")


def write_package(name: str, where: Path | None = None) -> Path:
    """Write the package into a new folder of its name.

    Args:
        name: of the package.
        where: the folder that it lies in; None: the current one.

    Returns:
        The folder of the package.

    Raises:
        BadRequest: if the name is none, is taken, or there is something of this name already.
        StorageFailed: if it cannot be written.
    """
    check_new_name(name)
    folder = (Path() if where is None else where) / name
    require(not folder.exists() and not folder.is_symlink(), "NAME", name, "a name that no file or folder here has yet")
    words = {
        "name": name,
        "distribution": name.replace("_", "-"),
        "Class": "".join(part.capitalize() for part in name.split("_")),
        "Title": " ".join(part.capitalize() for part in name.split("_") if part),
    }
    templates = files("iclscope.cli") / "template"
    with storage_failures(f"writing to {folder}"):
        # All or nothing: it appears when it is complete.
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        try:
            made.chmod(0o755)
            for file, template in _FILES.items():
                path = made / file.format(name=name)
                path.parent.mkdir(exist_ok=True)
                text = Template((templates / template).read_text(encoding="utf-8")).substitute(words)
                path.write_text(text, encoding="utf-8")
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return folder


def check_new_name(name: str) -> None:
    """Refuse what is no name of a package, or is that of something else.

    Raises:
        BadRequest: saying what is wrong with it.
    """
    is_name = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) is not None and not keyword.iskeyword(name)
    require(is_name, "NAME", name, "a Python name in lower case: letters, digits and underscores, like my_theory")
    require(len(name) <= _LONGEST, "NAME", name, f"at most {_LONGEST} characters")
    known = {PAPERS: name, TASKS: f"{name}_task", MODELS: f"{name}_model"}
    taken = [registry.entry(one).value for registry, one in known.items() if one in registry]
    require(not taken, "NAME", name, f"a name of its own; iclscope knows {', '.join(taken)} by it")
    installed = [one for one in (name, name.replace("_", "-")) if _is_distribution(one)]
    module = importlib.util.find_spec(name)  # a folder without code, as one of this name here, has no origin
    is_taken = bool(installed) or (module is not None and module.origin is not None)
    require(not is_taken, "NAME", name, "a name of its own; a module or a package of this name is installed")


def _is_distribution(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
