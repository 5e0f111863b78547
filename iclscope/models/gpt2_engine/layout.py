"""Where a run's weights lie in one flat buffer, and the room that a block of prompts needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.models.compiled.tiles import HERE
from iclscope.models.gpt2_engine.attention import TOGETHER

_APART = 16
"""Numbers between the starts of weights are a multiple of this, so that vectors do not lie across cache lines."""

_ROWS = {64: 90, 128: 180}
"""Embedding → tokens at a time, up to it. A small model stays in the cache (64 and 90 alike, 170 some 3 % slower); of a
wide one nothing does, and more tokens make its gradients pass through memory less often."""

_ROWS_OF_WIDE = 330

NAMES = (
    ("read_in.weight", "read_in.bias", "backbone.wpe.weight"),
    (
        "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
        "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
    ),
    ("backbone.ln_f.weight", "backbone.ln_f.bias", "read_out.weight", "read_out.bias"),
)  # fmt: skip
"""Weights in the order in which they lie: before the layers, of each layer, behind them.

A model without a last layer norm has its read-out right behind the layers.
"""


class Plan(NamedTuple):
    """What compiled code must know of a model: its sizes, and where its weights lie.

    Attributes:
        layers: how many.
        heads: per layer.
        width: D, of the residual stream.
        inputs: numbers per token.
        final_norm: whether a layer norm comes before the read-out.
        epsilon: of the layer norms.
        starts: `Views.starts` of its weights.
        places: `packed_places` of its matrices.
    """

    layers: int
    heads: int
    width: int
    inputs: int
    final_norm: bool
    epsilon: float
    starts: Any
    places: Any


def names_of(layers: int, *, final_norm: bool) -> list[str]:
    """The names of all weights of the network, in the order in which they lie."""
    before, inside, (*norm, weight, bias) = NAMES
    behind = [*(norm if final_norm else ()), weight, bias]
    of_layers = [f"backbone.h.{layer}.{name}" for layer in range(layers) for name in inside]
    return [*before, *of_layers, *behind]


class Views(Sequence[Tensor]):
    """Weights of many runs, or their gradients, as parts of one buffer; what acts number by number may take that.

    Attributes:
        whole: the buffer, [run, number].
        starts: where each of them begins in a run's part of it, in the order of `names_of`.
    """

    def __init__(
        self, shapes: Mapping[str, Sequence[int]], order: Sequence[str], runs: int, dtype: torch.dtype
    ) -> None:
        """Make room, filled with zeros.

        Args:
            shapes: of one run's weights, by name; the views are in this order.
            order: their names, in the order in which they lie.
            runs: how many runs.
            dtype: precision.
        """
        counts = [-(-prod(shapes[name]) // _APART) * _APART for name in order]
        self.starts = np.cumsum([0, *counts])[:-1]
        self.whole = torch.zeros(runs, sum(counts), dtype=dtype)
        begin = dict(zip(order, self.starts.tolist(), strict=True))
        self._places = [(begin[name], tuple(shape)) for name, shape in shapes.items()]
        self._views = self.parts(self.whole)

    def parts(self, whole: Float[Tensor, "run number"]) -> list[Tensor]:
        """The same parts of another buffer, as moments of these weights."""
        return [whole[:, at : at + prod(shape)].view(len(whole), *shape) for at, shape in self._places]

    def __getitem__(self, index: Any) -> Any:
        return self._views[index]

    def __len__(self) -> int:
        return len(self._views)


class Packed(NamedTuple):
    """A run's matrices in panels.

    Attributes:
        read_in: [D, inputs] the other way round.
        layers: those of `packed_places`: numbers, or words that hold pairs of bfloat16.
    """

    read_in: Any
    layers: Any


class Room(NamedTuple):
    """Arrays for one block of prompts; a layer's are kept for the way back, or written over by the next.

    M tokens in all, R of them read; D numbers per token; "slot" is the layer, or 0 where nothing is kept.
    """

    h: Any  # residual stream, [M, D]
    h_read: Any  # the same of the tokens that are read, from the last attention on, [R, D]
    scaled: Any  # normalised tokens before gain and shift, [2 slots + 1, M, D]
    inverse: Any  # one over their standard deviations, [2 slots + 1, M]
    before_attention: Any  # [slot, M, D]
    qkv: Any  # [slot, M, 3 D]
    attention: Any  # [slot, prompts · heads, key, part, query of the part]
    mixed: Any  # [slot, M, D]
    mixed_read: Any  # [R, D]
    before_mlp: Any  # [slot, M, D]
    derivative: Any  # MLP before its activation, then its derivative, [slot, M, 4 D]
    hidden: Any  # activations, [slot, M, 4 D]
    top: Any  # what is read out, [R, D]
    output: Any  # [R]
    rows: Any  # which tokens are read, [R], whole numbers
    turned: Any  # [D / heads, token padded]
    d_h: Any  # [M, D]
    d_read: Any  # [R, D]
    d_narrow: Any  # [M, D]
    d_wide: Any  # [M, 4 D]
    d_qkv: Any  # [M, 3 D]
    slopes: Any  # [key, part, query of the part]
    left: Any  # rows of a matrix as pairs of bfloat16, words; empty where there are none
    panels: Any  # a gradient in panels, of words if those are


def prompts_at_once(width: int, tokens: int, batch: int) -> int:
    """How many prompts make a block."""
    rows = next((rows for most, rows in _ROWS.items() if width <= most), _ROWS_OF_WIDE)
    return max(1, min(batch, round(rows / tokens)))


class Memory:
    """Memory that is used again at every step: fresh pages would cost as much as many products."""

    def __init__(self, dtype: torch.dtype, *, pairs: bool = False) -> None:
        """Nothing yet.

        Args:
            dtype: precision of the numbers.
            pairs: whether products with matrices of the layers take pairs of bfloat16.
        """
        self._dtype, self._pairs = torch.empty(0, dtype=dtype).numpy().dtype, pairs
        self._numbers = np.empty(0, self._dtype)
        self._made: tuple[tuple[int, ...], Room] | None = None

    def room(self, plan: Plan, prompts: int, tokens: int, reads: int, *, backward: bool) -> Room:
        """Room for blocks of so many prompts; what it held before is lost.

        Args:
            plan: the model's.
            prompts: in a block.
            tokens: per prompt.
            reads: predictions per prompt.
            backward: whether all layers are kept, and the way back needs room too.
        """
        wanted = (*plan[:4], prompts, tokens, reads, int(backward))
        if self._made is None or self._made[0] != wanted:
            self._made = wanted, self._carved(plan, prompts, tokens, reads, backward=backward)
        return self._made[1]

    def _carved(self, plan: Plan, prompts: int, tokens: int, reads: int, *, backward: bool) -> Room:
        D, M, R = plan.width, prompts * tokens, prompts * reads
        padded, head = -(-tokens // TOGETHER) * TOGETHER, plan.width // plan.heads
        slots, back = (plan.layers, M) if backward else (1, 0)
        shapes = Room(
            h=(M, D), h_read=(R, D), scaled=(2 * slots + 1, M, D), inverse=(2 * slots + 1, M),
            before_attention=(slots, M, D), qkv=(slots, M, 3 * D),
            attention=(slots, prompts * plan.heads, tokens, padded // TOGETHER, TOGETHER),
            mixed=(slots, M, D), mixed_read=(R, D),
            before_mlp=(slots, M, D), derivative=(slots, M, 4 * D), hidden=(slots, M, 4 * D), top=(R, D), output=(R,),
            rows=(R,), turned=(head, padded), d_h=(back, D), d_read=(min(back, R), D),
            d_narrow=(back, D), d_wide=(back, 4 * D), d_qkv=(back, 3 * D),
            slopes=(min(back, tokens), padded // TOGETHER, TOGETHER),
            left=(-(-M // 2) * 4 * D + M if self._pairs else 0,),
            panels=(back * in_panels(4 * D, self._dtype.itemsize),),
        )  # fmt: skip
        counts = [-(-prod(shape) // _APART) * _APART for shape in shapes]
        if sum(counts) > self._numbers.size:
            self._numbers = np.zeros(sum(counts), self._dtype)
        starts = np.cumsum([0, *counts]).tolist()
        made = Room(
            *(
                self._numbers[start : start + prod(shape)].reshape(shape)
                for start, shape in zip(starts[:-1], shapes, strict=True)
            )
        )
        made.turned.fill(0)  # so are the queries that fill a part up; nothing reads what becomes of them
        words = {"left": made.left.view(np.uint32), "panels": made.panels.view(np.uint32)} if self._pairs else {}
        return made._replace(rows=np.empty(R, np.int64), **words)


def in_panels(columns: int, itemsize: int) -> int:
    """Columns of as many whole panels as hold so many."""
    wide = HERE.vectors * HERE.bytes // itemsize
    return -(-columns // wide) * wide


def packed_places(layers: int, width: int, itemsize: int, *, pairs: bool = False) -> tuple[Any, int]:
    """Where a run's matrices begin once they are packed, and how many numbers (or words) they are together.

    Args:
        layers: how many.
        width: D.
        itemsize: bytes of a number, or of a word.
        pairs: whether a word holds two rows.

    Returns:
        places [layer, 8]: QKV, projection, into and out of the MLP as [in, out], and the same as [out, in].
    """
    D = width
    shapes = [(D, 3 * D), (D, D), (D, 4 * D), (4 * D, D)]
    matrices = [*shapes, *((columns, rows) for rows, columns in shapes)] * layers
    counts = [(-(-rows // 2) if pairs else rows) * in_panels(columns, itemsize) for rows, columns in matrices]
    starts = np.cumsum([0, *counts])
    return starts[:-1].reshape(layers, 8).astype(np.int64), int(starts[-1])
