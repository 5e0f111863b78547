"""Batches that do not fit into memory, in halves."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence, Sized
from typing import TypeVar

from iclscope.core.errors import Notice, refused
from iclscope.core.memory import free_memory, is_out_of_memory
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.padded import PaddedBatch

Batch = TypeVar("Batch")
Result = TypeVar("Result")

SAID = "a batch did not fit into the memory of {device} and is read in halves, as are all that do not fit"


def in_halves(
    language_model: LanguageModel,
    batch: Batch,
    run: Callable[[Batch], Result],
    halves: Callable[[Batch], Sequence[Batch]],
) -> Iterator[tuple[Batch, Result]]:
    """Run a batch; if it does not fit into memory, its halves, and so on down to a single prompt.

    That this happens is said once for each loaded model. Batches as large as one that did not fit are halved at once
    from then on.

    Args:
        language_model: who reads.
        batch: what is read at a time.
        run: reads it; may be called again for parts of what it was called for.
        halves: a batch → its two halves; one or none for what cannot be halved.

    Yields:
        Each part that was read, with what came of it, in order.

    Raises:
        BadRequest: if a single prompt does not fit.
    """
    reader = f"{run.__module__}.{run.__qualname__}"
    parts = halves(batch)
    size = _size(batch)
    if size < language_model.too_large.get(reader, sys.maxsize) or len(parts) < 2:
        try:
            result = run(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None  # it keeps the tensors of all frames alive
        else:
            yield batch, result
            return
        free_memory(language_model.device)
        language_model.too_large[reader] = size
    if len(parts) < 2:
        raise refused(
            "MODEL",
            language_model.name,
            (
                f"a model and prompts that fit into the memory of {language_model.device}; a single "
                "prompt does not: ask for fewer --shots, or --dtype bfloat16"
            ),
        )
    text = SAID.format(device=language_model.device)
    if text not in language_model.said:
        language_model.said.add(text)
        warnings.warn(text, Notice, stacklevel=2)
    for part in parts:
        yield from in_halves(language_model, part, run, halves)


def _size(batch: object) -> int:
    """How many prompts or texts a batch has."""
    rows = batch.rows if isinstance(batch, PaddedBatch) else batch
    return len(rows) if isinstance(rows, Sized) else 1


def split_in_two(items: Sequence[Batch]) -> list[Sequence[Batch]]:
    """The halves of a list; the list itself if it has one item."""
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if middle else [items]
