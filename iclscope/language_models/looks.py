"""Measuring until the claims are decided: looks at more and more draws, which share one error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.intervals import LEVEL
from iclscope.language_models.settings import LOOKS

LOOK_LEVEL = 1 - (1 - LEVEL) / len(LOOKS)
"""Level of the intervals by which claims are judged at each look.

With a quarter of the error at each of four looks, at most 5 % of the claims whose quantity lies on the edge of their
region are ever decided, however the looks depend on each other (Bonferroni's inequality).
"""


class Look(NamedTuple):
    """What was known after so many draws.

    Attributes:
        draws: how many.
        claims: judged by intervals of level `LOOK_LEVEL`.
    """

    draws: int
    claims: Sequence[JudgedClaim]

    @property
    def is_decided(self) -> bool:
        """Whether no claim is open."""
        return all(claim.verdict != "inconclusive" for claim in self.claims)

    def noted(self) -> Mapping[str, Any]:
        """The same, ready for JSON."""
        return {"draws": self.draws, "verdicts": {one.claim.id: one.verdict for one in self.claims}}


def looks_note(looks: Sequence[Look]) -> str:
    """What a reader must know of them."""
    last = looks[-1]
    end = "every claim was decided" if last.is_decided else "some claims were still open"
    return (
        f"Draws were added until the claims were decided: after {', '.join(str(one.draws) for one in looks)} draws, "
        f"and then {end}. Claims are judged by intervals of {100 * LOOK_LEVEL:g} %, so that at most 5 % of the claims "
        f"on the edge of their region are ever decided; --draws {last.draws} repeats the rows."
    )
