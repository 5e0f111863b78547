"""Losses and gradients of the one-layer model on pattern prompts, compiled, as training asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.models.pattern_engine.coordinates import NAMES, PatternCoordinates
from iclscope.models.pattern_engine.engine import draws_compiled, hinge_gradients, is_compiled
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks import PatternSampler, Sampler
from iclscope.tasks.prompts import TRAINING_PURPOSE


def pattern_gradients(
    model: SoftmaxReLUTransformer, sampler: Sampler
) -> Callable[[SoftmaxReLUTransformer, int, Mapping[str, Tensor]], PatternGradients] | None:
    """What makes them of a model to begin with, a batch size and a kept state; None where either is not compiled."""
    if not (is_compiled(model) and draws_compiled(sampler)):
        return None
    assert isinstance(sampler, PatternSampler)
    patterns = sampler
    return lambda begun, batch_size, state: PatternGradients.start(begun, patterns, batch_size, state)


class PatternGradients:
    """Gradients of the hinge loss of one-layer transformers on pattern prompts, compiled, in `PatternCoordinates`.

    Nothing of a prompt's columns is kept, and the ambient dimensions cost nothing: see `models.pattern_engine`. The
    model is this object's own: the weights are written into it when it is asked for.
    """

    def __init__(
        self,
        model: SoftmaxReLUTransformer,
        sampler: PatternSampler,
        batch_size: int,
        coordinates: PatternCoordinates,
        moved: Mapping[str, Tensor],
    ) -> None:
        self._model, self._sampler, self._batch_size = model, sampler, batch_size
        self._coordinates = coordinates
        self._dictionary = coordinates.dictionary.to(model.dtype)
        self._weights = {name: moved[name] for name in NAMES} | {"a": model.a}
        # Overwritten at every step: fresh memory for them would cost as much as the products.
        self._slopes = tuple(torch.empty(moved[name].shape, dtype=moved[name].dtype) for name in NAMES)

    @classmethod
    def start(
        cls, model: SoftmaxReLUTransformer, sampler: PatternSampler, batch_size: int, state: Mapping[str, Tensor]
    ) -> PatternGradients:
        """Begin, or go on.

        Args:
            model: the weights that training began with.
            sampler: training prompts of the same runs.
            batch_size: prompts per run and step.
            state: what `own_state` returned when the training was left; empty at its start.
        """
        coordinates = PatternCoordinates.of(model.state_dict(), sampler.basis.dictionary())
        moved = state or coordinates.start
        # The coordinates go on reading the weights that training began with.
        own = model.runs(range(model.run_count))
        return cls(own, sampler, batch_size, coordinates, {name: moved[name].clone() for name in NAMES})

    @property
    def parameters(self) -> Sequence[Tensor]:
        """The weights in these coordinates."""
        return [self._weights[name] for name in NAMES]

    def at(self, step: int) -> tuple[Float[Tensor, " run"], Sequence[Tensor]]:
        """Each run's mean loss on the batch of a step, and the gradients of `parameters`."""
        return hinge_gradients(
            self._weights,
            self._dictionary,
            self._sampler,
            self._batch_size,
            purpose=TRAINING_PURPOSE,
            step=step,
            out=self._slopes,
        )

    def model(self) -> SoftmaxReLUTransformer:
        """The model, the weights turned back into it as they are now."""
        self._model.load_state_dict({**self._coordinates.full(self._weights), "a": self._weights["a"]})
        return self._model

    def own_state(self) -> dict[str, Tensor]:
        """The weights in these coordinates: turned back and rounded they would not be quite the same."""
        return {name: self._weights[name] for name in NAMES}

    def runs(self, positions: Sequence[int]) -> PatternGradients:
        """The same for some of the runs."""
        chosen = list(positions)
        return PatternGradients(
            self._model.runs(chosen),
            self._sampler.runs(chosen),
            self._batch_size,
            self._coordinates.runs(chosen),
            {name: tensor[chosen] for name, tensor in self.own_state().items()},
        )
