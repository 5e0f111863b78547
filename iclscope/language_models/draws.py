"""Which queries are asked, and which pool demonstrations may come from: functions of a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from iclscope.errors import BadRequest, require
from iclscope.language_models.labelled_text import LabelledTexts, TextTask


class Asked(NamedTuple):
    """A task with its queries drawn.

    Attributes:
        name: of the task.
        pool: what demonstrations are taken from; no query is in it.
        queries: what is asked.
        classes: the labels to choose from.
    """

    name: str
    pool: LabelledTexts
    queries: LabelledTexts
    classes: tuple[str, ...]


def draw_queries(task: TextTask, count: int, seed: int) -> Asked:
    """Draw queries without replacement; what a query's text equals is taken out of the pool.

    Args:
        task: the texts.
        count: how many queries; where the task has queries of its own and fewer, all of them; where they come out of
            the pool, at most half of it.
        seed: of the draw.

    Raises:
        BadRequest: if nothing is left to draw from.
    """
    require(count >= 1, "--queries", count, "a whole number from 1 on")
    source = task.pool if task.queries is None else task.queries
    most = len(source.texts) // 2 if task.queries is None else len(source.texts)
    require(most >= 1, "DATA", task.name, "at least two texts")
    order = generator(seed, "queries").permutation(len(source.texts))
    queries = source.at(sorted(int(i) for i in order[: min(count, most)]))
    texts = set(queries.texts)
    pool = task.pool.at([i for i, text in enumerate(task.pool.texts) if text not in texts])
    missing = sorted(set(task.pool.classes) - set(pool.classes))
    if missing or not pool.texts:
        raise BadRequest(
            f"--queries = {count} is not allowed; allowed: fewer: "
            f"the pool would have no text of {', '.join(missing)} left"
        )
    return Asked(task.name, pool, queries, pool.classes)


def generator(*key: int | str) -> np.random.Generator:
    """Random numbers of a purpose: equal keys give equal numbers, others independent ones."""
    words = [part if isinstance(part, int) else int.from_bytes(part.encode(), "big") for part in key]
    return np.random.default_rng(np.random.SeedSequence(words))


def shuffled_labels(pool: LabelledTexts, seed: int) -> LabelledTexts:
    """The pool with its labels dealt anew at random: a control, in which a label says nothing of its text."""
    order = generator(seed, "shuffled labels").permutation(len(pool.labels))
    return LabelledTexts(pool.texts, tuple(pool.labels[i] for i in order))
