"""Which demonstrations a query was given, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from iclscope.language_models.evaluation.rows import AS_GIVEN, Unit
from iclscope.language_models.selection.rows import SelectSettings, chosen
from iclscope.language_models.selectors import SCORES, Choice, SeenTexts
from iclscope.study.pages.page import TextTable

_LONGEST = 100


def explanations(
    seen: SeenTexts,
    settings: SelectSettings,
    seed: int,
    queries: int,
    known: Mapping[Unit, Choice] = MappingProxyType({}),
) -> list[TextTable]:
    """For each of the first queries, the demonstrations that each selector takes at the most shots in the first draw.

    Args:
        seen: what selectors look at.
        settings: what is compared.
        seed: of the run.
        queries: how many.
        known: demonstrations that were chosen before; others are chosen now.

    Returns:
        A table per query: selector, text, label, what the selector went by, pattern, and whether it is the query's.
    """
    units = [Unit(AS_GIVEN, name, settings.shots[-1], 0) for name in settings.selectors]
    choices = [(unit.selector, known[unit] if unit in known else chosen(seen, unit, seed)) for unit in units]
    return [_table(seen, choices, query) for query in range(min(queries, len(seen.asked.queries.texts)))]


def _table(seen: SeenTexts, choices: Sequence[tuple[str, Choice]], query: int) -> TextTable:
    pattern = int(seen.query_patterns[query])
    patterns = dict(zip(seen.candidates.tolist(), seen.pool_patterns.tolist(), strict=True))
    rows = []
    for name, choice in choices:
        for number, place in enumerate(choice.demonstrations[query]):
            why = f"{SCORES[name]} {choice.scores[query][number]:.2f}" if choice.scores else "chance"
            kind = patterns[place]
            shares = "yes" if kind == pattern else "no"
            text, label = seen.asked.pool.texts[place], seen.asked.pool.labels[place]
            rows.append((name, _short(text), label, why, str(kind), shares))
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
