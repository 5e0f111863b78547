"""What a model answers to fresh prompts, part by part, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.core.errors import require
from iclscope.models import Model, RunModel
from iclscope.tasks.prompts import EVALUATION_PURPOSE, Sampler, TrainingPrompts

_COLUMNS_AT_ONCE = 400_000


def part_size(longest: int) -> int:
    """Prompts at a time, so that memory stays small for long contexts; it does not depend on the number of runs."""
    return max(1, _COLUMNS_AT_ONCE // (max(1, longest) * 16))


def part_sizes(prompts: int, part: int) -> Iterator[tuple[int, int]]:
    """How many prompts have been taken before each part, and how many it takes; the last one may be smaller."""
    for done in range(0, prompts, part):
        yield done, min(part, prompts - done)


def parts(sampler: Any, prompts: int, part: int) -> Iterator[Any]:
    """Batches of ``part`` evaluation prompts, the last one smaller."""
    for done, size in part_sizes(prompts, part):
        yield sampler.prompts(size, purpose=EVALUATION_PURPOSE, step=done)


def check_neurons(model: Model, neurons: Bool[Tensor, "run width"] | None) -> None:
    """Refuse a mask of neurons that does not fit the model.

    Raises:
        BadRequest: if the model is not the one-layer transformer, or the mask is not one of its neurons, run by run.
    """
    if neurons is None:
        return
    count = model.neuron_count
    require(count is not None, "neurons", "a mask", f"None: {model.config.title} has no neurons that can be left out")
    shape = (model.run_count, count)
    expect_instance("neurons", neurons, Tensor)
    allowed = f"{shape}, runs and neurons, of bool"
    given = (tuple(neurons.shape), str(neurons.dtype))
    require(given == (shape, "torch.bool"), "shape and type of neurons", given, allowed)


def answers_of(
    model: Model,
    sampler: Sampler,
    prompts: int,
    part: int,
    *,
    neurons: Bool[Tensor, "run width"] | None = None,
    compiled: bool = True,
) -> Iterator[tuple[Tensor, TrainingPrompts]]:
    """Outputs on evaluation prompts, and these prompts, part by part.

    Args:
        model: the runs.
        sampler: which prompts.
        prompts: how many per run.
        part: how many at a time.
        neurons: which MLP neurons to keep, of a model that has some; None keeps all.
        compiled: take the model's faster way, if it has one; outputs differ in rounding only.

    Raises:
        BadRequest: if neurons of a model that has none are to be left out, or the mask is of another shape.
    """
    check_neurons(model, neurons)
    read = type(model).answers if compiled else RunModel.answers
    yield from read(model, sampler, part_sizes(prompts, part), purpose=EVALUATION_PURPOSE, neurons=neurons)
