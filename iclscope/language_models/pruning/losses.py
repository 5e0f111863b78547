"""What was lost at each rate, against the whole model on the same queries and texts; and which rate to take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64

from iclscope.claims.crossed import crossed_rate, crossed_rate_difference
from iclscope.claims.intervals import LEVEL, Interval
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.pruning.perplexity import per_token
from iclscope.language_models.pruning.rows import WHOLE, PruneRows

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
        nll: −log p per token of held-out text.
        nll_ratio: the same less that of the whole model, over the same texts: the logarithm of how many times
            larger the perplexity is.
    """

    score: str
    rate: float
    accuracy: Interval
    calibrated: Interval
    loss: Interval
    nll: Interval
    nll_ratio: Interval


def prune_points(rows: PruneRows) -> list[Point]:
    """Means with 95 % intervals over draws and queries, or draws and texts; the whole model first."""
    keys = rows.answers.select("score", "rate").unique(maintain_order=True).rows()
    whole = crossed(_at(rows.answers, WHOLE, 0.0), "calibrated_correct")
    read, predicted = _nlls(rows.texts, WHOLE, 0.0)
    found = []
    for score, rate in keys:
        part = _at(rows.answers, score, rate)
        fair = crossed(part, "calibrated_correct")
        here, _ = _nlls(rows.texts, score, rate)
        found.append(
            Point(
                score=score,
                rate=rate,
                accuracy=crossed_rate(crossed(part, "correct")),
                calibrated=crossed_rate(fair),
                loss=crossed_rate_difference(whole, fair),
                nll=per_token(here, predicted),
                nll_ratio=per_token(here - read, predicted),
            )
        )
    return found


def _at(rows: pl.DataFrame, score: str, rate: float) -> pl.DataFrame:
    return rows.filter((pl.col("score") == score) & (pl.col("rate") == rate))


def _nlls(
    rows: pl.DataFrame, score: str, rate: float
) -> tuple[Float64[np.ndarray, "draw text"], Float64[np.ndarray, " text"]]:
    part = _at(rows, score, rate).sort("draw", "text")
    nlls = part["surprise"].to_numpy().reshape(part["draw"].n_unique(), -1)
    return nlls, part["tokens"].to_numpy()[: nlls.shape[1]].astype(np.float64)


class Recommendation(NamedTuple):
    """What to remove.

    Attributes:
        score: by which score; None: nothing can be removed.
        rate: the share; 0: nothing.
        loss: of calibrated accuracy there; None at rate 0.
        reason: the rule and what it found, in a sentence.
        warnings: how many queries would be needed, where too few were asked to recommend anything.
        rates: the largest free rate of every score, controls among them; empty where the model has nothing to lose.
    """

    score: str | None
    rate: float
    loss: Interval | None
    reason: str
    warnings: tuple[str, ...] = ()
    rates: Mapping[str, float] = MappingProxyType({})


MOST_LOSS = 0.05
"""How much accuracy may be lost: the margin of the claims and of what is recommended."""


def is_free(point: Point) -> bool:
    """Whether a rate is seen not to cost more than `MOST_LOSS`: a test of non-inferiority, at 2.5 %.

    The whole 95 % interval of the loss, paired over draws and queries, lies below the margin. Not to see a loss is not
    enough: the fewer queries, the less is seen.
    """
    return point.loss.high <= MOST_LOSS


def largest_free_rate(points: list[Point], score: str) -> float:
    """The largest measured rate of a score such that it and all smaller ones are free.

    The rates are tested from small to large, and the first one that is not free ends it, so that all tests together err
    no more often than one (a fixed sequence).

    Returns:
        0 where the smallest rate is not free.
    """
    found = 0.0
    for point in sorted((point for point in points if point.score == score), key=lambda point: point.rate):
        if not is_free(point):
            break
        found = point.rate
    return found


def chosen_score(points: list[Point]) -> str | None:
    """The score with the lowest NLL of texts of the pool, on average over the rates; None of controls alone.

    Queries have no say in it: they test the rates, and a score that was chosen by them would look better than it is.
    """
    nlls: dict[str, list[float]] = {}
    for point in points:
        if point.score not in (WHOLE, *CONTROLS):
            nlls.setdefault(point.score, []).append(point.nll_ratio.value)
    return min(nlls, key=lambda score: float(np.mean(nlls[score])), default=None)


def queries_needed(point: Point, queries: int) -> int | None:
    """How many queries would have shown that a rate is free, if they go on as they did; None if it costs too much.

    The interval shrinks with the root of their number, but what no query showed may still happen (`crossed_rate`).
    """
    room = MOST_LOSS - point.loss.value
    if room <= 0:
        return None
    half, least = point.loss.high - point.loss.value, 1 - ((1 - LEVEL) / 2) ** (1 / queries)
    scaled = queries * (half / room) ** 2 if half > least + 1e-12 else 0.0
    unseen = math.log((1 - LEVEL) / 2) / math.log(1 - room)
    return math.ceil(max(scaled, unseen))


def recommend(points: list[Point], chance: float, *, queries: int = 0) -> Recommendation:
    """The largest rate that is seen to cost no more than `MOST_LOSS`, by the score that texts of the pool choose.

    Nothing is recommended where the whole model is not seen to answer better than chance: it has nothing to lose.

    Args:
        points: of `prune_points`.
        chance: accuracy of always giving the most frequent label.
        queries: how many were asked, for how many more would be needed; 0: nothing is said of that.
    """
    whole = next(point for point in points if point.score == WHOLE)
    if whole.calibrated.low <= chance:
        reason = (
            f"nothing is recommended: the whole model is not seen to answer better than chance ({100 * chance:.0f} %)."
        )
        return Recommendation(None, 0.0, None, reason)
    scores = dict.fromkeys(point.score for point in points if point.score != WHOLE)
    rates = {score: largest_free_rate(points, score) for score in scores}
    score = chosen_score(points)
    if score is None:
        reason = "nothing is recommended: only controls were measured, which choose neurons badly on purpose."
        return Recommendation(None, 0.0, None, reason, rates=rates)
    of_score = {point.rate: point for point in points if point.score == score}
    rate = rates[score]
    if rate == 0:
        first = of_score[min(of_score)]
        reason = (
            f"nothing is recommended: without {100 * first.rate:g} % of the neurons, chosen by {score}, the loss of "
            f"{_points(first.loss)} is not seen to stay below {100 * MOST_LOSS:g} points."
        )
        return Recommendation(None, 0.0, None, reason, tuple(_more_needed(first, queries)), rates)
    best = of_score[rate]
    reason = (
        f"{100 * rate:g} % of the neurons, chosen by {score}, may go: the paired loss of calibrated accuracy, "
        f"{_points(best.loss)}, is seen to stay below {100 * MOST_LOSS:g} points there and at all smaller rates."
    )
    return Recommendation(score, rate, best.loss, reason, rates=rates)


def _more_needed(point: Point, queries: int) -> list[str]:
    """How many queries would have been enough, where more could be."""
    needed = queries_needed(point, queries) if queries else None
    if needed is None or needed <= queries:
        return []
    return [
        f"Too few queries to recommend anything: about {needed} instead of {queries} would show whether "
        f"{100 * point.rate:g} % of the neurons may go (--queries, in another folder)."
    ]


def _points(loss: Interval) -> str:
    return f"{100 * loss.value:.1f} [{100 * loss.low:.1f}, {100 * loss.high:.1f}] points"
