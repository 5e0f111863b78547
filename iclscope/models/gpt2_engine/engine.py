"""The compiled steps for tensors: which models, which losses, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.models.compiled.tiles import HERE
from iclscope.models.gpt2_engine.layout import Memory, Plan, Views, names_of, packed_places, prompts_at_once
from iclscope.tasks.examples import Tokens

_AVX2 = 32  # bytes of a vector

if TYPE_CHECKING:
    from iclscope.models.gpt2 import GPT2Transformer


def is_compiled(model: GPT2Transformer) -> bool:
    """Whether the compiled steps are of this model: GPT-2 itself, on a CPU, in a usual precision.

    Without AVX2 PyTorch's own products are faster than plain tiles.
    """
    usual = model.dtype in (torch.float32, torch.float64)
    return HERE.bytes >= _AVX2 and model.device.type == "cpu" and usual and model.is_as_made()


class Engine:
    """The compiled steps of the runs of one model, with the memory that they use.

    Attributes:
        weights: the runs' weights, each a view of one buffer, in the model's order.
    """

    def __init__(self, model: GPT2Transformer) -> None:
        """Copy the weights of a model that `is_compiled`."""
        config, named = model.config, dict(model.network.named_parameters())
        sizes = (config.layers, config.heads, config.embedding, config.token_width)
        self._shapes = {name: tuple(weight.shape[1:]) for name, weight in named.items()}
        self.weights = Views(self._shapes, names_of(config.layers), model.run_count, model.dtype)
        for own, given in zip(self.weights, named.values(), strict=True):
            own.copy_(given.detach())
        itemsize = self.weights.whole.element_size()
        places, packed = packed_places(config.layers, config.embedding, config.token_width, itemsize)
        self._plan = Plan(*sizes, model.network.backbone.ln_f.eps, self.weights.starts, places)
        self._memory = Memory(model.dtype)
        self._packed = np.zeros(packed, self.weights.whole.numpy().dtype)

    def like_weights(self) -> Views:
        """Room for gradients."""
        runs, dtype = len(self.weights.whole), self.weights.whole.dtype
        return Views(self._shapes, names_of(self._plan.layers), runs, dtype)

    def outputs(self, tokens: Tokens) -> Float[Tensor, "run batch reads"]:
        """Predictions at the tokens that are read."""
        from iclscope.models.gpt2_engine.steps import outputs, pack_weights

        values, read, at_once, room = self._prepared(tokens, backward=False)
        said = torch.empty(read.shape, dtype=self.weights.whole.dtype)
        for run, weights in enumerate(self.weights.whole.numpy()):
            pack_weights(self._plan, weights, self._packed, False)
            outputs(
                self._plan, weights, self._packed, room, values[run], read[run], at_once,
                said.numpy()[run],
            )  # fmt: skip
        return said

    def gradients(
        self,
        tokens: Tokens,
        labels: Float[Tensor, "run batch reads"],
        shares: Float[Tensor, "run batch"],
        *,
        hinge: bool,
        out: Views,
    ) -> Float[Tensor, " run"]:
        """Each run's loss, and its gradients written.

        Args:
            tokens: the prompts.
            labels: what should be said.
            shares: of each prediction of a prompt in the loss.
            hinge: the hinge loss; else the squared one.
            out: written.
        """
        from iclscope.models.gpt2_engine.steps import loss_and_gradients

        values, read, at_once, room = self._prepared(tokens, backward=True)
        flat, slopes = self.weights.whole.numpy(), out.whole.numpy()
        targets, parts = self._array(labels), self._array(shares)
        losses = [
            loss_and_gradients(
                self._plan, flat[run], self._packed, room, values[run], read[run], at_once,
                targets[run], parts[run], hinge, slopes[run],
            )
            for run in range(len(flat))
        ]  # fmt: skip
        return torch.tensor(losses, dtype=self.weights.whole.dtype)

    def _prepared(self, tokens: Tokens, *, backward: bool) -> tuple[Any, Any, int, Any]:
        """The tokens and where they are read, as arrays; prompts in a block, and room for them."""
        _, batch, length, _ = tokens.values.shape
        at_once = prompts_at_once(self._plan.width, length, batch)
        room = self._memory.room(self._plan, at_once, length, tokens.read_at.shape[2], backward=backward)
        return self._array(tokens.values), tokens.read_at.contiguous().numpy(), at_once, room

    def _array(self, tensor: Tensor) -> Any:
        return tensor.detach().to(self.weights.whole.dtype).contiguous().numpy()
