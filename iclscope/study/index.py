"""``index.html`` beside the folders of several papers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from iclscope.claims.claim import JudgedClaim, Verdict, finite
from iclscope.claims.intervals import interval_of_record
from iclscope.claims.paper import Paper
from iclscope.core.errors import require, unusable
from iclscope.core.files import read_parquet, read_parquet_metadata, write_text
from iclscope.execution.run_folder import read_note
from iclscope.study.experiment import PAPERS, experiments_of, figure_names
from iclscope.study.folder import REPRODUCTION
from iclscope.study.pages.index_page import CommonFigure, PaperCard, render_index

INDEX = "index.html"
COMMON = "comparison"
"""The entry among the papers that is about all of them; its figures stand on the page itself."""

_GENERATOR = '<meta name="generator" content="iclscope">'


def check_index(folder: Path) -> None:
    """Refuse to replace a page that is not ours.

    Raises:
        BadRequest: naming it.
    """
    path = folder / INDEX
    if not path.exists():
        return
    try:
        ours = path.is_file() and _GENERATOR in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        ours = False
    require(
        ours, "out", str(folder), f"a folder whose {INDEX} is of iclscope; it holds another, which is left as it is"
    )


def write_index(folder: Path) -> Path:
    """Write the page about all papers whose results lie below a folder.

    Args:
        folder: holds one folder per paper, under its short name.

    Returns:
        Where the page is.

    Raises:
        BadRequest: if a page that is not ours stands in its place, or it cannot be written.
    """
    check_index(folder)
    cards = [card for paper in PAPERS.values() if (card := _card(folder, paper)) is not None]
    common = list(_common_figures(folder / COMMON)) if any(card.name == COMMON for card in cards) else []
    path = folder / INDEX
    try:
        write_text(path, render_index(cards, common))
    except OSError as error:
        raise unusable("out", str(folder), f"it cannot be written to ({error})") from error
    return path


def _card(folder: Path, paper: Paper) -> PaperCard | None:
    """What a paper's folder tells; None if there is none, or it is not ours."""
    run = read_note(folder / paper.name, REPRODUCTION)
    if run is None:
        return None
    try:
        claims = json.loads((folder / paper.name / "claims.json").read_text(encoding="utf-8"))
        return _card_of(paper, run, claims)
    except (OSError, RecursionError, KeyError, TypeError, ValueError, AttributeError):  # older, or of somebody else
        return None


def _card_of(paper: Paper, run: dict[str, Any], claims: list[dict[str, Any]]) -> PaperCard:
    return PaperCard(
        name=paper.name,
        title=paper.title,
        citation=paper.citation,
        model=paper.model,
        task=paper.task,
        abilities=tuple(paper.abilities or ()),
        preset=run["settings"]["preset"],
        seeds=run["settings"]["seeds"],
        claims=list(_judged(paper.name, claims)),
        missing=[name for name in figure_names(paper.name) if name not in run["figures"]],
        address=f"{paper.name}/report.html",
        question=paper.question,
        statement=paper.statement,
        story=paper.story,
        theorems=paper.theorems,
    )


def _judged(paper: str, records: list[dict[str, Any]]) -> Iterator[JudgedClaim]:
    """The claims of ``claims.json`` as they were judged; those that are no longer made are left out."""
    claims = {(one.name, claim.id): claim for one in experiments_of(paper) for claim in one.claims}
    for record in records:
        claim = claims.get((record["figure"], record["id"]))
        # A verdict by another region than today's would stand beside the wrong one.
        if claim is None or record["expected"] != [finite(claim.expected.low), finite(claim.expected.high)]:
            continue
        control = record["control"]
        verdict: Verdict = record["verdict"]
        yield JudgedClaim(
            paper=paper,
            figure=record["figure"],
            claim=claim,
            estimate=interval_of_record(record),
            verdict=verdict,
            control_estimate=interval_of_record({**control, "seeds": record["seeds"]}),
            control_verdict=control["verdict"],
        )


def _common_figures(folder: Path) -> Iterator[CommonFigure]:
    """The finished figures that are about all papers."""
    for experiment in experiments_of(COMMON):
        svg, rows = folder / f"{experiment.name}.svg", folder / f"{experiment.name}.parquet"
        if svg.is_file() and rows.is_file():
            try:
                if read_parquet_metadata(rows).get("figure") != experiment.name:  # somebody else's
                    continue
                finding = experiment.finding(read_parquet(rows))
            except (pl.exceptions.PolarsError, OSError, ValueError, LookupError, ArithmeticError):
                continue  # rows of an older version, or damaged
            yield CommonFigure(experiment.title, experiment.caption, finding, svg.read_text(encoding="utf-8"))
