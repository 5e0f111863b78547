"""What Li et al. 2024 say of pruning, carried over to a language model, with controls."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.intervals import Interval
from iclscope.language_models.pruning.losses import MOST_LOSS, Point, prune_points
from iclscope.language_models.pruning.rows import PruneRows
from iclscope.language_models.report import PAPER

FIGURE = "pruning"
RATE = 0.2
"""At which the claims are judged: the share of small neurons in the paper's own trained model, ≈ 16 %, rounded up."""

MOST_LARGER = 1.5
"""How many times larger the perplexity may be."""

_LARGEST = Control("as many neurons of the largest norm", "largest")
_RANDOM = Control("as many neurons at random", "random")


def prune_claims(rows: PruneRows) -> list[JudgedClaim]:
    """Judge what was measured at a rate of 20 %.

    Args:
        rows: of `Pruning`.

    Returns:
        No claim of a score whose rows, or its control's, are missing.
    """
    points = [point for point in prune_points(rows) if math.isclose(point.rate, RATE)]
    # The estimates are means over two crossed samples, computed once for all; a claim picks its arm's.
    arms = pl.DataFrame({"arm": [point.score for point in points], "point": range(len(points))})
    claims = [one for one in _claims(points) if {one.arm, one.control.arm} <= set(arms["arm"])]
    return [one.judged(PAPER, FIGURE, arms) for one in claims]


def _claims(points: list[Point]) -> list[Claim]:
    def of(pick: Callable[[Point], Interval]) -> Callable[[pl.DataFrame], Interval]:
        return lambda rows: pick(points[rows["point"].item()])

    loss = of(lambda point: point.loss)
    ratio = of(lambda point: point.nll_ratio)
    lost = f"calibrated accuracy of the whole model less that without {100 * RATE:g} % of the neurons"
    larger = f"log of perplexity without {100 * RATE:g} % of the neurons over that of the whole model"
    why_loss = "the paper bounds the loss by a small number without giving it; five points are what a user would notice"
    why_ratio = (
        "no number in the paper; text that is half as surprising again per token still reads as the same language"
    )
    small = Region(high=MOST_LOSS)
    near = Region(high=math.log(MOST_LARGER))
    rule = "Li et al. 2024, Section 3.4 and Theorem 3.7, carried over to a language model"
    own = "iclscope's own: norms weighed by activity on demonstrations, where Theorem 3.7 goes by norms alone"
    return [
        Claim(
            id="prune-magnitude",
            form="ours",
            statement="Removing the neurons of the smallest norm hardly changes what the model answers in context.",
            source=rule,
            quantity=lost,
            expected=small,
            reason=why_loss,
            estimate=loss,
            control=_LARGEST,
            arm="magnitude",
            answer=answered(holds="hardly", fails="clearly"),
        ),
        Claim(
            id="prune-magnitude-text",
            form="ours",
            statement="Removing the neurons of the smallest norm hardly changes how the model reads text.",
            source=rule,
            quantity=larger,
            expected=near,
            reason=why_ratio,
            estimate=ratio,
            control=_LARGEST,
            arm="magnitude",
            answer=answered(holds="hardly", fails="clearly"),
        ),
        Claim(
            id="prune-activation",
            form="ours",
            statement="Removing what writes least on demonstrations hardly changes what the model answers in context.",
            source=own,
            quantity=lost,
            expected=small,
            reason=why_loss,
            estimate=loss,
            control=_RANDOM,
            arm="activation",
            answer=answered(holds="hardly", fails="clearly"),
        ),
        Claim(
            id="prune-activation-text",
            form="ours",
            statement="Removing what writes least on demonstrations hardly changes how the model reads text.",
            source=own,
            quantity=larger,
            expected=near,
            reason=why_ratio,
            estimate=ratio,
            control=_RANDOM,
            arm="activation",
            answer=answered(holds="hardly", fails="clearly"),
        ),
    ]
