"""``iclscope list``: papers, figures and claims, one line each."""

from __future__ import annotations

from rich.console import Console

from iclscope.claims.formats import format_region
from iclscope.study.experiment import PAPERS, experiments_of


def list_command() -> None:
    """List papers, figures and claims, each with one line."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for paper in PAPERS.values():
        console.print(f"{paper.name}  {paper.summary} ({paper.citation})")
        for experiment in experiments_of(paper.name):
            console.print(f"  {experiment.name}  {experiment.title}")
            for claim in experiment.claims:
                console.print(
                    f"    {claim.id}  {claim.statement} [{claim.form}, expected {format_region(claim.expected)}]"
                )
