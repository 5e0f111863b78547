"""Questions of ours beside the claims of Garg 2022: what the models of this run do, however short their training was.

A training shorter than the published one cannot refute a claim of the paper, which then holds or stays open
(`rows.bound`). Of the models themselves everything was measured, so whether they do as claimed has an answer either way.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim


def with_questions(*claims: Claim) -> tuple[Claim, ...]:
    """Claims of the paper, each followed by its question of ours."""
    return tuple(one for claim in claims for one in (claim, _question(claim)))


def _question(claim: Claim) -> Claim:
    """Whether the models of this run do as claimed: the same quantity, region and control, with both ends measured."""
    return replace(
        claim,
        id=f"{claim.id}-here",
        form="ours",
        statement=f"Is this so of the models trained here? {claim.statement}",
        reason="the region of the claim, which is asked of these models themselves, not of the published training",
        estimate=lambda rows: claim.estimate(rows.with_columns(short=pl.lit(False))),
        answer=answered(holds="yes", fails="no"),
    )
