"""What Li et al. 2024 advise on demonstrations, carried over to a language model, with controls."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from jaxtyping import Float64

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.crossed import crossed_rate_difference
from iclscope.claims.intervals import Interval
from iclscope.language_models.evaluation.rows import AS_GIVEN, OTHER_PATTERNS
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.report import PAPER
from iclscope.language_models.selection.alpha import error_slope, saved_shots

FIGURE = "selectors"
BALANCED, PATTERN = "balanced", "pattern"
ELSEWHERE = "patterns of other queries"

LEAST_GAIN = 0.02
MOST_SLOPE = -0.05
LEAST_SAVING = 0.5

_SOURCE = "Li et al. 2024, Theorem 3.3 and its prompt length ∝ 1/α', carried over to a language model"
_OTHER = Control("demonstrations of the patterns farthest from the query's, labels balanced", OTHER_PATTERNS)


def select_claims(rows: pl.DataFrame) -> list[JudgedClaim]:
    """Judge whether demonstrations with the query's pattern help.

    Args:
        rows: of `Selection`.

    Returns:
        No claim without the selectors ``balanced`` and ``pattern``; none on numbers of shots if there was one only.
    """
    arms = claim_rows(rows)
    if arms is None:
        return []
    claims = [_accuracy(), _slope()]
    if rows["shots"].n_unique() > 1:
        claims.append(_shots(arms))
    return [claim.judged(PAPER, FIGURE, arms) for claim in claims]


def claim_rows(rows: pl.DataFrame) -> pl.DataFrame | None:
    """The rows of ``balanced`` and ``pattern`` as three arms; None if one is missing.

    As given: both selectors, with ``far`` (rows of other patterns) beside them for the slope. Other patterns: the same
    with the control in the place of ``pattern``. Patterns of other queries: as given, with their α'.
    """
    base = rows.filter((pl.col("arm") == AS_GIVEN) & (pl.col("selector") == BALANCED))
    near = rows.filter((pl.col("arm") == AS_GIVEN) & (pl.col("selector") == PATTERN))
    far = rows.filter(pl.col("arm") == OTHER_PATTERNS)
    if base.is_empty() or near.is_empty():
        return None
    beside = far.with_columns(selector=pl.lit("far"))
    given = pl.concat([base, near, beside]).with_columns(arm=pl.lit(AS_GIVEN))
    swapped = pl.concat([base, far]).with_columns(arm=pl.lit(OTHER_PATTERNS))
    elsewhere = given.with_columns(arm=pl.lit(ELSEWHERE), alpha=pl.col("alpha_elsewhere"))
    return pl.concat([given, swapped, elsewhere])


def _correct(rows: pl.DataFrame, selector: str) -> Float64[np.ndarray, "shots draw query"]:
    rows = rows.filter(pl.col("selector") == selector)
    return np.stack(
        [crossed(rows.filter(pl.col("shots") == n), "calibrated_correct") for n in sorted(rows["shots"].unique())]
    )


def _gain(rows: pl.DataFrame) -> Interval:
    near, base = (_correct(rows, name).mean(axis=0) for name in (PATTERN, BALANCED))
    return crossed_rate_difference(near, base)


def mean_alpha(rows: pl.DataFrame) -> float:
    """Mean α' over queries, draws and numbers of shots, where there are demonstrations."""
    return float(rows["alpha"].drop_nans().to_numpy().mean())


def _accuracy() -> Claim:
    return Claim(
        id="select-pattern",
        form="ours",
        statement="Demonstrations that share the query's pattern let the model answer better than others do.",
        source=_SOURCE,
        quantity=f"calibrated accuracy with {PATTERN} less that with {BALANCED}, mean over all numbers of shots",
        expected=Region(low=LEAST_GAIN),
        reason="the theory says only that it is better; two points are the least for which one would choose per query",
        estimate=_gain,
        control=_OTHER,
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )


def _slope() -> Claim:
    return Claim(
        id="select-alpha",
        form="ours",
        statement="The larger the share α' of demonstrations with the query's pattern, the smaller the error.",
        source=_SOURCE,
        quantity="rise of the calibrated error per unit of α', of the same query at the same number of shots, over "
        f"{BALANCED}, {PATTERN} and other patterns",
        expected=Region(high=MOST_SLOPE),
        reason="no number in the paper; five points between none and all are what a user would notice",
        estimate=error_slope,
        control=Control("α' counted with the pattern of another query, drawn at random", ELSEWHERE),
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )


def _shots(arms: pl.DataFrame) -> Claim:
    given = arms.filter(pl.col("arm") == AS_GIVEN)
    shares = [mean_alpha(given.filter(pl.col("selector") == name)) for name in (PATTERN, BALANCED)]
    predicted = math.log2(shares[0] / shares[1]) if min(shares) > 0 and shares[0] > shares[1] else math.nan

    def part(rows: pl.DataFrame) -> Interval:
        if math.isnan(predicted):
            return Interval(math.nan, -math.inf, math.inf, rows["draw"].n_unique())
        shots = sorted(rows["shots"].unique())
        saved = saved_shots(shots, _correct(rows, BALANCED), _correct(rows, PATTERN))
        return Interval(saved.value / predicted, saved.low / predicted, saved.high / predicted, saved.seeds)

    return Claim(
        id="select-shots",
        form="ours",
        statement="Shots needed for the same accuracy fall as 1/α'.",
        source=_SOURCE,
        quantity=f"log of shots of {BALANCED} over those of {PATTERN} for what {BALANCED} reaches at its most, over "
        "the log of the ratio of their mean α'; 1 if ∝ 1/α', minus infinity where it is not reached",
        expected=Region(low=LEAST_SAVING),
        reason="1 by the theory, which is one of orders of magnitude; half of it on a log scale is the least that "
        "could be called its rule",
        estimate=part,
        control=_OTHER,
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )
