"""What the doses say in a sentence: how many demonstrations may be irrelevant, and where wrong labels win."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import polars as pl

from iclscope.claims.crossed import crossed_rate_difference
from iclscope.language_models.dilution.claims import POINTS
from iclscope.language_models.evaluation.rows import AS_GIVEN
from iclscope.language_models.prompts.answers import crossed


def most_irrelevant(rows: pl.DataFrame, shots: int) -> float | None:
    """The largest share of irrelevant demonstrations that is seen to cost at most five points.

    Shares are tested from small to large, against none; the first whose whole 95 % interval of the paired loss does not
    lie below five points ends it, so that no correction for many tests is due.

    Args:
        rows: of `Dose`.
        shots: how many demonstrations.

    Returns:
        The share; 0 where already the smallest may cost more; None where prompts without irrelevant ones are missing.
    """
    part = rows.filter((pl.col("arm") == AS_GIVEN) & (pl.col("shots") == shots))
    alphas = sorted(part["alpha"].unique(), reverse=True)
    if not alphas or alphas[0] != 1:
        return None
    whole, found = crossed(part.filter(pl.col("alpha") == 1), "calibrated_correct"), 0.0
    for alpha in alphas[1:]:
        loss = crossed_rate_difference(whole, crossed(part.filter(pl.col("alpha") == alpha), "calibrated_correct"))
        if loss.high > POINTS:
            break
        found = 1 - float(alpha)
    return found


def sentences(rows: pl.DataFrame, *, what: str = "irrelevant") -> list[str]:
    """One for each number of demonstrations.

    Args:
        rows: of `Dose`.
        what: what the others are: irrelevant, or wrongly labelled.
    """
    found = []
    for shots in sorted(rows["shots"].unique()):
        share = most_irrelevant(rows, shots)
        if share is None:
            continue
        if share > 0:
            found.append(
                f"at {shots} demonstrations this model loses at most 5 points while no more than {100 * share:.0f} % "
                f"are {what}"
            )
        else:
            least = 1 - max(alpha for alpha in rows.filter(pl.col("shots") == shots)["alpha"].unique() if alpha < 1)
            found.append(
                f"at {shots} demonstrations a loss of more than 5 points is not excluded even where "
                f"{100 * least:.0f} % are {what}"
            )
    return found


def crossing(alphas: Sequence[float], accuracy: Sequence[float], chance: float) -> float | None:
    """The α' at which accuracy rises through chance, on straight lines between those measured; None if it does not."""
    points = sorted(zip(alphas, accuracy, strict=True))
    for (low, below), (high, above) in pairwise(points):
        if below < chance <= above:
            return low + (high - low) * (chance - below) / (above - below)
    return None
