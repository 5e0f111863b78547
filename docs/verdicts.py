"""Write what was found into docs/verdicts.json, docs/verdicts.md and README.md: numbers there come from one run.

    python docs/verdicts.py results        # after: iclscope reproduce all

Without a folder the two texts are rewritten from docs/verdicts.json.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from iclscope.claims.formats import format_interval, format_number
from iclscope.claims.intervals import Interval

DOCS = Path(__file__).resolve().parent
NUMBERS, PAGE, README = DOCS / "verdicts.json", DOCS / "verdicts.md", DOCS.parent / "README.md"
BEGIN, END = "<!-- verdicts: written by docs/verdicts.py -->", "<!-- /verdicts -->"
KEPT = ("paper", "figure", "id", "form", "statement", "estimate", "interval", "verdict", "answer", "remark", "seeds")
VERDICTS = ("holds", "fails", "inconclusive")


def collected(results: Path) -> list[dict[str, Any]]:
    """What all papers' ``claims.json`` say, without what does not change between runs of one version."""
    found = []
    for path in sorted(results.glob("*/claims.json")):
        for record in json.loads(path.read_text(encoding="utf-8")):
            kept = {name: record[name] for name in KEPT}
            kept["control_verdict"] = record["control"]["verdict"]
            found.append(kept)
    return found


def counts(records: list[dict[str, Any]], *, ours: bool) -> Counter[str]:
    """How many claims of papers, or questions of ours, have each verdict."""
    return Counter(record["verdict"] for record in records if (record["form"] == "ours") == ours)


def summary(records: list[dict[str, Any]]) -> str:
    """The table that README shows."""
    lines = [
        "| | claims | hold | fail | open | questions of ours | controls that fail, as they must |",
        "|---|---|---|---|---|---|---|",
    ]
    papers = list(dict.fromkeys(record["paper"] for record in records))
    for name, chosen in [*((paper, [r for r in records if r["paper"] == paper]) for paper in papers), ("all", records)]:
        claims, questions = counts(chosen, ours=False), counts(chosen, ours=True)
        controls = sum(record["control_verdict"] == "fails" for record in chosen)
        cells = [claims.total(), *(claims[verdict] for verdict in VERDICTS), questions.total()]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} | {controls} of {len(chosen)} |")
    return "\n".join(lines)


def page(records: list[dict[str, Any]]) -> str:
    """The page with every verdict."""
    parts = [
        "# Verdicts\n",
        "Written by `docs/verdicts.py` from one run of `iclscope reproduce all` at `quick`; do not edit. Forms and "
        "rules: [claims.md](claims.md).\n",
        summary(records) + "\n",
    ]
    for paper in dict.fromkeys(record["paper"] for record in records):
        for ours, title in ((False, paper), (True, f"{paper}: questions of ours")):
            chosen = [r for r in records if r["paper"] == paper and (r["form"] == "ours") == ours]
            if chosen:
                parts.append(f"## {title}\n")
                parts.append(_table(chosen, ours=ours) + "\n")
    return "\n".join(parts)


def _table(records: list[dict[str, Any]], *, ours: bool) -> str:
    head = "| id | " + ("question | answer" if ours else "form | claim | verdict") + " | estimate |"
    lines = [head, "|---" * (head.count("|") - 1) + "|"]
    for record in records:
        low, high = record["interval"]
        value = float("nan") if record["estimate"] is None else record["estimate"]
        ends = (-float("inf") if low is None else low, float("inf") if high is None else high)
        estimate = f"{format_number(value)} {format_interval(Interval(value, *ends, record['seeds']))}".strip()
        remark = f" ({record['remark']})" if record["remark"] else ""
        told = (
            [record["statement"], record["answer"]]
            if ours
            else [record["form"], record["statement"], record["verdict"]]
        )
        cells = (cell.replace("|", "\\|") for cell in [record["id"], *told, f"{estimate}{remark}"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_summary(readme: str, records: list[dict[str, Any]]) -> str:
    """README with its table of verdicts."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{summary(records)}\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Collect, if a folder is named, and write."""
    if arguments:
        text = json.dumps(collected(Path(arguments[0])), indent=0, ensure_ascii=False)
        NUMBERS.write_text(text + "\n", encoding="utf-8")
    records = json.loads(NUMBERS.read_text(encoding="utf-8"))
    PAGE.write_text(page(records), encoding="utf-8")
    README.write_text(with_summary(README.read_text(encoding="utf-8"), records), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
