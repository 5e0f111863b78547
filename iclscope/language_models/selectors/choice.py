"""What a selector is given and gives, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from iclscope.errors import require
from iclscope.language_models.draws import Asked
from iclscope.language_models.loading import LanguageModel
from iclscope.language_models.selectors.at_random import balanced, random

SelectorName = Literal["random", "balanced"]
SELECTORS: tuple[SelectorName, ...] = get_args(SelectorName)


class Choice(NamedTuple):
    """The demonstrations of each query.

    Attributes:
        demonstrations: places in the pool, in the order of the prompt; one tuple per query.
        shared: whether all queries have the same.
    """

    demonstrations: tuple[tuple[int, ...], ...]
    shared: bool


_SHARED: dict[str, Callable[[Asked, int, int], tuple[int, ...]]] = {"random": random, "balanced": balanced}


def choose(name: str, language_model: LanguageModel, asked: Asked, shots: int, seed: int) -> Choice:
    """Choose demonstrations for each query.

    Args:
        name: one of `SELECTORS`.
        language_model: whose hidden states some selectors look at.
        asked: the pool and the queries.
        shots: how many demonstrations; 0 gives none.
        seed: of the draw.

    Raises:
        BadRequest: if there is no such selector or the pool has too few texts.
    """
    require(name in SELECTORS, "--selector", name, ", ".join(SELECTORS))
    allowed = f"at most {len(asked.pool.texts)}, the size of the pool"
    require(0 <= shots <= len(asked.pool.texts), "--shots", shots, allowed)
    return Choice((_SHARED[name](asked, shots, seed),) * len(asked.queries.texts), True)
