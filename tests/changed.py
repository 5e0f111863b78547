"""The tests of what was changed since the last commit, for ``make check``: prints the folders and files to run."""

from __future__ import annotations

import subprocess
from pathlib import Path

ALWAYS = "tests/test_project.py"


def changed() -> list[str]:
    """Files that differ from the last commit, new ones among them."""
    asked = (("diff", "--name-only", "HEAD"), ("ls-files", "--others", "--exclude-standard"))
    found = [subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout for words in asked]
    return "".join(found).splitlines()


def tests_of(path: str) -> str | None:
    """What tests a file: its own room's folder, or itself if it is a test."""
    parts = Path(path).parts
    if parts[0] == "tests" and parts[-1].startswith("test_") and Path(path).exists():
        return path
    if parts[0] in ("docs", "release"):
        return "tests/documentation"
    folder = Path("tests", parts[1]) if parts[0] == "iclscope" and len(parts) > 2 else None
    return folder.as_posix() if folder is not None and folder.is_dir() else None


if __name__ == "__main__":
    print(*sorted({ALWAYS, *filter(None, map(tests_of, changed()))}))
