"""Write what was found into docs/verdicts.json, docs/verdicts.md and both READMEs: numbers there come from one run.

    python docs/verdicts.py results        # after: iclscope reproduce all

Without a folder the texts are rewritten from docs/verdicts.json and docs/runs.json.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from iclscope.claims.intervals import interval_of_record

DOCS = Path(__file__).resolve().parent
NUMBERS, RUNS, PAGE = DOCS / "verdicts.json", DOCS / "runs.json", DOCS / "verdicts.md"
README, README_ZH = DOCS.parent / "README.md", DOCS.parent / "README.zh.md"
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


HEADS = {
    "en": "| paper | claims | hold | fail | open | our questions answered | controls that fail | minutes |",
    "zh": "| 论文 | 断言 | 成立 | 不成立 | 未定 | 我们的问题（已有答案） | 不成立的对照 | 分钟 |",
}
ALL = {"en": "all", "zh": "合计"}


def minutes_of(results: Path) -> dict[str, float]:
    """How long each paper's figures took, by the notes of its run: the sum over figures, in minutes."""
    found = {}
    for path in sorted(results.glob("*/run.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        if "figures" in run:
            seconds = sum(figure.get("seconds", 0.0) for figure in run["figures"].values())
            found[run["settings"]["paper"]] = round(seconds / 60, 1)
    return found


def summary(records: list[dict[str, Any]], minutes: dict[str, float], language: str = "en") -> str:
    """The table that the READMEs show.

    Args:
        records: every verdict.
        minutes: by paper; one that is missing gets a dash.
        language: "en" or "zh".
    """
    head = HEADS[language]
    lines = [head, "|---" * (head.count("|") - 1) + "|"]
    papers = list(dict.fromkeys(record["paper"] for record in records))
    rows = [*((paper, [r for r in records if r["paper"] == paper]) for paper in papers), (ALL[language], records)]
    for name, chosen in rows:
        claims = counts(chosen, ours=False)
        questions = counts(chosen, ours=True)
        controls = sum(record["control_verdict"] == "fails" for record in chosen)
        answered = f"{questions.total() - questions['inconclusive']} of {questions.total()}" if questions else "–"
        run = {record["paper"] for record in chosen}
        took = f"{max(1, round(sum(minutes[paper] for paper in run)))}" if run <= minutes.keys() else "–"
        cells = [claims.total(), *(claims[verdict] for verdict in VERDICTS), answered]
        told = f"| {name} | {' | '.join(map(str, cells))} | {controls} of {len(chosen)} | {took} |"
        lines.append(told.replace(" of ", " / ") if language == "zh" else told)
    return "\n".join(lines)


def page(records: list[dict[str, Any]], minutes: dict[str, float]) -> str:
    """The page with every verdict."""
    parts = [
        "# Verdicts\n",
        "Written by `docs/verdicts.py` from one run of `iclscope reproduce all` at `quick`; do not edit. "
        "Forms and rules: [claims.md](claims.md).\n",
        summary(records, minutes) + "\n",
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
        remark = f" ({record['remark']})" if record["remark"] else ""
        told = (
            [record["statement"], record["answer"]]
            if ours
            else [record["form"], record["statement"], record["verdict"]]
        )
        cells = (cell.replace("|", "\\|") for cell in [record["id"], *told, f"{interval_of_record(record)}{remark}"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_summary(readme: str, records: list[dict[str, Any]], minutes: dict[str, float], language: str = "en") -> str:
    """A README with its table of verdicts."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{summary(records, minutes, language)}\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Collect, if a folder is named, and write."""
    if arguments:
        results = Path(arguments[0])
        text = json.dumps(collected(results), indent=0, ensure_ascii=False)
        NUMBERS.write_text(text + "\n", encoding="utf-8")
        RUNS.write_text(json.dumps({"minutes": minutes_of(results)}, indent=1) + "\n", encoding="utf-8")
    records = json.loads(NUMBERS.read_text(encoding="utf-8"))
    minutes = json.loads(RUNS.read_text(encoding="utf-8"))["minutes"]
    PAGE.write_text(page(records, minutes), encoding="utf-8")
    for readme, language in ((README, "en"), (README_ZH, "zh")):
        text = with_summary(readme.read_text(encoding="utf-8"), records, minutes, language)
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
