"""What other systems do differently, as far as Linux can show it: spawned processes, names, long paths, encodings."""

from __future__ import annotations

import ast
import multiprocessing
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polars as pl
import pytest

import iclscope as icl
from iclscope.claims.paper import PAPERS
from iclscope.core.files import parquet_bytes, read_parquet, write_bytes, write_text
from iclscope.study.experiment import figure_names

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "iclscope"
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
FORBIDDEN = set('<>:"|?*\\')


def trained_loss(seed: int) -> float:
    """The risk of a short training."""
    task = icl.tasks.PatternClassification(M1=4, M2=4, d_X=8, d_Y=8, length=6)
    model = icl.models.SoftmaxReLUTransformer(d_X=8, d_Y=8, width=8, seeds=(seed,))
    trained = icl.train(model, task, steps=5, batch_size=16).model
    return float(icl.evaluate(trained, task, prompts=64).hinge_risk)


@pytest.mark.thorough
def test_a_spawned_process_gives_the_same_numbers() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(trained_loss, 3).result(timeout=120) == trained_loss(3)


def names() -> list[str]:
    """Files and folders of the package relative to it, and the files that figures are written to."""
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    return files + [f"results/{paper}/{figure}.png" for paper in PAPERS for figure in figure_names(paper)]


def test_no_two_names_differ_in_case_alone() -> None:
    assert [name for name, count in Counter(map(str.casefold, names())).items() if count > 1] == []


def test_no_name_is_one_that_windows_keeps_for_itself() -> None:
    parts = {part for name in names() for part in name.split("/")}
    assert [part for part in parts if part.split(".")[0].casefold() in RESERVED] == []
    assert [part for part in parts if FORBIDDEN & set(part) or part.endswith((" ", "."))] == []


def test_results_are_written_and_read_below_long_paths(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a folder of sixty characters, which is a long name for a folder"] * 5)
    folder.mkdir(parents=True)
    assert len(str(folder)) > 300
    write_text(folder / "note.txt", "αβ")
    write_bytes(folder / "rows.parquet", parquet_bytes(pl.DataFrame({"a": [1]})))
    assert read_parquet(folder / "rows.parquet")["a"].to_list() == [1]
    assert (folder / "note.txt").read_text(encoding="utf-8") == "αβ"


@pytest.mark.thorough
@pytest.mark.parametrize("words", [["list"], ["sweep", str(ROOT / "examples/sweeps/zhang2024.yaml"), "--dry-run"]])
def test_commands_run_without_what_windows_lacks(words: list[str], tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['fcntl'] = sys.modules['resource'] = None; sys.argv[0] = 'iclscope'; "
    code = f"{blocked}from iclscope.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def opened_without_encoding(source: str) -> list[int]:
    """Lines that open a text file in whatever encoding the system has."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {keyword.arg for keyword in node.keywords}
        if name == "read_text" and not node.args and "encoding" not in given:
            found.append(node.lineno)
        if (
            name == "write_text"
            and isinstance(node.func, ast.Attribute)
            and len(node.args) == 1
            and "encoding" not in given
        ):
            found.append(node.lineno)
    return found


def test_text_is_utf_8_everywhere() -> None:
    assert opened_without_encoding("path.read_text()") == [1]
    lost = {
        str(path): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := opened_without_encoding(path.read_text(encoding="utf-8")))
    }
    assert lost == {}
