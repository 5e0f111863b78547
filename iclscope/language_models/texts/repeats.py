"""Which rows say the same: texts that repeat another, and texts that have several labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from iclscope.language_models.texts.folding import folded


class RowsByText(NamedTuple):
    """The rows of some labelled texts, by what they say.

    Attributes:
        keys: the folded text of each row.
        once: places of the first row of each folded text, where all rows of it have one label.
        by_label: places of the first row of each folded text with each of its labels.
        repeated: how many rows say what an earlier one says, text and label.
        contradictory: how many folded texts have several labels.
    """

    keys: tuple[str, ...]
    once: tuple[int, ...]
    by_label: tuple[int, ...]
    repeated: int
    contradictory: int


def rows_by_text(texts: Sequence[str], labels: Sequence[str]) -> RowsByText:
    """Find repeated and contradictory rows; places are in the order of the rows.

    Args:
        texts: of each row.
        labels: of each row.
    """
    keys = tuple(folded(text) for text in texts)
    first: dict[tuple[str, str], int] = {}
    labels_of: defaultdict[str, set[str]] = defaultdict(set)
    for place, pair in enumerate(zip(keys, labels, strict=True)):
        first.setdefault(pair, place)
        labels_of[pair[0]].add(pair[1])
    once = tuple(place for (key, _), place in first.items() if len(labels_of[key]) == 1)
    contradictory = sum(len(found) > 1 for found in labels_of.values())
    return RowsByText(keys, once, tuple(first.values()), len(keys) - len(first), contradictory)


class LeftOut(NamedTuple):
    """What was left out of the queries and of the pool, in rows, and what contradicts itself, in texts.

    Two rows have the same text if their `folded` texts are equal.

    Attributes:
        repeated_queries: rows of queries that repeat an earlier one, text and label: each text is asked once.
        contradictory_queries: texts that have several labels, so that no answer would be right: they are not asked.
        queries_in_pool: rows of the pool that have the text of a query.
        repeated_demonstrations: rows of the pool that repeat an earlier one, text and label.
        contradictory_demonstrations: texts that stay in the pool with several labels.
    """

    repeated_queries: int = 0
    contradictory_queries: int = 0
    queries_in_pool: int = 0
    repeated_demonstrations: int = 0
    contradictory_demonstrations: int = 0

    def counted(self) -> dict[str, int]:
        """What there is any of, ready for JSON."""
        return {name: count for name, count in self._asdict().items() if count}

    def notes(self) -> list[str]:
        """What a reader must know of it, a sentence each; none where nothing was left out."""
        told = (
            (self.repeated_queries, "Rows of queries that repeat an earlier one, left out"),
            (self.contradictory_queries, "Texts with several labels in the data, not asked"),
            (self.queries_in_pool, "Rows of the pool with the text of a query, left out"),
            (self.repeated_demonstrations, "Rows of the pool that repeat an earlier one, left out"),
            (self.contradictory_demonstrations, "Texts of the pool with several labels, which stay with each"),
        )
        alike = "texts are compared without case, spaces, Unicode form and full stops at the end"
        return [f"{what}: {count} ({alike})." for count, what in told if count]
