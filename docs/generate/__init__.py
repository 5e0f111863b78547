"""Pages that are made from code when the documentation is built, and how formulas are shown without the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generate import (
    commands,
    gallery,
    llms_text,
    mathml,
    messages,
    paper_tables,
    playground,
    reference,
    schemas,
    shapes,
)

MADE = "made"
"""The folder below docs/ that holds pages made here; git ignores it."""


def make_pages(app: Any) -> None:
    """Write all generated pages that are new or have changed, and remove those that are no longer made."""
    docs = Path(app.srcdir)
    pages: dict[str, str] = {}
    for maker in (reference, commands, paper_tables, schemas, messages, gallery):
        pages |= maker.pages(docs)
    folder = docs / MADE
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    mathml.register(app)
    shapes.register(app)
    app.connect("builder-inited", make_pages)
    app.connect("build-finished", playground.write_page)
    app.connect("build-finished", llms_text.write_llms_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
