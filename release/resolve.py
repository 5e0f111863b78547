"""Ask a resolver whether wheels of everything exist for each Python and platform that we name, and print a table.

    python release/resolve.py              # all, as docs/platforms.md has it
    python release/resolve.py 3.14 windows # one

uv resolves from metadata: nothing is downloaded in full or installed. pip's own --dry-run with --platform evaluates
environment markers for the machine that it runs on, so on Linux it asks for PyTorch's CUDA packages on every platform.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "linux": "x86_64-manylinux_2_28",
    "macos": "aarch64-apple-darwin",
    "windows": "x86_64-pc-windows-msvc",
}
EXTRAS = {"iclscope": (), "iclscope[llm]": ("llm",), "iclscope[ray]": ("ray",)}


def resolved(python: str, platform: str, extras: tuple[str, ...]) -> str:
    """Empty if everything resolves to wheels, else the resolver's last words."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--only-binary", ":all:"]
    command += ["--python-platform", PLATFORMS[platform], "--python-version", python, "pyproject.toml"]
    for extra in extras:
        command += ["--extra", extra]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if found.returncode == 0 else " ".join(found.stderr.split()).rpartition("╰─▶ ")[2]


def main(arguments: list[str]) -> None:
    """Ask for all combinations, or the one that is named."""
    pythons = arguments[:1] or list(PYTHONS)
    platforms = arguments[1:2] or list(PLATFORMS)
    missing = []
    print("| Python | " + " | ".join(platforms) + " |\n" + "|---" * (len(platforms) + 1) + "|")
    for python in pythons:
        cells = []
        for platform in platforms:
            failed = {name: said for name, extras in EXTRAS.items() if (said := resolved(python, platform, extras))}
            missing += [f"{name}, Python {python}, {platform}: {said}" for name, said in failed.items()]
            cells.append("all" if not failed else f"all but {', '.join(failed)}")
        print(f"| {python} | {' | '.join(cells)} |", flush=True)
    print(*missing, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
