"""The constants that Theorem 3.3 leaves open, taken once from a reference, and what the theorem then asks for.

The reference is the end of the ranges we try that lies farthest from the limit each law is about: the largest α, the
smallest β, the smallest M1, the largest η. A constant is 1.5 times what the most demanding of its 20 models needs, over what
the law asks for there; with 20 seeds the largest value is a 95 % upper bound on what one more would need. Its seeds are used
for nothing else. `docs/experiment_log.md`, "Constants of Theorem 3.3", has the run.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from iclscope.claims.reference import MARGIN
from iclscope.papers.li2024 import theory as li2024


class LawSetting(NamedTuple):
    """What the laws of Theorem 3.3 depend on.

    Attributes:
        alpha: share α of relevant columns in training.
        beta: pattern norm β.
        M1: number of relevant patterns.
        eta: step size η.
        epsilon: the risk ε to reach.
    """

    alpha: float
    beta: float
    M1: int
    eta: float
    epsilon: float = 0.1

    @property
    def name(self) -> str:
        """What differs from the reference, in the paper's symbols."""
        symbols = ("α", "β", "M1", "η", "ε")
        pairs = zip(symbols, self, REFERENCE_SETTING, strict=True)
        moved = [f"{symbol} = {value:g}" for symbol, value, standard in pairs if value != standard]
        return ", ".join(moved) or "the reference"


class Amounts(NamedTuple):
    """What a model gets: steps, context columns in training, neurons, prompts per step."""

    steps: float
    length: float
    width: float
    batch: float

    def rounded(self) -> Amounts:
        """The next whole numbers."""
        return Amounts(*map(math.ceil, self))


REFERENCE_SETTING = LawSetting(alpha=0.8, beta=1.0, M1=4, eta=1.0)
NEEDS = Amounts(steps=1284, length=4, width=8, batch=16)
"""The most that any of the 20 models of the reference needed: steps with the other three at 1.5 times their own need."""

NEEDED_TESTING_LENGTH = 6
"""The same of the testing length, at α' = 1."""


def laws(setting: LawSetting) -> Amounts:
    """What Theorem 3.3 asks for, constants 1."""
    alpha, beta, M1, eta, epsilon = setting
    return Amounts(
        steps=li2024.training_steps(eta=eta, alpha=alpha, beta=beta, M1=M1),
        length=li2024.training_length(alpha=alpha, beta=beta, M1=M1),
        width=li2024.width(M1=M1),
        batch=li2024.batch_size(epsilon=epsilon, M1=M1),
    )


CONSTANTS = Amounts(*(MARGIN * need / law for need, law in zip(NEEDS, laws(REFERENCE_SETTING), strict=True)))
"""c of each law."""

TESTING_CONSTANT = MARGIN * NEEDED_TESTING_LENGTH
"""c of l_ts ≥ c/α'."""


def prescribed(setting: LawSetting) -> Amounts:
    """C times what the theorem asks for, of everything at once, as whole numbers."""
    return Amounts(*(c * law for c, law in zip(CONSTANTS, laws(setting), strict=True))).rounded()


def prescribed_testing_length(alpha_test: float) -> int:
    """c/α', as a whole number."""
    return math.ceil(TESTING_CONSTANT / alpha_test)
