"""Reading behind shared demonstrations without copying their keys and values.

Every prompt of a group begins with the same tokens. Attention to them is computed once per group, for all prompts side
by side, against one copy of their keys and values; attention to what each prompt has of its own is computed apart; and
the two are joined by the logarithms of their sums of exponentials, as in FlashAttention (Dao et al. 2022, Section 3.1).
The result is that of one softmax over all tokens, up to rounding.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import AttentionInterface, DynamicCache, PreTrainedModel

from iclscope.language_models.models.attention import attention_by
from iclscope.language_models.models.cached import PrefixCache, padded_left
from iclscope.language_models.models.head import exact_head, log_probabilities
from iclscope.language_models.models.loading import LanguageModel, quiet_transformers

ATTENTION = "iclscope_shared_prefix"
"""The name under which transformers finds `_attention`."""

# How far the two ways to read may lie apart in the trial, as a share of the spread of the logits: in half precision
# rounding alone changes what follows on tokens without sense by an eighth.
_NEAR_IN_FLOAT32, _NEAR = 1e-4, 0.5

Keys = Float[Tensor, "head place channel"]


class Prefix(NamedTuple):
    """What all prompts of a group begin with, as read: one entry per layer.

    Attributes:
        keys: of each layer; heads of keys may be fewer than those of queries.
        values: the same.
        length: tokens.
    """

    keys: tuple[Keys, ...]
    values: tuple[Keys, ...]
    length: int


class _Reading(NamedTuple):
    """What `_attention` must know while a model reads behind prefixes: these, and which rows stand behind which."""

    prefixes: tuple[Prefix, ...]
    rows: tuple[tuple[int, Tensor], ...]


class _Beginning(NamedTuple):
    """What `_attention` must know while a model reads prefixes: how long each is, padded on the left."""

    lengths: tuple[int, ...]


_READING: ContextVar[_Reading | _Beginning] = ContextVar("what is read behind shared prefixes")


class SharedPrefixes:
    """The beginnings of several groups of prompts, read once."""

    @torch.inference_mode()
    def __init__(self, model: PreTrainedModel, tokens: Sequence[Sequence[int]]) -> None:
        """Read the beginnings, a row each; works in the block of `reading_behind_prefixes`."""
        self._model = model
        ids, mask = padded_left(tokens, model.device)
        cache: Any = DynamicCache()
        _call(
            model.base_model,
            _Beginning(tuple(map(len, tokens))),
            input_ids=ids,
            attention_mask=_own_mask(mask, ids.shape[1])[:, None],
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            past_key_values=cache,
        )
        width = ids.shape[1]
        self.prefixes = tuple(
            Prefix(
                tuple(layer.keys[row, :, width - length :] for layer in cache.layers),
                tuple(layer.values[row, :, width - length :] for layer in cache.layers),
                length,
            )
            for row, length in enumerate(map(len, tokens))
        )

    def copied(self, indices: Sequence[int]) -> ReadBehind:
        """Rows that begin with these prefixes; each may be named any number of times, and none is copied."""
        return ReadBehind(self._model, self.prefixes, indices)


class ReadBehind:
    """Rows of tokens behind shared prefixes: read on like `PrefixCache`."""

    def __init__(self, model: PreTrainedModel, prefixes: tuple[Prefix, ...], of_row: Sequence[int]) -> None:
        """Nothing is read yet behind the prefix of each row."""
        self._model, self._prefixes, self._of_row = model, prefixes, list(of_row)
        self._own: Any = DynamicCache()
        self._mask: Bool[Tensor, "row place"] = torch.zeros(len(of_row), 0, dtype=torch.bool, device=model.device)

    def copied(self, indices: Sequence[int]) -> ReadBehind:
        """Some rows, each as often as it is named; only what they have of their own is copied."""
        chosen = ReadBehind(self._model, self._prefixes, [self._of_row[index] for index in indices])
        at = torch.tensor(indices, device=self._mask.device)
        chosen._mask = self._mask[at]
        if self._mask.shape[1] > 0:
            chosen._own = copy.deepcopy(self._own)
            chosen._own.batch_select_indices(at)
        return chosen

    @torch.inference_mode()
    def read(self, tokens: Sequence[Sequence[int]], *, keep: int = 1) -> Float[Tensor, "row kept vocabulary"]:
        """As `PrefixCache.read`."""
        ids, mask = padded_left(tokens, self._model.device)
        whole = torch.cat([self._mask, mask], dim=1)
        lengths = torch.tensor([self._prefixes[one].length for one in self._of_row], device=ids.device)
        places = lengths[:, None] + (whole.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        groups = sorted(set(self._of_row))
        rows = {one: [row for row, group in enumerate(self._of_row) if group == one] for one in groups}
        reading = _Reading(
            self._prefixes, tuple((one, torch.tensor(found, device=ids.device)) for one, found in rows.items())
        )
        with exact_head(self._model):
            answer = _call(
                self._model,
                reading,
                input_ids=ids,
                attention_mask=_own_mask(whole, ids.shape[1])[:, None],
                position_ids=places,
                logits_to_keep=keep,
                past_key_values=self._own,
            )
        self._mask, self._own = whole, answer.past_key_values
        return log_probabilities(answer.logits, keep)


def _call(model: Any, reading: _Reading | _Beginning, **arguments: Any) -> Any:
    """Let a model read, with what `_attention` must know."""
    known = inspect.signature(model.forward).parameters
    optional = ("position_ids", "logits_to_keep")
    given = {name: value for name, value in arguments.items() if name in known or name not in optional}
    token = _READING.set(reading)
    try:
        return model(use_cache=True, **given)
    finally:
        _READING.reset(token)


def _own_mask(whole: Bool[Tensor, "row place"], new: int) -> Bool[Tensor, "row new place"]:
    """Which of a row's own places each new one sees: those before that are no padding.

    Padding sees itself, so that no softmax is over nothing; nobody sees it.
    """
    width = whole.shape[1]
    at = torch.arange(width, device=whole.device)
    now = at[width - new :, None]
    return (whole[:, None, :] & (at[None, None, :] <= now)) | (at[None, :] == now)


def reading_behind_prefixes(model: PreTrainedModel) -> AbstractContextManager[None]:
    """In the block `ReadBehind` works on a model: its attention is ours."""
    AttentionInterface.register(ATTENTION, _attention)
    return attention_by(model, ATTENTION)


def _attention(
    module: Any,
    query: Float[Tensor, "row head new channel"],
    key: Float[Tensor, "row kept_head own channel"],
    value: Float[Tensor, "row kept_head own channel"],
    attention_mask: Bool[Tensor, "row 1 new own"],
    scaling: float | None = None,
    dropout: float = 0.0,  # noqa: ARG001 (transformers hands it over; nothing is trained here)
    **more: Any,
) -> tuple[Float[Tensor, "row new head channel"], None]:
    """Attention of new tokens to their prefix and to their own row, as transformers asks for it.

    Raises:
        NotImplementedError: for what is more than a softmax over all tokens: windows, soft caps, sinks, biases.
    """
    special = [name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if more.get(name) is not None]
    if special:
        raise NotImplementedError(f"attention has {', '.join(special)}")
    reading, layer = _READING.get(), module.layer_idx
    rows, heads, new, channels = query.shape
    kept = key.shape[1]
    each = heads // kept
    scale = 1 / math.sqrt(channels) if scaling is None else scaling
    if isinstance(reading, _Beginning):
        return _of_beginnings(query, key, value, scale, reading.lengths).transpose(1, 2).contiguous(), None
    # Queries of one head of keys side by side: keys are read once for all of them, and never repeated.
    folded = query.reshape(rows, kept, each * new, channels)
    bias = torch.zeros(attention_mask.shape, dtype=query.dtype, device=query.device)
    bias = bias.masked_fill(~attention_mask, -torch.inf).repeat(1, 1, each, 1)
    own, own_sum = _attended(folded, key, value, scale, bias)
    before, before_sum = torch.empty_like(own), torch.empty_like(own_sum)
    for one, at in reading.rows:
        prefix, all_rows = reading.prefixes[one], len(at) == rows
        sampled = (folded if all_rows else folded[at]).transpose(0, 1).reshape(1, kept, -1, channels)
        found, sums = _attended(sampled, prefix.keys[layer][None], prefix.values[layer][None], scale, None)
        found = found.reshape(kept, len(at), each * new, channels).transpose(0, 1)
        sums = sums.reshape(kept, len(at), each * new).transpose(0, 1)
        if all_rows:
            before, before_sum = found, sums
        else:
            before[at], before_sum[at] = found, sums
    share = torch.sigmoid(before_sum - own_sum)[..., None]
    joined = own.float() + share * (before.float() - own.float())
    joined = joined.to(query.dtype).reshape(rows, heads, new, channels)
    return joined.transpose(1, 2).contiguous(), None


def _of_beginnings(
    query: Tensor, key: Tensor, value: Tensor, scale: float, lengths: Sequence[int]
) -> Float[Tensor, "row head place channel"]:
    """Causal attention row by row: nothing is computed of padding, nor of what comes later."""
    each = query.shape[1] // key.shape[1]
    found = torch.zeros_like(query)
    for row, length in enumerate(lengths):
        keys, values = (part[row : row + 1, :, -length:].repeat_interleave(each, dim=1) for part in (key, value))
        found[row : row + 1, :, -length:] = torch.nn.functional.scaled_dot_product_attention(
            query[row : row + 1, :, -length:], keys, values, is_causal=True, scale=scale
        )
    return found


def _attended(
    query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Tensor | None
) -> tuple[Float[Tensor, "row head new channel"], Float[Tensor, "row head new"]]:
    """Attention, and log Σ exp of its scores, which PyTorch's public functions keep to themselves."""
    if query.device.type == "cpu" and value.shape[-1] == query.shape[-1]:
        found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, False, attn_mask=bias, scale=scale
        )
        return found[0], found[1]
    scores = torch.matmul(query.float(), key.float().transpose(-1, -2)) * scale
    scores = scores if bias is None else scores + bias.float()
    return torch.matmul(scores.softmax(dim=-1).to(value.dtype), value), scores.logsumexp(dim=-1)


