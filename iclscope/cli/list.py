"""``iclscope list``: papers, figures and claims, one line each, and tasks and models; of one of these, its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from iclscope.core.catalogue import Card, cards
from iclscope.core.errors import BadRequest, one_of_these
from iclscope.core.refusals import advice, not_installed, refusal
from iclscope.core.registry import MODELS, PAPERS, TASKS, Registry


def list_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Only these papers, or figures of them, tasks or models."),
    ] = None,
) -> None:
    """List papers, figures and claims, each with one line, and the names of tasks and models.

    Of a task or a model by name, print its settings.
    """
    wanted = list(names or ())
    known = [*PAPERS.names(), *TASKS.names(), *MODELS.names()]
    only_settings = wanted and not set(wanted) - {*TASKS.names(), *MODELS.names()}
    named = [name for name in wanted if name in PAPERS] or None
    papers = [] if only_settings else cards(_card, named)
    figures = {figure["name"] for paper in papers for figure in paper.get("figures", ())}
    for name in wanted:
        if name not in known and name not in figures:
            raise refusal("NAME", name, one_of_these(known) + (not_installed(name) or advice(name, [*known, *figures])))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for paper in papers:
        _print_paper(console, paper, wanted)
    for registry in (TASKS, MODELS):
        for name in wanted:
            if name in registry:
                _print_settings(console, registry, name)
    if not names:
        for kind, registry in (("tasks", TASKS), ("models", MODELS)):
            console.print(f"{kind}  {', '.join(registry.names())} (iclscope list NAME prints the settings of one)")


def _print_paper(console: Console, paper: Card, wanted: Sequence[str]) -> None:
    """A paper with all its figures, or with those that are wanted; nothing if none of it is."""
    of_it = paper.get("figures", [])
    figures = [figure for figure in of_it if figure["name"] in wanted]
    if wanted and not figures and paper["name"] not in wanted:
        return
    if "broken" in paper:
        console.print(f"{paper['name']}  {paper['broken']}")
        return
    console.print(f"{paper['name']}  {paper['summary']} ({paper['citation']})")
    for figure in figures or of_it:
        console.print(f"  {figure['name']}  {figure['title']}")
        for claim in figure["claims"]:
            console.print(f"    {claim['id']}  {claim['statement']} [{claim['form']}, expected {claim['expected']}]")


def _print_settings(console: Console, registry: Registry, name: str) -> None:
    """What a sweep file may say of a task or a model: each setting with its default, and what it means."""
    found, entry = registry.get(name), registry.entry(name)
    settings = getattr(found, "config_type", found)
    summary = (found.__doc__ or "").strip().partition("\n")[0]
    console.print(f"{name}  {summary} ({registry.kind}, {entry.value} of {entry.distribution} {entry.version})")
    for setting, field in settings.model_fields.items():
        if setting != "kind":
            default = "…" if field.is_required() else field.get_default(call_default_factory=True)
            console.print(f"  {setting} = {default!r}  {field.description or ''}".rstrip())


def _card(name: str) -> Card:
    """What is listed of a paper, whose figures are imported for it."""
    from iclscope.claims.formats import format_region
    from iclscope.study.experiment import experiments_of, paper_named

    try:
        paper, experiments = paper_named(name), experiments_of(name)
    except Exception as error:  # noqa: BLE001 (whatever is the matter with a package, the others are listed)
        told = str(error) if isinstance(error, BadRequest) else f"{type(error).__name__}: {error}"
        return {"name": name, "position": 10**6, "broken": " ".join(told.split())}
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
