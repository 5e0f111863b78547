"""Which demonstrations a query was given, and why."""

from __future__ import annotations

from collections.abc import Mapping

from iclscope.language_models.selectors import SCORES, Choice, SeenTexts
from iclscope.study.pages.page import TextTable

_LONGEST = 100


def explanations(seen: SeenTexts, choices: Mapping[str, Choice], queries: int) -> list[TextTable]:
    """For each of the first queries, the demonstrations that each selector takes.

    Args:
        seen: what selectors look at.
        choices: by selector.
        queries: how many.

    Returns:
        A table per query: selector, text, label, what the selector went by, pattern, and whether it is the query's.
    """
    return [_table(seen, choices, query) for query in range(min(queries, len(seen.asked.queries.texts)))]


def _table(seen: SeenTexts, choices: Mapping[str, Choice], query: int) -> TextTable:
    pattern = int(seen.query_patterns[query])
    patterns = dict(zip(seen.candidates.tolist(), seen.pool_patterns.tolist(), strict=True))
    rows = []
    for name, choice in choices.items():
        for number, place in enumerate(choice.demonstrations[query]):
            why = f"{SCORES[name]} {choice.scores[query][number]:.2f}" if choice.scores else "chance"
            text, label, kind = seen.asked.pool.texts[place], seen.asked.pool.labels[place], patterns[place]
            rows.append((name, _short(text), label, why, str(kind), "yes" if kind == pattern else "no"))
    return TextTable(
        title=f"Demonstrations of query {query + 1}",
        caption=f"“{_short(seen.asked.queries.texts[query])}”, of pattern {pattern}; in the order of the prompt: the "
        "last stands next to the query. pattern takes, labels in turn, texts of the query's pattern; where a "
        "label has none left, of the next nearest pattern.",
        head=("selector", "demonstration", "label", "why", "pattern", "the query's"),
        rows=rows,
    )


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 1] + "…"
