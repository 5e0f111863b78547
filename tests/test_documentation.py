"""What README and pages say can be done is done: every command and Python block, every example, every link."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.tiny_models import make_tiny

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
README_ZH = (ROOT / "README.zh.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md") if "made" not in page.parts)])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(language: str, page: str = README) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands(*pages: str) -> list[list[str]]:
    """Every command of the shell blocks of README, or of other pages, without its comment; each once."""
    lines = [line for page in pages or (README,) for block in blocks("sh", page) for line in block.splitlines()]
    found = {tuple(words): words for line in lines if (words := shlex.split(line, comments=True))}
    return list(found.values())


HOW_TO = {page.name: page.read_text(encoding="utf-8") for page in sorted((DOCS / "howto").glob("*.md"))}
START = (DOCS / "start.md").read_text(encoding="utf-8")
ALL_COMMANDS = commands(README, README_ZH, START, *HOW_TO.values())


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


LESS = {"reproduce": "--seeds 2", "prune": "--shots 1 --rates 0.1"}
"""What makes a command that trains, or asks a language model for long, a short one: for every run of the tests."""


def of_every_run() -> list[Any]:
    """Commands that need no sweep, those that take long as they stand in the README and with less to do."""
    found: list[Any] = []
    for words in ALL_COMMANDS:
        if words[0] != "iclscope":
            continue
        less = next((more for name, more in LESS.items() if name in words[1:3]), "")
        found += [pytest.param(words, marks=[pytest.mark.slow] if less else [])]
        found += [[*words, *less.split()]] if less else []
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("words", of_every_run(), ids=" ".join)
def test_commands_of_the_readme_work(words: list[str], tmp_path: Path) -> None:
    if words[1] == "llm":  # the hub cannot be reached: a tiny model lies in a folder of that name
        make_tiny(tmp_path / words[3], "llama")
        words = [*words, "--queries", "8", "--draws", "2"]
    if words[1] == "sweep":
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    found = run_command(words, tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    if "playground" in words:
        assert (tmp_path / words[-1]).stat().st_size > 100_000
    if "reproduce" in words:
        assert (tmp_path / "results" / "li2024" / "report.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_left_to_fill_in(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "@@" not in text
    assert "TODO" not in text


def test_every_command_of_the_pages_is_one_of_these() -> None:
    """Nothing in a shell block goes untested."""
    assert {words[0] for words in ALL_COMMANDS} <= {"make", "iclscope", "pip"}


@pytest.mark.parametrize("words", [w for w in ALL_COMMANDS if w[0] == "pip"], ids=" ".join)
def test_what_pip_is_told_to_install_is_there(words: list[str]) -> None:
    """`make package` installs the wheel; here, that folder and extras exist."""
    assert words[:2] == ["pip", "install"]
    folder, _, extra = words[2].partition("[")
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not extra or extra.rstrip("]") in project["optional-dependencies"]


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_a_readme_is_short(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 100] == []


def test_both_readmes_say_the_same() -> None:
    """The same code, the same commands, the same links, the same numbers, as far as another language allows."""
    assert commands(README_ZH) == commands(README)
    assert blocks("python", README_ZH) == blocks("python", README)
    assert blocks("text", README_ZH) == blocks("text", README)
    assert set(links(README_ZH)) ^ set(links(README)) == {"README.md", "README.zh.md"}
    assert numbers(README_ZH) == numbers(README)


NUMBERS = {"2.5": "tests/claims/test_claims_null.py holds it", "95": "of intervals", "45": "minutes of a lesson"}
"""Numbers in the prose of a README, and where each comes from; results stand in the generated table alone."""


def numbers(page: str) -> set[str]:
    """Numbers in the prose of a page: outside code, tables, links and names such as GPT-2 and Apache-2.0."""
    prose = re.sub(
        r"```.*?```|^\|.*?$|`[^`]*`|\]\([^)]*\)|[A-Za-z]+-\d[\d.]*", " ", page, flags=re.DOTALL | re.MULTILINE
    )
    return set(re.findall(r"\d+(?:\.\d+)?", prose))


def test_no_other_number_stands_in_the_prose() -> None:
    assert numbers(README) == set(NUMBERS)


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


@pytest.mark.thorough
@pytest.mark.parametrize("page", [name for name, text in HOW_TO.items() if blocks("python", text)])
def test_python_of_the_how_to_pages_runs(page: str, tmp_path: Path) -> None:
    if page == "export.md":  # reads what a command has written
        folder = tmp_path / "results" / "li2024"
        folder.mkdir(parents=True)
        pl.DataFrame({"arm": ["trained"], "value": [1.0]}).write_parquet(folder / "attention.parquet")
    for block in blocks("python", HOW_TO[page]):
        found = run(sys.executable, "-c", block, cwd=tmp_path)
        assert found.returncode == 0, found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    found = run(sys.executable, str(example), "2", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) > 3


def links(page: str) -> list[str]:
    """Where the links and pictures of a page lead, without addresses elsewhere and without anchors."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page)
    return [target for target in found if not target.startswith(("http://", "https://"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Pages below docs/made are there once the documentation is built, which fails if one is missing."""
    for target in links(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists() or "made/" in target, target
