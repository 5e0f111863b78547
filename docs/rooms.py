"""The rooms of the package and what they import, drawn from the imports themselves: docs/rooms.svg and a table.

    python docs/rooms.py

A test compares the drawing with what this makes.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "iclscope"
DRAWING = ROOT / "docs" / "rooms.svg"
# In the order of tests/test_project.py: a room imports itself and the rooms above it.
ROOMS = (
    "core", "plotting", "tasks", "models", "training", "claims", "mechanism", "pruning", "baselines", "evaluation",
    "execution", "playground", "study", "papers", "theory", "sweeps", "language_models", "cli",
)  # fmt: skip
_STEP, _LEFT, _WIDTH, _HEIGHT = 34, 250, 150, 24


def imports_of(room: str) -> set[str]:
    """The other rooms that a room imports."""
    found: set[str] = set()
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("iclscope"):
                parts = (node.module or "").split(".")
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return {name for name in found if name in ROOMS and name != room}


def drawing() -> str:
    """The rooms one below the other, and an arc from each to every room that it imports."""
    place = {room: index for index, room in enumerate(ROOMS)}
    height = _STEP * len(ROOMS) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" font-family="sans-serif" font-size="13">',
        "<title>The rooms of iclscope; an arc leads from a room up to one that it imports</title>",
    ]
    for room in ROOMS:
        y = 10 + _STEP * place[room]
        for other in sorted(imports_of(room), key=place.__getitem__):
            start, end = y + _HEIGHT / 2, 10 + _STEP * place[other] + _HEIGHT / 2
            left = place[room] % 2 == 0
            edge = _LEFT if left else _LEFT + _WIDTH
            bend = edge + (-1 if left else 1) * (30 + 11 * (place[room] - place[other]))
            parts.append(
                f'<path d="M{edge} {start:g}C{bend} {start:g} {bend} {end:g} {edge} {end:g}" fill="none" '
                f'stroke="#4c72b0" stroke-opacity=".45"/>'
            )
        files = sum(1 for _ in (PACKAGE / room).rglob("*.py"))
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" fill="#f3f4f6" stroke="#9aa0a6"/>'
            f'<text x="{_LEFT + _WIDTH / 2:g}" y="{y + 16}" text-anchor="middle">{room}'
            f"<title>{files} files</title></text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    DRAWING.write_text(drawing(), encoding="utf-8")
    for name in ROOMS:
        print(f"{name}: {', '.join(sorted(imports_of(name), key=ROOMS.index)) or '–'}")
