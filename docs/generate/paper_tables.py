"""What is known of every paper: a table over all, and what each paper's page tells of its figures and verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iclscope.claims.intervals import interval_of_record
from iclscope.claims.paper import PAPERS, Paper
from iclscope.study.experiment import experiments_of

PARTS = "parts"
"""Pieces that pages include; Sphinx takes them for no pages of their own."""
WORDS = {"holds": "What holds", "fails": "What fails", "inconclusive": "What stays open"}


def records(docs: Path) -> list[dict[str, Any]]:
    """Every verdict of the last whole run."""
    found: list[dict[str, Any]] = json.loads((docs / "verdicts.json").read_text(encoding="utf-8"))
    return found


def cell(text: str) -> str:
    """A text inside a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("$", "\\$").replace("*", "\\*").replace("_", "\\_")


def estimate(record: dict[str, Any]) -> str:
    """Estimate and interval of a verdict, as reports write them."""
    return str(interval_of_record(record))


def counts(chosen: list[dict[str, Any]]) -> tuple[int, int, int, int]:
    """How many claims hold, fail and are open, and how many questions of ours there are."""
    claims = [record for record in chosen if record["form"] != "ours"]
    by_verdict = [sum(record["verdict"] == verdict for record in claims) for verdict in WORDS]
    return (by_verdict[0], by_verdict[1], by_verdict[2], len(chosen) - len(claims))


def _link(paper: Paper, docs: Path) -> str:
    return f"[{paper.name}]({paper.name}.md)" if (docs / "papers" / f"{paper.name}.md").exists() else paper.name


def overview(docs: Path) -> str:
    """How many claims of each paper hold, fail and are open."""
    lines = ["| paper | holds | fails | open | ours |", "|---|---|---|---|---|"]
    known = records(docs)
    for paper in PAPERS.values():
        chosen = [record for record in known if record["paper"] == paper.name]
        numbers = [str(number) for number in counts(chosen)] if chosen else ["not run"] * 4
        lines.append(f"| {' | '.join([_link(paper, docs), *numbers])} |")
    return "\n".join(lines) + "\n"


def described(docs: Path) -> str:
    """What each paper is about; a dash stands where it says nothing."""
    lines = ["| paper | architecture | data | question | form of its statements |", "|---|---|---|---|---|"]
    for paper in PAPERS.values():
        said = [cell(text) or "–" for text in (paper.model, paper.task, paper.question, paper.statement)]
        lines.append(f"| {' | '.join([_link(paper, docs), *said])} |")
    return "\n".join(lines) + "\n"


def covered(docs: Path) -> str:  # noqa: ARG001 (called as the others are)
    """What the theory of each paper covers, and what none does yet."""
    papers = [paper for paper in PAPERS.values() if paper.abilities is not None]
    lines = ["| | " + " | ".join(paper.name for paper in papers) + " |", "|---" * (len(papers) + 1) + "|"]
    for name in papers[0].abilities._fields if papers and papers[0].abilities else ():
        marks = ["yes" if getattr(paper.abilities, name) else "–" for paper in papers]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def _verdicts(chosen: list[dict[str, Any]]) -> list[str]:
    parts = []
    for verdict, title in WORDS.items():
        told = [record for record in chosen if record["form"] != "ours" and record["verdict"] == verdict]
        if told:
            parts.append(f"### {title}\n")
            parts.append("| claim | form | measured |\n|---|---|---|")
            parts += [
                f"| {cell(one['statement'])} | {one['form']} | {cell(estimate(one))} "
                f"{'(' + cell(one['remark']) + ')' if one['remark'] else ''} |"
                for one in told
            ]
            parts.append("")
    questions = [record for record in chosen if record["form"] == "ours"]
    if questions:
        parts += ["### Questions of ours\n", "| question | answer | measured |\n|---|---|---|"]
        parts += [
            f"| {cell(one['statement'])} | {cell(one['answer'] or one['verdict'])} | {cell(estimate(one))} |"
            for one in questions
        ]
    return parts


def _figures(paper: Paper) -> list[str]:
    lines = ["| figure | what it shows | claims | command |", "|---|---|---|---|"]
    for experiment in experiments_of(paper.name):
        command = f"`iclscope reproduce {paper.name} --figure {experiment.name}`"
        name, title = experiment.name, cell(experiment.title)
        lines.append(f"| {name} | {title} | {len(experiment.claims)} | {command} |")
    return lines


def facts(paper: Paper) -> str:
    """What a paper is, asks and states, for the top of its page."""
    head = [f"*{cell(paper.title)}*  \n{cell(paper.citation)}\n", f"{cell(paper.story)}\n"]
    head += [f"**{name}.** {cell(text)}\n" for name, text in paper.facts.items()]
    if paper.theorems:
        head += ["| | says |\n|---|---|", *(f"| {cell(one)} | {cell(said)} |" for one, said in paper.theorems.items())]
    return "\n".join(head) + "\n"


def measured(paper: Paper, docs: Path) -> str:
    """A paper's figures and verdicts, for the end of its page."""
    chosen = [record for record in records(docs) if record["paper"] == paper.name]
    told = _verdicts(chosen) or ["No whole run has judged this paper's claims yet.\n"]
    source = "From runs of `iclscope reproduce` at `quick`; [Verdicts](../verdicts.md) has those of all papers.\n"
    return "\n".join(["## Figures\n", *_figures(paper), "", "## Verdicts\n", source, *told]) + "\n"


def pages(docs: Path) -> dict[str, str]:
    """Pieces for the pages below docs/papers."""
    made = {f"{PARTS}/{paper.name}_facts.md": facts(paper) for paper in PAPERS.values()}
    made |= {f"{PARTS}/{paper.name}_measured.md": measured(paper, docs) for paper in PAPERS.values()}
    return {
        **made,
        f"{PARTS}/papers_table.md": overview(docs),
        f"{PARTS}/papers_described.md": described(docs),
        f"{PARTS}/papers_covered.md": covered(docs),
    }
