"""Do the tests see it? One small fault at a time is put into the code, and the tests of that file must fail.

    python benchmarks/mutants.py --count 200 --seed 0 --out mutants.json

Each mutant is tried in a copy of the project; a fault in what is compiled has a compile cache of its own, so machine
code of the sound version is never run in its place. A mutant counts as killed if a test fails or if it does not end in
time; survivors are listed with their line, for a reader who tells those that change no value from those that the tests
should have seen. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "iclscope"
TIMEOUT = 400
COMPILED = "models/pattern_engine/"
"""What is compiled."""

TESTS = {
    "claims/claim.py": ("claims/test_claims_claim.py", "claims/test_claims_forms.py"),
    "claims/families.py": ("claims/test_claims_families.py", "claims/test_claims_claim.py"),
    "claims/answers.py": ("claims/test_claims_forms.py",),
    "claims/summaries.py": ("claims/test_claims_summaries.py",),
    "claims/intervals.py": ("claims/test_claims_intervals.py", "claims/test_claims_bad_seeds.py"),
    "claims/slopes.py": ("claims/test_claims_slopes.py",),
    "claims/crossed.py": ("claims/test_claims_crossed.py",),
    "papers/li2024/constants.py": ("papers/test_papers_constants.py",),
    "papers/li2024/theory.py": ("papers/test_theory_li2024.py",),
    "papers/garg2022/theory.py": ("papers/test_theory_garg2022.py",),
    "papers/huang2024/theory/": ("papers/test_theory_huang2024.py",),
    "papers/vonoswald2023/theory/": ("papers/test_theory_vonoswald2023.py",),
    "papers/zhang2024/theory/": ("papers/test_theory_zhang2024.py", "papers/test_theory_zhang2024_risk.py"),
    "evaluation/": ("evaluation",),
    "tasks/": ("tasks",),
    "mechanism/": ("mechanism",),
    "models/pattern_engine/": ("models/test_pattern_engine.py",),
    "models/softmax_relu.py": (
        "models/test_softmax_attention.py",
        "models/test_models_predict.py",
        "models/test_models_initial_values.py",
    ),
    "language_models/prompts/scoring.py": ("language_models/test_llm_scoring.py",),
    "language_models/prompts/calibration.py": ("language_models/test_llm_calibration.py",),
    "language_models/selection/alpha.py": ("language_models/test_llm_patterns.py",),
    "language_models/pruning/neuron_scores.py": ("language_models/test_llm_neuron_scores.py",),
    "language_models/pruning/losses.py": ("language_models/test_llm_prune.py",),
}
"""File or folder of the package → the tests that should see its faults."""
WIDER = {
    "claims/": ("claims", "study/pages"),
    "papers/": ("claims/test_claims_null.py", "papers/test_papers_controls_untrained.py"),
    "evaluation/": ("claims/test_claims_forms.py", "claims/test_claims_families.py"),
    "tasks/": ("models", "training"),
    "models/": ("models", "training", "mechanism"),
    "mechanism/": ("models", "pruning"),
    "language_models/": (
        "language_models/test_llm_finite.py",
        "language_models/test_llm_evaluate.py",
        "language_models/test_llm_select.py",
        "language_models/test_llm_attention.py",
        "language_models/test_llm_logits.py",
    ),
}
"""Folder of the package → what is tried on those that survive the first tests."""

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Mod: ast.Mult,
}  # fmt: skip
_NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "mean": "sum",
    "sum": "mean",
    "argmax": "argmin",
    "low": "high",
}


class Mutant(NamedTuple):
    """One fault.

    Attributes:
        path: of the file, from the project's root.
        line: in it.
        fault: what was changed, in code.
        source: the whole file with the fault.
    """

    path: str
    line: int
    fault: str
    source: str


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """What a node can become."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARED:
        yield ast.Compare(node.left, [_COMPARED[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        yield ast.BinOp(node.left, _COMPUTED[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        yield ast.Constant(node.value + 1 if isinstance(node.value, int) else node.value * 1.5 + 0.1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield ast.Attribute(node.value, _NAMES[node.attr], node.ctx)
    elif isinstance(node, ast.Name) and node.id in ("min", "max", "any", "all") and isinstance(node.ctx, ast.Load):
        yield ast.Name(_NAMES[node.id], node.ctx)


def left_alone(tree: ast.AST) -> set[int]:
    """Nodes that no value depends on: annotations, messages of refusals, and what only draws or describes."""
    found: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            parts = [node.returns, *(one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg))]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, (ast.JoinedStr, ast.Raise, ast.Assert)) or _only_describes(node):
            parts = [node]
        elif isinstance(node, ast.keyword) and node.arg == "strict":  # of zip: refuses what cannot come
            parts = [node.value]
        for part in parts:
            if part is not None:
                found |= {id(inside) for inside in ast.walk(part)}
    return found


def _only_describes(node: ast.AST) -> bool:
    called = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
    return called in ("Field", "lru_cache", "expect")


def mutants_of(path: str) -> Iterator[Mutant]:
    """All mutants of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    alone = left_alone(tree)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            places = [(i, one) for i, one in enumerate(value)] if isinstance(value, list) else [(None, value)]
            for index, node in places:
                if not isinstance(node, ast.expr) or id(node) in alone:
                    continue
                for other in changed(node):
                    put(parent, field, index, ast.copy_location(other, node))
                    source = ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
                    put(parent, field, index, node)
                    yield Mutant(path, node.lineno, f"{ast.unparse(node)} → {ast.unparse(other)}", source)


def put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    """Set a part of a node."""
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def sample(count: int, seed: int) -> list[Mutant]:
    """Mutants spread over the files, as many of each group as of every other where there are enough."""
    numbers = random.Random(seed)
    groups = []
    for place in TESTS:
        files = sorted((PACKAGE / place).rglob("*.py")) if place.endswith("/") else [PACKAGE / place]
        found = [one for file in files for one in mutants_of(file.relative_to(ROOT).as_posix())]
        numbers.shuffle(found)
        groups.append(found)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(groups):
        for group in groups:
            if group and len(chosen) < count:
                chosen.append(group.pop())
    return chosen


def tests_of(path: str, mapping: dict[str, tuple[str, ...]]) -> list[str]:
    """The tests that should see a fault in a file."""
    inside = path.removeprefix("iclscope/")
    return [f"tests/{one}" for one in next(tests for place, tests in mapping.items() if inside.startswith(place))]


def is_killed(mutant: Mutant, copy_at: Path) -> bool:
    """Whether a test fails with the fault in a copy of the project: first those of its file, then wider ones."""
    target = copy_at / mutant.path
    sound = target.read_text(encoding="utf-8")
    warm = copy_at / "cache"  # of what is not at fault
    cache = tempfile.mkdtemp(prefix="mutant-cache-") if COMPILED in mutant.path else str(warm)
    target.write_text(mutant.source, encoding="utf-8")
    environment = os.environ | {
        **{
            "PYTHONPATH": str(copy_at),
            "NUMBA_CACHE_DIR": cache,
            "ICLSCOPE_TEST_CACHE": cache,
            "ICLSCOPE_CACHE": str(copy_at / "remembered"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no"]
    try:
        for mapping in (TESTS, WIDER):
            asked = [*command, *tests_of(mutant.path, mapping)]
            try:
                done = subprocess.run(
                    asked, cwd=copy_at, env=environment, timeout=TIMEOUT, capture_output=True, check=False
                )
            except subprocess.TimeoutExpired:
                return mapping is TESTS  # the wider ones may take long without a fault
            if done.returncode != 0:
                return True
        return False
    finally:
        target.write_text(sound, encoding="utf-8")
        if cache != str(warm):
            shutil.rmtree(cache, ignore_errors=True)


def main() -> None:
    """Try a sample, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("mutants.json"))
    asked = parser.parse_args()
    chosen = sample(asked.count, asked.seed)
    results = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else []
    tried = {(one["file"], one["line"], one["fault"]) for one in results}
    left = [one for one in chosen if (one.path, one.line, one.fault) not in tried]
    writing = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(asked.workers) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(asked.workers):
            place = Path(folder) / str(number)
            for name in ("iclscope", "tests", "pyproject.toml"):
                source = ROOT / name
                (shutil.copytree if source.is_dir() else shutil.copy)(source, _ready(place / name))
            copies.put(place)

        def try_out(mutant: Mutant) -> None:
            place = copies.get()
            try:
                killed = is_killed(mutant, place)
            finally:
                copies.put(place)
            print("killed  " if killed else "SURVIVED", f"{mutant.path}:{mutant.line}", mutant.fault, flush=True)
            with writing:
                results.append({"file": mutant.path, "line": mutant.line, "fault": mutant.fault, "killed": killed})
                asked.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

        list(pool.map(try_out, left))
    print(f"{sum(bool(one['killed']) for one in results)} of {len(results)} killed")


def _ready(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    main()