def why_copied(language_model: LanguageModel) -> str:
    """Why prompts of a model get copies of what they share; empty if they need none.

    By what its config says of its layers, and by a trial: a few tokens are read both ways.
    """
    found = language_model.why_copied
    if not found:
        found.append(_reason(language_model))
    return found[0]


def _reason(language_model: LanguageModel) -> str:
    model: Any = language_model.model
    config = model.config.get_text_config()
    others = sorted({str(kind) for kind in getattr(config, "layer_types", None) or ()} - {"full_attention"})
    if others:
        return f"layers of {', '.join(others)}"
    if not model._supports_attention_backend:
        return f"{language_model.kind} computes attention in its own way"
    tokens = [1 + place % 7 for place in range(24)]
    first, rows = tokens[:12], [tokens[12:], tokens[15:20]]
    try:
        with quiet_transformers():
            read = PrefixCache(model, 2)
            read.read_only([first, first[3:]])
            expected = read.copied([0, 1]).read(rows)[:, 0]
            with reading_behind_prefixes(model):
                found = SharedPrefixes(model, [first, first[3:]]).copied([0, 1]).read(rows)[:, 0]
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        return " ".join(str(error).split())[:120]
    near = _NEAR_IN_FLOAT32 if model.dtype == torch.float32 else _NEAR
    # What is no number is refused elsewhere.
    apart = (found - expected).norm() > near * (expected - expected.mean()).norm()
    return f"{language_model.kind} gives other answers without" if apart else ""
