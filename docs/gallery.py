"""Make the small pictures of the gallery from a folder of results: docs/images/gallery/ and docs/gallery.json.

    python docs/gallery.py results        # after: iclscope reproduce all

The folder holds one folder per paper, as `iclscope reproduce all` leaves it, or is one paper's own. Pictures of papers
that it does not have stay as they are. A run with fewer seeds than its preset has is marked, and the page says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from iclscope.claims.paper import PAPERS

DOCS = Path(__file__).resolve().parent
PICTURES, NOTES = DOCS / "images" / "gallery", DOCS / "gallery.json"
WIDEST = 560


def results_of(folder: Path) -> list[Path]:
    """The folders of papers: those below, or the one itself."""
    return (
        [folder] if (folder / "claims.json").exists() else sorted(path.parent for path in folder.glob("*/claims.json"))
    )


def small(source: Path, target: Path) -> None:
    """A picture at most `WIDEST` wide, in 64 colours, which is enough for lines on white."""
    with Image.open(source) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.convert("RGBA").getchannel("A"))
    height = round(flat.height * min(1, WIDEST / flat.width))
    shrunk = flat.resize((min(WIDEST, flat.width), height), Image.Resampling.LANCZOS)
    target.parent.mkdir(parents=True, exist_ok=True)
    shrunk.quantize(64).save(target, optimize=True)


def notes_of(folder: Path) -> list[dict[str, Any]]:
    """What the gallery tells of each figure in a paper's folder."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    settings = run["settings"]
    paper = PAPERS[settings["paper"]]
    asked = settings["seeds"]
    full = asked is None or asked >= paper.seeds[settings["preset"]]
    return [
        {
            "paper": paper.name,
            "figure": figure,
            "preset": settings["preset"],
            "seeds": asked,
            "full": full,
            "estimates": {claim["id"]: claim["estimate"] for claim in claims if claim["figure"] == figure},
        }
        for figure in run["figures"]
        if (folder / f"{figure}.png").exists()
    ]


def main(arguments: list[str]) -> None:
    """Make pictures and notes of all papers in the folder."""
    told = json.loads(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else []
    for folder in results_of(Path(arguments[0])):
        fresh = notes_of(folder)
        for note in fresh:
            small(folder / f"{note['figure']}.png", PICTURES / f"{note['paper']}-{note['figure']}.png")
        made = {(note["paper"], note["figure"]) for note in fresh}
        told = [note for note in told if (note["paper"], note["figure"]) not in made] + fresh
    order = list(PAPERS)
    told.sort(key=lambda note: order.index(note["paper"]))
    NOTES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(told)} pictures, {sum(path.stat().st_size for path in PICTURES.glob('*.png')) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
