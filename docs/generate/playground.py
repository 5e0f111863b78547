"""The playground beside the pages, so that they can embed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "playground_page.html"


def write_page(app: Any, failure: Exception | None) -> None:
    """Write the playground as one file, which fetches nothing."""
    if failure is not None or app.builder.format != "html":
        return
    from iclscope.playground.build import page_html

    (Path(app.outdir) / NAME).write_text(page_html(), encoding="utf-8")
