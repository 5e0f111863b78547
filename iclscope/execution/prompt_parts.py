"""Test prompts in halves where a model has no room for all of a batch: the same prompts, so the same answers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from iclscope.core.memory import free_memory, is_out_of_memory

_OF_A_BATCH = re.compile(r"""['"]\s*run batch\b""")
"""In the type of what is of a batch, ``Float[Tensor, "run batch …"]``."""


class Answers(NamedTuple):
    """What tests ask of a prediction.

    Attributes:
        output: [run, batch] or [run, batch, points].
    """

    output: Tensor


@contextmanager
def predicting_in_parts(model: Any) -> Iterator[None]:
    """Let a model answer batches that do not fit into memory in halves, and halves of halves, within the block.

    Args:
        model: any model; its ``predict`` then gives the output alone.
    """
    whole = model.predict
    model.predict = lambda prompts, **settings: Answers(_output(whole, prompts, settings, model.device))
    try:
        yield
    finally:
        del model.predict  # that of the class is there again


def _output(predict: Callable[..., Any], prompts: Any, settings: dict[str, Any], device: torch.device) -> Tensor:
    try:
        output: Tensor = predict(prompts, **settings).output
        return output
    except Exception as error:
        halves = _halves(prompts) if is_out_of_memory(error) else None
        if halves is None:
            raise
    free_memory(device)  # here, where the error and what it kept alive are gone
    return torch.cat([_output(predict, half, settings, device) for half in halves], dim=1)


def _halves(prompts: Any) -> Sequence[Any] | None:
    """A batch as two; None if it is of one prompt, or of prompts that do not say what in them is of a batch."""
    if not dataclasses.is_dataclass(prompts) or isinstance(prompts, type):
        return None
    held = {
        field.name: tensor
        for field in dataclasses.fields(prompts)
        if _OF_A_BATCH.search(str(field.type)) and isinstance(tensor := getattr(prompts, field.name), Tensor)
    }
    sizes = {tensor.shape[1] for tensor in held.values()}
    if len(sizes) != 1 or (size := sizes.pop()) < 2:
        return None
    cuts = (slice(None, size // 2), slice(size // 2, None))
    return [dataclasses.replace(prompts, **{name: tensor[:, cut] for name, tensor in held.items()}) for cut in cuts]
