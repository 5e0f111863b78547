"""The page's library in Node, and where the programs are that these tests need."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from iclscope.playground.build import library_script

REQUIRED = "ICLSCOPE_BROWSER"
"""Set to "required" where Node and Chromium must be there: their tests then fail without them."""

_AROUND = """
const request = JSON.parse(require("fs").readFileSync(0, "utf8"));
const plain = (_, value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  return typeof value === "number" && !Number.isFinite(value) ? { notFinite: String(value) } : value;
};
const told = (found) => process.stdout.write(JSON.stringify(found, plain));
Promise.resolve((ACTION)(PlaygroundLibrary, request)).then(told);
"""


def missing(program: str) -> NoReturn:
    """Skip a test for want of a program, or fail it where that must be there."""
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{program} is missing, and {REQUIRED}=required")
    pytest.skip(f"{program} is missing")


def chromium_path() -> str:
    """Chromium as the system has it."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or missing("Chromium")


def in_node(tmp_path: Path, action: str, request: object = None) -> Any:
    """What a function of the page's library and a request returns, in Node.

    Args:
        tmp_path: a folder for the script.
        action: JavaScript, a function (library, request) → value.
        request: plain values.
    """
    node = shutil.which("node") or missing("Node")
    script = tmp_path / "script.cjs"
    script.write_text(library_script() + _AROUND.replace("ACTION", action), encoding="utf-8")
    answer = subprocess.run([node, str(script)], input=json.dumps(request), capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout, object_hook=_number)


def _number(value: dict[str, Any]) -> Any:
    return float(value["notFinite"]) if set(value) == {"notFinite"} else value


def largest_difference(first: Any, second: Any) -> float:
    """Between two lists of numbers of equal length."""
    assert len(first) == len(second)
    return max((abs(a - b) for a, b in zip(first, second, strict=True)), default=math.nan)
