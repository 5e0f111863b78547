"""What Li et al. 2024 say of attention, carried over to the heads of a language model, with controls."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.crossed import crossed_mean
from iclscope.claims.intervals import Interval
from iclscope.language_models.evaluation.rows import SHUFFLED
from iclscope.language_models.heads.concentration import WHOLE, WORDS, concentrations
from iclscope.language_models.heads.rows import NEAREST, NEAREST_OTHER, OWN_LABEL, RANDOM_QUERY, SAME_LABEL
from iclscope.language_models.report import PAPER

FIGURE = "attention"

BEST = 5
"""How many heads the claims are about."""

LEAST_CONCENTRATION = 0.1

_SOURCE = "Li et al. 2024, Proposition 4.1, carried over to a language model"
_RANDOM_QUERY = Control("the label of each query is that of another query", RANDOM_QUERY)


def best_heads(part: str) -> Callable[[pl.DataFrame], Interval]:
    """Mean concentration of the best heads: chosen on half of the queries, measured on the other half.

    Measured where they were chosen, the largest of many numbers would look like a preference even where there is none.

    Args:
        part: which tokens of a demonstration count.

    Returns:
        Rows of one arm → mean with its interval over draws and queries.
    """

    def estimate(rows: pl.DataFrame) -> Interval:
        measured = concentrations(rows, part)
        chosen = measured.of_half(0).ranked()[:BEST]
        return crossed_mean(measured.of_half(1).balanced[chosen].mean(axis=0))

    return estimate


def attention_claims(rows: pl.DataFrame) -> list[JudgedClaim]:
    """Judge whether attention concentrates.

    Args:
        rows: of `Attention`.
    """
    heads = f"the {BEST} best heads, chosen on half of the queries and measured on the other half"
    quantity = f"attention to {{}} over that to all, less their share, mean over {heads}"
    expected = Region(low=LEAST_CONCENTRATION)
    reason = (
        "in the paper it grows until nearly all attention lies there; a tenth above the share is 60 to 40 with two "
        "labels, the least that would matter to how demonstrations are weighed"
    )
    claims = [
        Claim(
            id="attention-concentrates",
            form="ours",
            statement="Some heads look from the query at the demonstrations of its label more than at the others.",
            source=_SOURCE,
            quantity=quantity.format("demonstrations of the query's label"),
            expected=expected,
            reason=reason,
            estimate=best_heads(WHOLE),
            control=Control("the demonstrations bear each other's labels, dealt at random", SHUFFLED),
            arm=SAME_LABEL,
            answer=answered(holds="some do", fails="none does"),
        ),
        Claim(
            id="attention-label-words",
            form="ours",
            statement="Some heads look from the query at the written labels that are its own more than at the others.",
            source=_SOURCE,
            quantity=quantity.format("labels that are the query's"),
            expected=expected,
            reason=reason,
            estimate=best_heads(WORDS),
            control=_RANDOM_QUERY,
            arm=SAME_LABEL,
            answer=answered(holds="some do", fails="none does"),
        ),
        Claim(
            id="attention-follows-text",
            form="ours",
            statement="Some heads look at demonstrations whose text is of the query's kind even if they bear a wrong "
            "label: they go by the pattern in the text, not by the label behind it.",
            source=_SOURCE,
            quantity=quantity.format(
                "demonstrations whose text had the query's label before labels were dealt at random"
            ),
            expected=expected,
            reason=reason,
            estimate=best_heads(WHOLE),
            control=_RANDOM_QUERY,
            arm=OWN_LABEL,
            answer=answered(holds="some do", fails="none does"),
        ),
        Claim(
            id="attention-nearest-pattern",
            form="ours",
            statement="Some heads look at the half of the demonstrations that are nearest to the query in pattern, "
            "whatever their labels, more than at the others.",
            source=_SOURCE,
            quantity=quantity.format("the nearest half of the demonstrations"),
            expected=expected,
            reason=reason,
            estimate=best_heads(WHOLE),
            control=Control("the half that is nearest to another query", NEAREST_OTHER),
            arm=NEAREST,
            answer=answered(holds="some do", fails="none does"),
        ),
    ]
    return [claim.judged(PAPER, FIGURE, rows) for claim in claims]
