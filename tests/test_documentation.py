"""What the documentation says can be done is done: every README command and Python block, every example, every link."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from language_models.tiny_models import make_tiny

import iclscope as icl

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(language: str, page: str = README) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """Every command of the README's shell blocks, without its comment."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


def test_the_readme_has_the_two_commands_and_some_of_ours() -> None:
    found = commands()
    assert ["make", "reproduce"] in found
    assert ["make", "test"] in found
    assert sum(words[0] == "iclscope" for words in found) >= 3


@pytest.mark.parametrize("words", [w for w in commands() if w[0] == "make"], ids=" ".join)
def test_make_knows_the_target(words: list[str]) -> None:
    found = run("make", "--dry-run", *words[1:], cwd=ROOT)
    assert found.returncode == 0, found.stderr


def run_command(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of ours, as it stands in the README."""
    return run(sys.executable, "-m", "iclscope.cli.main", *words[1:], cwd=cwd)


class Swept(NamedTuple):
    """The README's sweep, run once.

    Attributes:
        folder: where.
        ended: how it ended.
    """

    folder: Path
    ended: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """What the README shows and plots."""
    folder = tmp_path_factory.mktemp("swept")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (words,) = [w for w in commands() if w[1] == "sweep" and "--dry-run" not in w]
    return Swept(folder, run_command(words, folder))


@pytest.mark.slow
@pytest.mark.parametrize("words", [w for w in commands() if w[1] in {"sweep", "show", "plot"}], ids=" ".join)
def test_sweeps_of_the_readme_work(words: list[str], swept: Swept) -> None:
    is_the_sweep = words[1] == "sweep" and "--dry-run" not in words
    found = swept.ended if is_the_sweep else run_command(words, swept.folder)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert found.stdout


LESS = {"reproduce": "--seeds 2", "select": "--shots 1", "prune": "--shots 1 --rates 0.1", "attention": "--shots 5"}
"""What makes a command that trains, or asks a language model for long, a short one: for every run of the tests."""


def of_every_run() -> list[Any]:
    """Commands that need no sweep, those that take long as they stand in the README and with less to do."""
    found: list[Any] = []
    for words in commands():
        if words[0] == "make" or (words[1] in {"sweep", "show", "plot"} and "--dry-run" not in words):
            continue
        less = next((more for name, more in LESS.items() if name in words[1:3]), "")
        found += [pytest.param(words, marks=[pytest.mark.slow] if less else [])]
        found += [[*words, *less.split()]] if less else []
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("words", of_every_run(), ids=" ".join)
def test_commands_of_the_readme_work(words: list[str], tmp_path: Path) -> None:
    if words[1] == "evaluate":
        # Training what the README evaluates takes minutes: an untrained model of the same name and sizes will do.
        task = icl.tasks.FunctionClass(d_X=5, length=10)
        model = icl.models.GPT2Transformer(d_X=5, positions=2 * task.points)
        model.trained_on = (task,)
        model.save_pretrained(tmp_path / words[2])
    if words[1] == "llm":  # the hub cannot be reached: a tiny model lies in a folder of that name
        make_tiny(tmp_path / words[3], "llama")
        words = [*words, "--queries", "40" if words[2] == "attention" else "8", "--draws", "2"]
    if words[1] == "sweep":
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    found = run_command(words, tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    if "reproduce" in words:
        assert (tmp_path / "results" / "li2024" / "report.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "@@" not in text
    assert "TODO" not in text


def test_every_command_of_the_readme_is_one_of_these() -> None:
    """Nothing in a shell block goes untested."""
    assert {words[0] for words in commands()} <= {"make", "iclscope"}


@pytest.mark.slow
def test_the_readme_question_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (block,) = blocks("python")
    found = run(sys.executable, "-c", block, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    shown = [line.split(":")[0] for text in blocks("text") for line in text.splitlines()]
    assert [line.split(":")[0] for line in found.stdout.splitlines()] == shown
    errors = [float(line.split("error ")[1].split(" ")[0]) for line in found.stdout.splitlines()]
    printed = [float(line.split("error ")[1].split(" ")[0]) for t in blocks("text") for line in t.splitlines()]
    # Other machines round differently: the numbers shown are those of one.
    assert errors == pytest.approx(printed, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    found = run(sys.executable, str(example), "2", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) > 3


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    for target in targets:
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target
