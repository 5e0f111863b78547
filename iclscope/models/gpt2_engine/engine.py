"""The compiled steps for tensors: which models, which losses, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import whole_number
from iclscope.models.compiled.tiles import HERE, has_bfloat16
from iclscope.models.gpt2_engine.layout import (
    Memory,
    Packed,
    Plan,
    Views,
    in_panels,
    names_of,
    packed_places,
    prompts_at_once,
)
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


def takes_bfloat16(model: GPT2Transformer) -> bool:
    """Whether products of a model may take pairs of bfloat16: compiled, in float32, on a processor that has them."""
    return is_compiled(model) and model.dtype == torch.float32 and has_bfloat16()


class Engine:
    """The compiled steps of the runs of one model, with the memory that they use.

    Attributes:
        weights: the runs' weights, each a view of one buffer, in the model's order.
    """

    def __init__(self, model: GPT2Transformer, *, bfloat16: bool = False) -> None:
        """Copy the weights of a model that `is_compiled`.

        Args:
            model: the runs.
            bfloat16: whether the operands of products with the layers' matrices are rounded; where it `takes_bfloat16`.

        Raises:
            BadRequest: if the model's ``threads`` are not a whole number from 1 on.
        """
        self._threads = whole_number("threads", model.threads, least=1)
        # The compiled steps do not hold the interpreter's lock. Kept, for starting threads costs a tenth of a step.
        self._map: Callable[..., Iterable[Any]] = map if self._threads == 1 else ThreadPoolExecutor(self._threads).map
        config, named = model.config, dict(model.network.named_parameters())
        sizes = (config.layers, config.heads, config.embedding, config.token_width, config.final_norm)
        self._shapes = {name: tuple(weight.shape[1:]) for name, weight in named.items()}
        self.weights = Views(
            self._shapes, names_of(config.layers, final_norm=config.final_norm), model.run_count, model.dtype
        )
        for own, given in zip(self.weights, named.values(), strict=True):
            own.copy_(given.detach())
        itemsize = self.weights.whole.element_size()
        places, packed = packed_places(config.layers, config.embedding, itemsize, pairs=bfloat16)
        self._plan = Plan(*sizes, model.network.backbone.config.layer_norm_epsilon, self.weights.starts, places)
        self._dtype, self._bfloat16 = model.dtype, bfloat16
        self._memories: list[Memory] = []
        self._part_slopes: list[Any] = []
        kind = self.weights.whole.numpy().dtype
        read_in = np.zeros(config.token_width * in_panels(config.embedding, itemsize), kind)
        self._packed = Packed(read_in, np.zeros(packed, np.uint32 if bfloat16 else kind))

    def like_weights(self) -> Views:
        """Room for gradients."""
        runs, dtype = len(self.weights.whole), self.weights.whole.dtype
        order = names_of(self._plan.layers, final_norm=self._plan.final_norm)
        return Views(self._shapes, order, runs, dtype)

    def outputs(self, tokens: Tokens) -> Float[Tensor, "run batch reads"]:
        """Predictions at the tokens that are read."""
        from iclscope.models.gpt2_engine.steps import outputs, pack_weights

        values, read = self._array(tokens.values), tokens.read_at.contiguous().numpy()
        said = torch.empty(read.shape, dtype=self.weights.whole.dtype)
        parts = self._parts(tokens, backward=False)
        for run, weights in enumerate(self.weights.whole.numpy()):
            pack_weights(self._plan, weights, self._packed, False)

            def answer(part: _Part, run: int = run, weights: Any = weights) -> None:
                chosen = run, part.prompts
                outputs(
                    self._plan, weights, self._packed, part.room, values[chosen], read[chosen], part.at_once,
                    said.numpy()[chosen],
                )  # fmt: skip

            list(self._map(answer, parts))
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

        Each of the model's threads takes a part of the batch and has its own sums.

        Args:
            tokens: the prompts.
            labels: what should be said.
            shares: of each prediction of a prompt in the loss.
            hinge: the hinge loss; else the squared one.
            out: written.
        """
        from iclscope.models.gpt2_engine.steps import loss_and_gradients, pack_weights

        values, read = self._array(tokens.values), tokens.read_at.contiguous().numpy()
        flat, targets, weights_of_prompts = self.weights.whole.numpy(), self._array(labels), self._array(shares)
        parts = self._parts(tokens, backward=True)
        while len(self._part_slopes) < len(parts) - 1:
            self._part_slopes.append(np.empty_like(flat[0]))
        losses = []
        for run, own in enumerate(out.whole.numpy()):
            pack_weights(self._plan, flat[run], self._packed, True)

            def derive(part: _Part, slopes: Any, run: int = run) -> float:
                chosen = run, part.prompts
                return loss_and_gradients(  # type: ignore[no-any-return]
                    self._plan, flat[run], self._packed, part.room, values[chosen], read[chosen], part.at_once,
                    targets[chosen], weights_of_prompts[chosen], hinge, slopes,
                )  # fmt: skip

            losses.append(sum(self._map(derive, parts, [own, *self._part_slopes])))
            for slopes in self._part_slopes[: len(parts) - 1]:
                own += slopes
        return torch.tensor(losses, dtype=self.weights.whole.dtype)

    def _parts(self, tokens: Tokens, *, backward: bool) -> list[_Part]:
        """The prompts of a batch, a part for every thread, each with its own room."""
        _, batch, length, _ = tokens.values.shape
        at_once = prompts_at_once(self._plan.width, length, batch)
        count = max(1, min(self._threads, batch // at_once))
        while len(self._memories) < count:
            self._memories.append(Memory(self._dtype, pairs=self._bfloat16))
        reads, ends = tokens.read_at.shape[2], [batch * part // count for part in range(count + 1)]
        return [
            _Part(slice(begin, end), at_once, memory.room(self._plan, at_once, length, reads, backward=backward))
            for begin, end, memory in zip(ends, ends[1:], self._memories, strict=False)
        ]

    def _array(self, tensor: Tensor) -> Any:
        return tensor.detach().to(self.weights.whole.dtype).contiguous().numpy()


class _Part(NamedTuple):
    """Some prompts of a batch, how many make a block, and the room that one thread has for them."""

    prompts: slice
    at_once: int
    room: Any
