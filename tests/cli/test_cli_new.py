"""``iclscope new``: a package appears whole, or one line says why not."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from iclscope.cli.app import exit_status
from iclscope.cli.new import write_package
from iclscope.core.errors import BadRequest


def test_a_package_is_written_whole_and_parses(tmp_path: Path) -> None:
    folder = write_package("my_theory", tmp_path)
    assert folder == tmp_path / "my_theory"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "pyproject.toml",
        "sweep.yaml",
        "my_theory/__init__.py",
        "my_theory/figure.py",
        "my_theory/model.py",
        "my_theory/task.py",
        "tests/test_my_theory.py",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["my_theory"]
    for path in folder.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "my-theory"
    assert project["entry-points"]["iclscope.papers"] == {"my_theory": "my_theory:PAPER"}
    assert project["entry-points"]["iclscope.tasks"] == {"my_theory_task": "my_theory.task:MyTheoryTask"}
    assert "$" not in "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["My", "1st", "a-b", "class", "", "a__b", "_a", "../a", "é", "x" * 41])
def test_names_that_are_no_packages_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"^NAME: expected "):
        write_package(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["li2024", "json", "torch", "iclscope", "pydantic_core"])
def test_names_that_are_taken_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"^NAME: expected a name of its own, got "):
        write_package(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_is_left_as_it_is(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "mine_own"
    if kind == "link":
        place.symlink_to("nowhere")
    elif kind == "folder":
        place.mkdir()
    else:
        place.write_text("mine")
    assert exit_status(["new", "mine_own"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine_own"]
    assert kind != "file" or place.read_text() == "mine"


def test_the_command_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_status(["new", "my_theory"]) == 0
    assert "iclscope reproduce my_theory" in capsys.readouterr().out


def test_nothing_is_left_where_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"writing to .*my_theory failed: No space left"):
        write_package("my_theory", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_not_installed_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_package("theory_of_mine", tmp_path)
    told = "got 'theory_of_mine'; the package in ./theory_of_mine is not installed: pip install -e ./theory_of_mine\n"
    for command in ("list", "reproduce"):
        assert exit_status([command, "theory_of_mine"]) == 2
        assert capsys.readouterr().err.endswith(told)
