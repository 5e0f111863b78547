"""The gallery: a small picture of every figure, with the command and the code that make it."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

from iclscope.claims.paper import PAPERS, Paper
from iclscope.study.experiment import experiments_of


def _code(docs: Path, experiment: Any) -> str:
    """A link to the file that defines a figure, relative to docs/made."""
    module = experiment.trials.__globals__["__name__"]
    path = docs.parent / f"{module.replace('.', '/')}.py"
    return f"[code]({os.path.relpath(path, docs / 'made')})" if path.exists() else ""


def _scene(paper: Paper, figure: str) -> str:
    """A link to the state of the playground that shows what a figure shows, where there is one."""
    state = paper.scenes.get(figure)
    return (
        f' · <a href="../playground_page.html#{html.escape(state.lstrip("#"))}">in the playground</a>' if state else ""
    )


def _seeds(note: dict[str, Any], paper_seeds: int) -> str:
    if note["full"]:
        return f"`{note['preset']}`"
    return f"tiny run, {note['seeds']} instead of {paper_seeds} seeds: not the result"


def pages(docs: Path) -> dict[str, str]:
    """The page of all figures, those without a picture named."""
    notes_file = docs / "gallery.json"
    notes = json.loads(notes_file.read_text(encoding="utf-8")) if notes_file.exists() else []
    known = {(note["paper"], note["figure"]): note for note in notes}
    parts = [
        "# Gallery\n",
        "Every figure of every paper, small, each with the command that makes it and the file that defines it. The "
        "report of a run has them large, as PNG, PDF and SVG, with their rows as Parquet.\n",
    ]
    for paper in PAPERS.values():
        parts.append(f"## {paper.name}\n\n*{paper.title}* ({paper.citation})\n")
        missing = []
        for experiment in experiments_of(paper.name):
            note = known.get((paper.name, experiment.name))
            command = f"iclscope reproduce {paper.name} --figure {experiment.name}"
            if note is None:
                missing.append(f"- {experiment.title}: `{command}`, {_code(docs, experiment)}")
                continue
            picture = f"../images/gallery/{paper.name}-{experiment.name}.png"
            parts.append(
                f":::{{figure}} {picture}\n:class: gallery\n:alt: {experiment.title}\n\n**{experiment.title}.** "
                f"`{command}` · {_code(docs, experiment)}{_scene(paper, experiment.name)} · "
                f"{_seeds(note, paper.seeds[note['preset']])}\n:::\n"
            )
        if missing:
            parts += ["No picture yet from a whole run:\n", *missing, ""]
    return {"gallery.md": "\n".join(parts)}
