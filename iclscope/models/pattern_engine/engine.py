"""The compiled steps for tensors: which weights, which prompts, and what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.overrides import is_plain
from iclscope.models.pattern_engine.coordinates import NAMES
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks import PatternSampler, Sampler


def is_compiled(model: object) -> bool:
    """Whether the compiled steps are of this model: the one-layer transformer itself, on a CPU, in a usual precision.

    A class derived from it may predict otherwise, and so may a model that was given another ``predict``.
    """
    return (
        type(model) is SoftmaxReLUTransformer
        and is_plain(model, SoftmaxReLUTransformer, "predict")
        and model.device.type == "cpu"
        and model.dtype in (torch.float32, torch.float64)
    )


def draws_compiled(sampler: object) -> bool:
    """Whether the compiled steps draw the prompts that a sampler would: not one that is scheduled, or the caller's."""
    return type(sampler) is PatternSampler and is_plain(sampler, PatternSampler, "prompts", "source", "runs")


class HingeGradients(NamedTuple):
    """A step's losses and gradients.

    Attributes:
        losses: each run's mean hinge loss.
        gradients: of W_Q, W_K, W_V and W_O, in this order.
    """

    losses: Float[Tensor, " run"]
    gradients: tuple[Tensor, ...]


def hinge_gradients(
    weights: Mapping[str, Tensor],
    dictionary: Float[Tensor, "run n d"],
    sampler: PatternSampler,
    batch: int,
    *,
    purpose: str,
    step: int,
    out: Sequence[Tensor] | None = None,
) -> HingeGradients:
    """Mean hinge loss of a batch of every run and its gradients, on a CPU.

    The prompts are those of ``sampler.prompts(batch, purpose=purpose, step=step)``; none of their columns is written
    out.

    Args:
        weights: W_Q, W_K, W_V, W_O and a, full or in `PatternCoordinates`.
        dictionary: the patterns and q as those weights read them.
        sampler: which prompts.
        batch: prompts per run.
        purpose: as for `PatternSampler.prompts`.
        step: as for `PatternSampler.prompts`.
        out: where the gradients are written, contiguous; None: into new tensors.
    """
    from iclscope.models.pattern_engine.drawing import source_of
    from iclscope.models.pattern_engine.steps import hinge_step

    W_Q, W_K, W_V, W_O, a, D = _arrays(weights, dictionary)
    losses = dictionary.new_empty(len(dictionary))
    gradients = out or [torch.empty(array.shape, dtype=losses.dtype) for array in (W_Q, W_K, W_V, W_O)]
    # Written by address: rows that lie otherwise would be written wrongly, without a word.
    assert all(gradient.is_contiguous() for gradient in gradients)
    dW_Q, dW_K, dW_V, dW_O = (gradient.numpy() for gradient in gradients)
    hinge_step(
        source_of(sampler, purpose, step), batch, W_Q, W_K, W_V, W_O, a, D, losses.numpy(), dW_Q, dW_K, dW_V, dW_O
    )
    return HingeGradients(losses, tuple(gradients))


def prompt_outputs(
    weights: Mapping[str, Tensor],
    dictionary: Float[Tensor, "run n d"],
    sampler: PatternSampler,
    batch: int,
    *,
    purpose: str,
    step: int,
) -> tuple[Float[Tensor, "run batch"], Float[Tensor, "run batch"]]:
    """Outputs F(Ψ; P) and labels z of a batch of every run, on a CPU; the arguments are those of `hinge_gradients`."""
    from iclscope.models.pattern_engine.drawing import source_of
    from iclscope.models.pattern_engine.steps import outputs

    output = dictionary.new_empty(len(dictionary), batch)
    labels = torch.empty_like(output)
    W_Q, W_K, W_V, W_O, a, D = _arrays(weights, dictionary)
    outputs(source_of(sampler, purpose, step), W_Q, W_K, W_V, W_O, a, D, output.numpy(), labels.numpy())
    return output, labels


def compiled_answers(
    model: SoftmaxReLUTransformer,
    sampler: Sampler,
    sizes: Iterable[tuple[int, int]],
    *,
    purpose: str,
    neurons: Tensor | None = None,
) -> Iterator[tuple[Tensor, AnsweredPrompts]] | None:
    """Outputs on prompts part by part, as `RunModel.answers`; None where the model or the sampler is not compiled."""
    if not (is_compiled(model) and draws_compiled(sampler)):
        return None
    assert isinstance(sampler, PatternSampler)
    weights = dict(model.state_dict())
    if neurons is not None:
        weights["a"] = weights["a"] * neurons
    dictionary = sampler.basis.dictionary().to(model.dtype)
    drawn = (prompt_outputs(weights, dictionary, sampler, size, purpose=purpose, step=step) for step, size in sizes)
    return ((output, AnsweredPrompts(labels)) for output, labels in drawn)


class AnsweredPrompts(NamedTuple):
    """All that is kept of prompts once they are answered: what should have been said."""

    labels: Float[Tensor, "run batch"]


def _arrays(weights: Mapping[str, Tensor], dictionary: Tensor) -> Iterator[Any]:
    """Weights, signs and dictionary as arrays in the order of the compiled functions, rows one after the other."""
    for tensor in (*(weights[name] for name in (*NAMES, "a")), dictionary):
        yield tensor.detach().contiguous().numpy()
