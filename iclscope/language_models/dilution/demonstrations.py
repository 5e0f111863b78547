"""Which demonstrations a prompt of a given dose shows: so many relevant ones among others, at which places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from iclscope.core.errors import require
from iclscope.language_models.dilution.settings import FIXED, FLIPPED, DoseSettings
from iclscope.language_models.prompts.draws import SampledTask, generator, shuffled_labels
from iclscope.language_models.selectors.random_selectors import balanced
from iclscope.language_models.texts.folding import folded
from iclscope.language_models.texts.labelled_text import OWN_TASK, LabelledTexts, load_task

ANYWHERE, FIRST, LAST = "anywhere", "first", "last"
"""Where the irrelevant demonstrations stand."""


class Mixed(NamedTuple):
    """The pool of one draw: the task's texts, behind them the irrelevant ones.

    Attributes:
        texts: all, with the labels that they are shown with.
        relevant: places of the relevant ones, the first to be shown first.
        irrelevant: the same of the others.
    """

    texts: LabelledTexts
    relevant: tuple[int, ...]
    irrelevant: tuple[int, ...]


def irrelevant_texts(
    sampled: SampledTask, settings: DoseSettings, *, text: str, label: str, encoding: str | None
) -> tuple[str, ...]:
    """Texts that say nothing of the task.

    Args:
        sampled: the task.
        settings: where they come from.
        text: name of the column of texts.
        label: name of the column of labels, which are not shown.
        encoding: of text files.

    Raises:
        BadRequest: if they cannot be read, are too few, or are the task's own.
    """
    if settings.labels == FLIPPED:
        return ()
    source = OWN_TASK if settings.irrelevant is None else settings.irrelevant
    shown = source if isinstance(source, str) else "data"
    columns: dict[str, Any] = (
        {} if settings.irrelevant is None else {"text": text, "label": label, "encoding": encoding}
    )
    task = load_task(source, **columns, option="--irrelevant")
    found = LabelledTexts(*(a + b for a, b in zip(task.pool, task.queries or ((), ()), strict=True)))
    own = {folded(one) for one in (*sampled.pool.texts, *sampled.queries.texts)}
    texts = tuple(dict.fromkeys(found.texts))
    same = [one for one in texts if folded(one) in own]
    require(not same, "--irrelevant", shown, f"texts of another kind; {len(same)} of these are DATA's own")
    alike = set(found.classes) <= set(sampled.classes)
    require(not alike, "--irrelevant", shown, "texts of another kind; the labels of these are DATA's own")
    most = max(shots - settings.relevant(shots, settings.alphas[0]) for shots in settings.shots)
    require(len(texts) >= most, "--irrelevant", shown, f"at least {most} texts; it has {len(texts)}")
    return texts


def mixed(
    sampled: SampledTask, settings: DoseSettings, texts: Sequence[str], seed: int, *, shuffled: bool = False
) -> Mixed:
    """The pool of one draw.

    Fewer relevant or irrelevant demonstrations of one draw are the first of more.

    Args:
        sampled: the task.
        settings: what labels the irrelevant ones have.
        texts: of `irrelevant_texts`.
        seed: of the draw.
        shuffled: shuffle the labels of all, as a control.

    Raises:
        BadRequest: if the pool has too few texts.
    """
    numbers = generator(seed, "irrelevant demonstrations")
    pool, classes, most = sampled.pool, sampled.classes, settings.shots[-1]
    needed = settings.relevant(most, settings.alphas[-1])
    flipped = settings.labels == FLIPPED
    least = needed + (most if flipped else 0)
    require(
        len(pool.texts) >= least,
        "--shots",
        most,
        f"fewer: the pool has {len(pool.texts)} texts, and {least} are needed",
    )
    relevant = balanced(sampled, needed, seed)
    if flipped:
        left = [place for place in range(len(pool.texts)) if place not in set(relevant)]
        order = [left[int(i)] for i in numbers.permutation(len(left))[:most]]
        shown = tuple(pool.texts[place] for place in order)
        labels = tuple(_another(pool.labels[place], classes, numbers) for place in order)
    else:
        shown = tuple(texts[int(i)] for i in numbers.permutation(len(texts))[:most])
        one = classes[int(numbers.integers(len(classes)))]
        labels = tuple(one if settings.labels == FIXED else classes[int(numbers.integers(len(classes)))] for _ in shown)
    task = shuffled_labels(pool, seed) if shuffled else pool
    if shuffled:
        labels = tuple(classes[int(numbers.integers(len(classes)))] for _ in shown)
    start = len(pool.texts)
    both = LabelledTexts(task.texts + shown, task.labels + labels)
    return Mixed(both, relevant, tuple(range(start, start + len(shown))))


def _another(label: str, classes: Sequence[str], numbers: np.random.Generator) -> str:
    others = [kind for kind in classes if kind != label]
    return others[int(numbers.integers(len(others)))]


def dosed(pool: Mixed, shots: int, relevant: int, seed: int, where: str = ANYWHERE) -> tuple[int, ...]:
    """The demonstrations of a prompt, in its order.

    Of one draw and number of demonstrations, the places of fewer relevant ones are among those of more.

    Args:
        pool: of `mixed`.
        shots: how many demonstrations.
        relevant: how many of them are about the task.
        seed: of the draw.
        where: where the irrelevant ones stand.
    """
    order = generator(seed, "places", shots).permutation(shots)
    taken = {
        ANYWHERE: set(order[:relevant].tolist()),
        FIRST: set(range(shots - relevant, shots)),
        LAST: set(range(relevant)),
    }[where]
    about, others = iter(pool.relevant[:relevant]), iter(pool.irrelevant[: shots - relevant])
    return tuple(next(about) if place in taken else next(others) for place in range(shots))


def mean_place(shown: Sequence[int], pool: Mixed) -> float:
    """Where the irrelevant ones stand on average, from 0 (first) to 1 (last); NaN if there are none."""
    first = pool.irrelevant[0] if pool.irrelevant else len(pool.texts.texts)
    at = [place for place, one in enumerate(shown) if one >= first]
    return float(np.mean(at)) / max(1, len(shown) - 1) if at else float("nan")
