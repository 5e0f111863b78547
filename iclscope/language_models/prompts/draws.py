"""Which queries are asked, and which pool demonstrations may come from: functions of a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from iclscope.core.errors import Verbatim, refused, require
from iclscope.language_models.texts.labelled_text import LabelledTexts, TextTask
from iclscope.language_models.texts.repeats import LeftOut, rows_by_text


class SampledTask(NamedTuple):
    """A task with its queries drawn.

    Attributes:
        name: of the task.
        pool: what demonstrations are taken from; no query is in it.
        queries: what is asked.
        classes: the labels to choose from.
        left_out: how many rows were left out of pool and queries, and why.
    """

    name: str
    pool: LabelledTexts
    queries: LabelledTexts
    classes: tuple[str, ...]
    left_out: LeftOut = LeftOut()


def draw_queries(task: TextTask, count: int, seed: int) -> SampledTask:
    """Draw queries without replacement; what has a query's text is taken out of the pool.

    Texts are the same if they are up to case, spaces, Unicode form and full stops at the end (`folded`). Each text is
    asked once, and none that has several labels; a row that repeats another one stands in the pool once.

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
    rows = rows_by_text(*source)
    most = len(rows.once) // 2 if task.queries is None else len(rows.once)
    require(most >= 1, "DATA", task.name, "at least two texts, each with one label")
    order = generator(seed, "queries").permutation(len(rows.once))
    places = sorted(rows.once[int(i)] for i in order[: min(count, most)])
    queries, drawn = source.at(places), {rows.keys[place] for place in places}
    of_pool = rows if task.queries is None else rows_by_text(*task.pool)
    apart = [place for place, key in enumerate(of_pool.keys) if key not in drawn]
    pool = task.pool.at([place for place in of_pool.by_label if of_pool.keys[place] not in drawn])
    missing = sorted(set(task.pool.classes) - set(pool.classes))
    if missing or not pool.texts:
        raise refused("--queries", Verbatim(count), f"fewer: the pool would have no text of {', '.join(missing)} left")
    own = task.queries is not None
    left_out = LeftOut(
        repeated_queries=rows.repeated if own else 0,
        contradictory_queries=rows.contradictory,
        queries_in_pool=len(of_pool.keys) - len(apart) - (0 if own else len(places)),
        repeated_demonstrations=len(apart) - len(pool.texts),
        contradictory_demonstrations=rows_by_text(*pool).contradictory,
    )
    return SampledTask(task.name, pool, queries, pool.classes, left_out)


def generator(*key: int | str) -> np.random.Generator:
    """Random numbers of a purpose: equal keys give equal numbers, others independent ones."""
    words = [part if isinstance(part, int) else int.from_bytes(part.encode(), "big") for part in key]
    return np.random.default_rng(np.random.SeedSequence(words))


def shuffled_labels(pool: LabelledTexts, seed: int) -> LabelledTexts:
    """The pool with its labels shuffled at random: a control, in which a label says nothing of its text."""
    order = generator(seed, "shuffled labels").permutation(len(pool.labels))
    return LabelledTexts(pool.texts, tuple(pool.labels[i] for i in order))
