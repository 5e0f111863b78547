"""What was lost at each rate, against the whole model on the same queries and texts; and which rate to take."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64

from iclscope.evaluation.crossed import crossed_rate, crossed_rate_difference
from iclscope.evaluation.intervals import Interval
from iclscope.language_models.answers import crossed
from iclscope.language_models.perplexity import per_token
from iclscope.language_models.prune import WHOLE, PruneRows

CONTROLS = ("random", "largest")
"""Scores that are measured to compare with, not to be recommended."""


class Point(NamedTuple):
    """What was measured at a rate of a score.

    Attributes:
        score: by what neurons were chosen.
        rate: the share that was removed.
        accuracy: before calibration.
        calibrated: accuracy after contextual calibration.
        loss: calibrated accuracy of the whole model less that here, over the same draws and queries.
        surprise: −log p per token of held-out text.
        surprise_ratio: the same less that of the whole model, over the same texts: the logarithm of how many times
            larger the perplexity is.
    """

    score: str
    rate: float
    accuracy: Interval
    calibrated: Interval
    loss: Interval
    surprise: Interval
    surprise_ratio: Interval


def prune_points(rows: PruneRows) -> list[Point]:
    """Means with 95 % intervals over draws and queries, or draws and texts; the whole model first."""
    keys = rows.answers.select("score", "rate").unique(maintain_order=True).rows()
    whole = crossed(_at(rows.answers, WHOLE, 0.0), "calibrated_correct")
    read, predicted = _surprise(rows.texts, WHOLE, 0.0)
    found = []
    for score, rate in keys:
        part = _at(rows.answers, score, rate)
        fair = crossed(part, "calibrated_correct")
        here, _ = _surprise(rows.texts, score, rate)
        found.append(
            Point(
                score=score,
                rate=rate,
                accuracy=crossed_rate(crossed(part, "correct")),
                calibrated=crossed_rate(fair),
                loss=crossed_rate_difference(whole, fair),
                surprise=per_token(here, predicted),
                surprise_ratio=per_token(here - read, predicted),
            )
        )
    return found


def _at(rows: pl.DataFrame, score: str, rate: float) -> pl.DataFrame:
    return rows.filter((pl.col("score") == score) & (pl.col("rate") == rate))


def _surprise(
    rows: pl.DataFrame, score: str, rate: float
) -> tuple[Float64[np.ndarray, "draw text"], Float64[np.ndarray, " text"]]:
    part = _at(rows, score, rate).sort("draw", "text")
    surprise = part["surprise"].to_numpy().reshape(part["draw"].n_unique(), -1)
    return surprise, part["tokens"].to_numpy()[: surprise.shape[1]].astype(np.float64)


class Recommendation(NamedTuple):
    """What to remove.

    Attributes:
        score: by which score; None: nothing can be removed.
        rate: the share; 0: nothing.
        loss: of calibrated accuracy there; None at rate 0.
        reason: the rule and what it found, in a sentence.
        warnings: what makes the rule lenient here.
        rates: the largest free rate of every score, controls among them; empty where the model has nothing to lose.
    """

    score: str | None
    rate: float
    loss: Interval | None
    reason: str
    warnings: tuple[str, ...] = ()
    rates: Mapping[str, float] = MappingProxyType({})


LENIENT = 0.05
"""A loss that the interval should exclude where nothing is said about leniency."""


def largest_free_rate(points: list[Point], score: str) -> float:
    """The largest measured rate of a score such that there, and at all smaller ones, nothing is seen to be lost.

    Nothing is seen to be lost at a rate where both hold: its calibrated accuracy is not below the 95 % interval of the
    whole model's, and the 95 % interval of the loss, paired over draws and queries, does not lie above 0.

    Returns:
        0 where the smallest rate loses already.
    """
    floor = next(point for point in points if point.score == WHOLE).calibrated.low
    found = 0.0
    for point in sorted((point for point in points if point.score == score), key=lambda point: point.rate):
        if point.calibrated.value < floor or point.loss.low > 0:
            break
        found = point.rate
    return found


def recommend(points: list[Point], chance: float) -> Recommendation:
    """The largest rate whose loss is within the interval of none, over all scores but the controls.

    Of scores with the same rate, the one that loses least. Nothing is recommended where the whole model is not seen to
    answer better than chance: it has nothing to lose.

    Args:
        points: of `prune_points`.
        chance: accuracy of always giving the most frequent label.
    """
    whole = next(point for point in points if point.score == WHOLE)
    if whole.calibrated.low <= chance:
        reason = (
            f"nothing is recommended: the whole model is not seen to answer better than chance ({100 * chance:.0f} %)."
        )
        return Recommendation(None, 0.0, None, reason)
    scores = dict.fromkeys(point.score for point in points if point.score != WHOLE)
    rates = {score: largest_free_rate(points, score) for score in scores}
    chosen = [point for point in points if rates.get(point.score) == point.rate and point.score not in CONTROLS]
    if not chosen:
        reason = "nothing is recommended: no score but the controls removes the smallest rate without a loss."
        return Recommendation(None, 0.0, None, reason, rates=rates)
    best = max(chosen, key=lambda point: (point.rate, -point.loss.value))
    reason = (
        f"{100 * best.rate:g} % of the neurons, chosen by {best.score}, may go: calibrated accuracy there is within "
        f"the 95 % interval of the whole model's, the paired loss of {_points(best.loss)} is not seen to differ from "
        "0, and so at all smaller rates."
    )
    return Recommendation(best.score, best.rate, best.loss, reason, tuple(_warnings(best)), rates)


def _warnings(best: Point) -> list[str]:
    found = []
    if best.loss.high > LENIENT:
        found.append(
            f"The interval is wide: a loss of up to {100 * best.loss.high:.1f} points is not excluded; more "
            "--draws narrow it (what is finished is kept), or more --queries in another folder."
        )
    return found


def _points(loss: Interval) -> str:
    return f"{100 * loss.value:.1f} [{100 * loss.low:.1f}, {100 * loss.high:.1f}] points"
