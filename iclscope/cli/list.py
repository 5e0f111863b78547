"""``iclscope list``: papers, figures and claims, one line each."""

from __future__ import annotations

from rich.console import Console

from iclscope.core.catalogue import Card, cards
from iclscope.core.errors import BadRequest


def list_command() -> None:
    """List papers, figures and claims, each with one line."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for paper in cards(_card):
        if "broken" in paper:
            console.print(f"{paper['name']}  {paper['broken']}")
            continue
        console.print(f"{paper['name']}  {paper['summary']} ({paper['citation']})")
        for figure in paper["figures"]:
            console.print(f"  {figure['name']}  {figure['title']}")
            for claim in figure["claims"]:
                console.print(
                    f"    {claim['id']}  {claim['statement']} [{claim['form']}, expected {claim['expected']}]"
                )


def _card(name: str) -> Card:
    """What is listed of a paper, whose figures are imported for it."""
    from iclscope.claims.formats import format_region
    from iclscope.study.experiment import PAPERS, experiments_of

    try:
        paper, experiments = PAPERS[name], experiments_of(name)
    except (BadRequest, ImportError) as error:
        return {"name": name, "position": 10**6, "broken": str(error)}
    return {
        "name": paper.name,
        "summary": paper.summary,
        "citation": paper.citation,
        "position": paper.position,
        "figures": [
            {
                "name": one.name,
                "title": one.title,
                "claims": [
                    {
                        "id": claim.id,
                        "statement": claim.statement,
                        "form": claim.form,
                        "expected": format_region(claim.expected),
                    }
                    for claim in one.claims
                ],
            }
            for one in experiments
        ],
    }
