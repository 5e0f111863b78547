"""Labels of different lengths: their scores by the sum, and by the mean per token and per character."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64, Int64

from iclscope.language_models.settings import SUM, LabelScore

_SHOWN = 3
_JUDGED = ("answer", "correct", "calibrated_answer", "calibrated_correct")
_WORDS = {
    "sum": "the sum of the log-probabilities of their tokens",
    "token": "the mean log-probability of their tokens",
    "character": "the log-probability per character",
}


def scores_by_length(
    sums: Float64[np.ndarray, "query label"], tokens: Int64[np.ndarray, "query label"], labels: Sequence[str]
) -> dict[LabelScore, Float64[np.ndarray, "query label"]]:
    """The scores of labels by each of `LABEL_SCORES`.

    Args:
        sums: Σ log p(token | all before it) over the tokens of each label.
        tokens: how many they are, at least one; behind another prompt they may be others.
        labels: as they are written, without what parts them from the prompt; a character is a Unicode code point.
    """
    characters = np.asarray([len(label) for label in labels])
    return {"sum": sums, "token": sums / tokens, "character": sums / characters}


def column_of(name: str, score: str) -> str:
    """The column of the rows that has, by a score, what ``name`` has by the sum."""
    return name if score == SUM else f"{name}_by_{score}"


def judged_by(rows: pl.DataFrame, score: str) -> pl.DataFrame:
    """The rows with answers, and whether they are right, by one of the scores, in the columns that figures read.

    Args:
        rows: of `answers`.
        score: one of `LABEL_SCORES`.
    """
    if score == SUM:
        return rows
    return rows.with_columns(**{name: pl.col(column_of(name, score)) for name in _JUDGED})


def compared_by(score: str) -> str:
    """What labels are compared by, in words."""
    return _WORDS[score]


def label_notes(labels: Sequence[str], score: str) -> list[str]:
    """What a reader must know of labels of which one is the beginning of another; nothing if none is."""
    pairs = [(one, other) for one in labels for other in labels if one != other and other.startswith(one)]
    if not pairs:
        return []
    shown = ", ".join(f"{one!r} of {other!r}" for one, other in pairs[:_SHOWN])
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    told = f"A label is the beginning of another: {shown}{more}. "
    if score == SUM:
        return [
            told + "By the sum of log-probabilities the longer one can never win where its tokens begin with those of "
            "the shorter one; only calibrated answers can be it. --label-score token or character compares means; "
            "the rows have all three."
        ]
    return [
        told + f"Compared by {_WORDS[score]}, the longer one gains from an end that its beginning gives away; the rows "
        "have the sum too."
    ]
