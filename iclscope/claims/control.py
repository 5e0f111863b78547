"""The control of a claim: the same measurement where it cannot be true."""

from __future__ import annotations

from dataclasses import dataclass

UNTRAINED, UNTRAINED_TEXT = "untrained", "the same models at their initial values"
"""Arm and description of the most common control."""


@dataclass(frozen=True)
class Control:
    """The same measurement where the claim cannot be true; it must fail.

    Attributes:
        description: what was done to the model or the data.
        arm: the rows it is measured on (column ``arm``).
    """

    description: str
    arm: str
