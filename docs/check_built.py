"""Look at the documentation as it was built: nothing from elsewhere, every public name, shapes, formulas, search.

python docs/check_built.py build/docs      # `make docs` does
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

FETCHED = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^"]*"|<link\b[^>]*rel="(?:stylesheet|preload)"[^>]*href="(?:https?:)?//'
)
"""What a browser would fetch from another host when it opens the page; links are followed by readers only."""


def fetched(pages: dict[str, str]) -> list[str]:
    """Pages that would fetch something from elsewhere."""
    return [f"{name}: {found[0]}" for name, text in pages.items() if (found := FETCHED.search(text))]


def lost_names(pages: dict[str, str]) -> list[str]:
    """Public names without a place in the reference."""
    from generate import reference

    anchors = set(re.findall(r'id="(iclscope\.[^"]+)"', "".join(pages.values())))
    rooms = [reference.import_module(f"iclscope.{room}") for room in reference.ROOMS]
    wanted = [entry.path for module in (*rooms, *reference.theory_modules()) for entry in reference.entries(module)]
    return [name for name in wanted if name not in anchors]


def problems(folder: Path) -> list[str]:
    """Everything that is wrong with what was built."""
    pages = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.html")
        if path.name != "playground_page.html"
    }
    reference = "".join(text for name, text in pages.items() if name.startswith("made/reference/"))
    found = [f"fetches from elsewhere: {one}" for one in fetched(pages)]
    found += [f"no place in the reference: {name}" for name in lost_names(pages)]
    if "run batch" not in reference or "Float" not in reference:
        found.append("the reference shows no shapes")
    if "<math" not in pages.get("papers/li2024.html", ""):
        found.append("papers/li2024.html has no formula as MathML")
    for name in ("searchindex.js", "llms.txt", "playground_page.html", "index.html"):
        if not (folder / name).exists():
            found.append(f"{name} was not written")
    return found


if __name__ == "__main__":
    told = problems(Path(sys.argv[1]))
    print(*told, sep="\n")
    sys.exit(bool(told))
