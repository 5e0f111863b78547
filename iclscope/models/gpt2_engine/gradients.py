"""Losses and gradients of GPT-2, compiled, as training asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.models.gpt2_engine.engine import Engine, is_compiled, takes_bfloat16
from iclscope.models.gpt2_engine.layout import Views
from iclscope.tasks.prompts import TRAINING_PURPOSE, Sampler

if TYPE_CHECKING:
    from iclscope.models.gpt2 import GPT2Transformer


def gpt2_gradients(
    model: GPT2Transformer, sampler: Sampler, loss: str, *, bfloat16: bool = False
) -> Callable[..., GPT2Gradients] | None:
    """What makes them of a model to begin with and a batch size; None where the model or the loss is not compiled.

    Args:
        model: the runs.
        sampler: their training prompts.
        loss: its name.
        bfloat16: whether operands of products with the layers' matrices are rounded to it.
    """
    taken = takes_bfloat16(model) if bfloat16 else is_compiled(model)
    if not taken or loss not in ("hinge", "squared"):
        return None

    def start(begun: GPT2Transformer, batch_size: int, _state: Mapping[str, Tensor]) -> GPT2Gradients:
        return GPT2Gradients(begun, sampler, loss, batch_size, bfloat16=bfloat16)

    return start


class GPT2Gradients:
    """Gradients of GPT-2 on any task it reads; the weights are those of the model, in one buffer per run."""

    def __init__(
        self, model: GPT2Transformer, sampler: Sampler, loss: str, batch_size: int, *, bfloat16: bool = False
    ) -> None:
        self._model, self._sampler, self._loss, self._batch_size = model, sampler, loss, batch_size
        self._bfloat16 = bfloat16
        self._engine = Engine(model, bfloat16=bfloat16)
        self._slopes = self._engine.like_weights()

    @property
    def parameters(self) -> Views:
        """The weights, in the model's order."""
        return self._engine.weights

    def at(self, step: int) -> tuple[Float[Tensor, " run"], Views]:
        """Each run's mean loss on the batch of a step, and the gradients of `parameters`."""
        prompts: Any = self._sampler.prompts(self._batch_size, purpose=TRAINING_PURPOSE, step=step)
        tokens = self._model.tokens_of(prompts)
        labels = prompts.labels.reshape(tokens.read_at.shape)
        weights: Tensor | None = getattr(prompts, "weights", None)
        batch, reads = labels.shape[1:]
        shares = labels.new_full(labels.shape[:2], 1 / batch) if weights is None else weights
        losses = self._engine.gradients(tokens, labels, shares / reads, hinge=self._loss == "hinge", out=self._slopes)
        return losses, self._slopes

    def model(self) -> GPT2Transformer:
        """The model, the weights written into it as they are now."""
        with torch.no_grad():
            for weight, now in zip(self._model.parameters(), self.parameters, strict=True):
                weight.copy_(now)
        return self._model

    def own_state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def runs(self, positions: Sequence[int]) -> GPT2Gradients:
        """The same for some of the runs."""
        chosen = self.model().runs(positions), self._sampler.runs(positions)
        return GPT2Gradients(*chosen, self._loss, self._batch_size, bfloat16=self._bfloat16)
