"""Demonstrations that know nothing of the query: the same for all queries of a draw."""

from __future__ import annotations

from itertools import chain, zip_longest

from iclscope.language_models.prompts.draws import SampledTask, generator

AT_RANDOM = ("random", "balanced")
"""The selectors of this file."""


def random(sampled: SampledTask, shots: int, seed: int) -> tuple[int, ...]:
    """Uniform without replacement; of one seed, fewer shots are the first of more."""
    order = generator(seed, "random demonstrations").permutation(len(sampled.pool.texts))
    return tuple(int(i) for i in order[:shots])


def balanced(sampled: SampledTask, shots: int, seed: int) -> tuple[int, ...]:
    """As many of each class as possible, in random order within each round through the classes.

    Of one seed, fewer shots are the first of more.
    """
    numbers = generator(seed, "balanced demonstrations")
    labels = sampled.pool.labels
    of_class = [
        [int(i) for i in numbers.permutation([i for i, label in enumerate(labels) if label == kind])]
        for kind in sampled.classes
    ]
    rounds = [[i for i in each if i is not None] for each in zip_longest(*of_class)]
    mixed = chain.from_iterable([each[int(j)] for j in numbers.permutation(len(each))] for each in rounds)
    return tuple(mixed)[:shots]
