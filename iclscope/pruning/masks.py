"""Masks of the neurons to keep when a share is removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.core.arguments import expect_instance, real_number, seeds_from
from iclscope.core.errors import one_of_these, require
from iclscope.core.random_streams import RandomStream

Method = Literal["smallest", "random", "largest"]
METHODS: tuple[Method, ...] = ("smallest", "random", "largest")


def kept_neurons(
    scores: Float[Tensor, "run width"], rate: float, method: Method, *, seeds: Sequence[int] | None = None
) -> Bool[Tensor, "run width"]:
    """Keep all but a share ``rate`` of the neurons.

    Args:
        scores: how much each neuron matters.
        rate: share to remove, 0 … 1; round(rate·width) neurons go.
        method: remove the smallest scores first, the largest first, or at random.
        seeds: one per run, for ``random`` only. Rates of one seed are nested: what goes at 10 % is gone at 20 %.

    Raises:
        BadRequest: if the rate is no share, ``random`` has no seeds, or a score is NaN.
    """
    expect_instance("scores", scores, Tensor)
    rate = real_number("pruning rate", rate)
    require(0 <= rate <= 1, "pruning rate", rate, "a number in [0, 1]")
    require(method in METHODS, "pruning method", method, one_of_these(METHODS))
    if method == "random":
        require(seeds is not None, "seeds", seeds, "one per run, for random pruning")
        chosen = seeds_from(seeds)
        require(len(chosen) == len(scores), "seeds", seeds, "one per run, for random pruning")
        stream = RandomStream.from_seeds(chosen, "pruning", scores.device)
        order = stream.uniform(scores.shape[1])
    else:
        bad = int(scores.isnan().sum())
        require(bad == 0, "scores", f"{bad} that are no numbers", "numbers, which can be put in order")
        order = scores if method == "smallest" else -scores
    rank = order.argsort(dim=1).argsort(dim=1)
    return rank >= round(rate * scores.shape[1])


def kept_of_group(group: Bool[Tensor, "run width"], share: float, seeds: Sequence[int]) -> Bool[Tensor, "run width"]:
    """Keep all neurons but a random share of one group (the large ones, say).

    Args:
        group: the neurons that may be removed.
        share: R, the share of the group to remove, 0 … 1; shares of one seed are nested.
        seeds: one per run.
    """
    expect_instance("group", group, Tensor)
    share = real_number("share", share)
    seeds = seeds_from(seeds)
    require(0 <= share <= 1, "share", share, "a number in [0, 1]")
    require(len(seeds) == len(group), "seeds", seeds, "one per run")
    uniform = RandomStream.from_seeds(seeds, "pruning", group.device).uniform(group.shape[1])
    # The others come last, so that only members of the group are ever removed.
    rank = uniform.masked_fill(~group, torch.inf).argsort(dim=1).argsort(dim=1)
    removed = (share * group.sum(dim=1, keepdim=True)).round()
    return rank >= removed
