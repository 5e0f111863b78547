"""What a model answers to fresh prompts of patterns, part by part, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.core.errors import require
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import Model
from iclscope.models.pattern_engine.engine import draws_compiled, is_compiled, prompt_outputs
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks import PatternSampler, Sampler

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
    require(isinstance(model, SoftmaxReLUTransformer), "neurons", "a mask", "None, but for the one-layer model")
    shape = (model.run_count, model.state_dict()["a"].shape[1])
    expect_instance("neurons", neurons, Tensor)
    allowed = f"{shape}, runs and neurons, of bool"
    given = (tuple(neurons.shape), str(neurons.dtype))
    require(given == (shape, "torch.bool"), "shape and type of neurons", given, allowed)


def pattern_answers(
    model: Model,
    sampler: Sampler,
    prompts: int,
    part: int,
    *,
    neurons: Bool[Tensor, "run width"] | None = None,
    compiled: bool = True,
) -> Iterator[tuple[Float[Tensor, "run batch"], Float[Tensor, "run batch"]]]:
    """Outputs and labels on evaluation prompts, part by part.

    Args:
        model: the runs.
        sampler: which prompts.
        prompts: how many per run.
        part: how many at a time.
        neurons: which MLP neurons of the one-layer model to keep; None keeps all.
        compiled: take compiled loops where there are some: the one-layer model on a CPU, and prompts that no class of
            the caller's draws otherwise. They answer the same prompts; outputs differ in rounding only.

    Raises:
        BadRequest: if neurons of a model that has none are to be left out, or the mask is of another shape.
    """
    check_neurons(model, neurons)
    if compiled and is_compiled(model) and draws_compiled(sampler):
        assert isinstance(sampler, PatternSampler)
        weights = dict(model.state_dict())
        if neurons is not None:
            weights["a"] = weights["a"] * neurons
        dictionary = sampler.basis.dictionary().to(model.dtype)
        for done, size in part_sizes(prompts, part):
            yield prompt_outputs(weights, dictionary, sampler, size, purpose=EVALUATION_PURPOSE, step=done)
        return
    for batch in parts(sampler, prompts, part):
        if neurons is None:
            yield model.predict(batch).output, batch.labels
        else:
            assert isinstance(model, SoftmaxReLUTransformer)
            yield model.predict(batch, neurons=neurons).output, batch.labels
