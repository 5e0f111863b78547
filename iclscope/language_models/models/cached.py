"""Reading tokens behind tokens that were read already: the cache of keys and values, with rows of different lengths."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from iclscope.language_models.models.head import exact_head, log_probabilities


class LastAttention(NamedTuple):
    """Where the last token of each row looks.

    Attributes:
        layers: attention of each head to each place, per layer; None if the model tells nothing.
        mask: where tokens stand; the others are padding.
    """

    layers: tuple[Float[Tensor, "row head place"], ...] | None
    mask: Bool[Tensor, "row place"]


class PrefixCache:
    """Rows of tokens that a model has read.

    Shorter rows are padded on the left of what is read at a time, so that the last token of all stands in one column;
    the mask hides the padding, and each token knows its place without it.

    Attributes:
        rows: how many rows there are.
        cache: their keys and values.
        mask: where tokens stand; the others are padding.
    """

    def __init__(self, model: PreTrainedModel, rows: int) -> None:
        """Nothing is read yet."""
        self._model = model
        self.cache: Any = DynamicCache()
        self.mask: Bool[Tensor, "row place"] = torch.zeros(rows, 0, dtype=torch.bool, device=model.device)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.mask)

    def copied(self, indices: Sequence[int]) -> PrefixCache:
        """Some rows, each as often as it is named; these stay as they are."""
        chosen = PrefixCache(self._model, 0)
        at = torch.tensor(indices, device=self.mask.device)
        chosen.mask = self.mask[at]
        if self.mask.shape[1] > 0:
            chosen.cache = copy.deepcopy(self.cache)
            chosen.cache.batch_select_indices(at)
        return chosen

    @torch.inference_mode()
    def read(self, tokens: Sequence[Sequence[int]], *, keep: int = 1) -> Float[Tensor, "row kept vocabulary"]:
        """Read more tokens behind each row.

        Args:
            tokens: at least one per row.
            keep: of how many last columns the logits are wanted.

        Returns:
            Log-probabilities of the next token behind each of the last columns, in float32.
        """
        with exact_head(self._model):
            return log_probabilities(self._read(self._model, tokens, keep).logits, keep)

    @torch.inference_mode()
    def read_only(self, tokens: Sequence[Sequence[int]]) -> None:
        """Read more tokens behind each row without asking what comes next, which spares the vocabulary's product."""
        self._read(self._model.base_model, tokens, 1)

    @torch.inference_mode()
    def attend(self, tokens: Sequence[int]) -> LastAttention:
        """Read one more token behind each row, and tell where it looks; the model's attention must be the eager one."""
        layers = self._read(self._model, [[token] for token in tokens], 1, output_attentions=True).attentions
        if not layers or any(layer is None for layer in layers):
            return LastAttention(None, self.mask)
        return LastAttention(tuple(layer[:, :, -1] for layer in layers), self.mask)

    def _read(self, model: Any, tokens: Sequence[Sequence[int]], keep: int, **more: Any) -> Any:
        ids, mask = padded_left(tokens, self._model.device)
        whole = torch.cat([self.mask, mask], dim=1)
        places = (whole.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        arguments = {"position_ids": places, "logits_to_keep": keep}
        known = inspect.signature(model.forward).parameters
        arguments = {name: value for name, value in arguments.items() if name in known}
        answer = model(
            input_ids=ids, attention_mask=whole.long(), past_key_values=self.cache, use_cache=True, **arguments, **more
        )
        self.mask = whole
        self.cache = answer.past_key_values
        return answer


def padded_left(
    tokens: Sequence[Sequence[int]], device: torch.device
) -> tuple[Int64[Tensor, "row place"], Bool[Tensor, "row place"]]:
    """Tokens as a matrix whose last column is the last of each row, and where they stand in it."""
    width = max(len(row) for row in tokens)
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in tokens], device=device)
    mask = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in tokens], device=device)
    return ids, mask
