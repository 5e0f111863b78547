"""What Theorem 3.3 of Li et al. 2024 leads one to expect of a language model whose prompts are diluted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.crossed import crossed_rate, crossed_rate_difference
from iclscope.claims.intervals import Interval
from iclscope.language_models.evaluation.rows import AS_GIVEN, SHUFFLED
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.report import PAPER
from iclscope.language_models.selection.alpha import error_slope

FIGURE = "dose"
POINTS = 0.05
"""The margin of all claims: what a user would notice."""

NONE_AGAINST_ALL = "none against all"

_SOURCE = "Li et al. 2024, Theorem 3.3, carried over to a language model"
_SHUFFLED = Control("the same prompts with all labels shuffled", SHUFFLED)


def dose_claims(rows: pl.DataFrame) -> list[JudgedClaim]:
    """Judge what the rows allow.

    Args:
        rows: of `Dose`.

    Returns:
        Whether the error falls with α' at the most demonstrations, always; whether (α', l) and (2α', l/2) are alike
        where both were measured; whether more demonstrations repair the smallest α' above 0 where there are several
        numbers of them; whether the model beats logistic regression where α' = 1 was measured.
    """
    given = rows.filter(pl.col("arm") == AS_GIVEN)
    shots, alphas = (sorted(given[name].unique()) for name in ("shots", "alpha"))
    most = rows.filter((pl.col("shots") == shots[-1]) & pl.col("arm").is_in([AS_GIVEN, SHUFFLED]))
    found = [_slope(shots[-1]).judged(PAPER, FIGURE, most)]
    pairs = alike_pairs(shots, alphas)
    if pairs:
        found.append(_exchange(len(pairs)).judged(PAPER, FIGURE, _exchanged(given, pairs, shots[-1], alphas)))
    small = [alpha for alpha in alphas if 0 < alpha < 1]
    if small and len(shots) > 1:
        ends = [
            _correct(rows, arm, number, small[0]) for arm in (AS_GIVEN, SHUFFLED) for number in (shots[-1], shots[0])
        ]
        table = pl.concat([_differences(AS_GIVEN, ends[0] - ends[1]), _differences(SHUFFLED, ends[2] - ends[3])])
        found.append(_repair(small[0], shots).judged(PAPER, FIGURE, table))
    if alphas[-1] == 1 and "logistic_correct" in rows.columns:
        found.append(_worth(shots[-1]).judged(PAPER, FIGURE, most.filter(pl.col("alpha") == 1)))
    return found


def alike_pairs(shots: Sequence[int], alphas: Sequence[float]) -> list[tuple[tuple[float, int], tuple[float, int]]]:
    """The settings (α', l) and (2α', l/2) that were both measured: as many relevant demonstrations in each."""
    return [
        ((alpha, number), (2 * alpha, number // 2))
        for number in shots
        for alpha in alphas
        if alpha > 0 and 2 * alpha in alphas and number % 2 == 0 and number // 2 in shots
    ]


def _correct(rows: pl.DataFrame, arm: str, shots: int, alpha: float) -> Float64[np.ndarray, "draw query"]:
    part = rows.filter((pl.col("arm") == arm) & (pl.col("shots") == shots) & (pl.col("alpha") == alpha))
    return crossed(part, "calibrated_correct")


def _differences(arm: str, values: Float64[np.ndarray, "draw query"]) -> pl.DataFrame:
    draws, queries = values.shape
    return pl.DataFrame(
        {
            "arm": [arm] * values.size,
            "draw": np.repeat(np.arange(draws), queries),
            "query": np.tile(np.arange(queries), draws),
            "difference": values.reshape(-1),
        }
    )


def _mean_difference(rows: pl.DataFrame) -> Interval:
    return crossed_rate(crossed(rows, "difference"), lowest=-1.0)


def _exchanged(
    given: pl.DataFrame,
    pairs: Sequence[tuple[tuple[float, int], tuple[float, int]]],
    most: int,
    alphas: Sequence[float],
) -> pl.DataFrame:
    """Mean differences over the pairs; as a control those between the largest and the smallest α'."""
    between = [
        _correct(given, AS_GIVEN, number, alpha) - _correct(given, AS_GIVEN, half, double)
        for (alpha, number), (double, half) in pairs
    ]
    extremes = _correct(given, AS_GIVEN, most, alphas[-1]) - _correct(given, AS_GIVEN, most, alphas[0])
    mean: Float64[np.ndarray, "draw query"] = np.mean(between, axis=0)
    return pl.concat([_differences(AS_GIVEN, mean), _differences(NONE_AGAINST_ALL, extremes)])


def _slope(most: int) -> Claim:
    return Claim(
        id="dose-alpha",
        form="ours",
        statement=f"Of {most} demonstrations, the more are about the task, the smaller the error.",
        source=_SOURCE,
        quantity="rise of the calibrated error per unit of α', of the same query",
        expected=Region(high=-POINTS),
        reason="no number in the paper; five points between none and all are what a user would notice",
        estimate=error_slope,
        control=_SHUFFLED,
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )


def _exchange(pairs: int) -> Claim:
    return Claim(
        id="dose-exchange",
        form="ours",
        statement="Half the share α' among twice as many demonstrations does as well: what counts is α'·l.",
        source="Li et al. 2024, Theorem 3.3 and its prompt length ∝ 1/α', carried over to a language model",
        quantity=f"calibrated accuracy at (α', l) less that at (2α', l/2), mean over {pairs} such pairs",
        expected=Region(low=-POINTS, high=POINTS),
        reason="0 by the rule; five points to either side are what a user would notice",
        estimate=_mean_difference,
        control=Control("the largest α' less the smallest, at the most demonstrations", NONE_AGAINST_ALL),
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )


def _repair(alpha: float, shots: Sequence[int]) -> Claim:
    return Claim(
        id="dose-repair",
        form="ours",
        statement=f"At α' = {alpha:g} more demonstrations repair the small share: {shots[-1]} do better than "
        f"{shots[0]}.",
        source="Li et al. 2024, Theorem 3.3 and its prompt length ∝ 1/α', carried over to a language model",
        quantity=f"calibrated accuracy at {shots[-1]} demonstrations less that at {shots[0]}, at α' = {alpha:g}",
        expected=Region(low=POINTS),
        reason="the theory says only that it is better; five points are what a user would notice",
        estimate=_mean_difference,
        control=_SHUFFLED,
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )


def _worth(most: int) -> Claim:
    def gain(rows: pl.DataFrame) -> Interval:
        return crossed_rate_difference(crossed(rows, "calibrated_correct"), crossed(rows, "logistic_correct"))

    return Claim(
        id="dose-learner",
        form="ours",
        statement=f"With {most} relevant demonstrations the model answers better than logistic regression on its own "
        "hidden states.",
        source="Li et al. 2024, Section 1: in-context learning as learning from the demonstrations",
        quantity="calibrated accuracy of the model less that of logistic regression on the same demonstrations",
        expected=Region(low=POINTS),
        reason="a model that is asked costs far more; five points are the least that would be worth it",
        estimate=gain,
        control=_SHUFFLED,
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )
