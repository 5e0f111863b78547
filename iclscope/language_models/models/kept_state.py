"""Whether a model keeps keys and values of attention and nothing else, so that prompts can share what was read."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache

from iclscope.core.errors import BadRequest, refused
from iclscope.language_models.models.loading import LanguageModel, quiet_transformers

# How far logits read behind a cache may lie from those read at once, as a share of their spread: rounding changes them
# by 1e-5 in float32 and by some per cent in half precision; a state that was lost changes them by all of it.
_NEAR_IN_FLOAT32, _NEAR = 0.05, 0.5

_OF_ATTENTION = ("DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer")
"""What transformers keeps for layers with attention, whole or in a window, and for those without any (MLPs alone)."""


def check_attention_only(language_model: LanguageModel) -> None:
    """Refuse a model that keeps a state that is no cache of keys and values, by what it says of itself.

    Raises:
        BadRequest: naming its architecture.
    """
    model = language_model.model
    if getattr(model, "_is_stateful", False):
        raise _refusal(language_model, f"{language_model.kind} has recurrent ones")
    if "past_key_values" not in inspect.signature(model.forward).parameters:
        raise _refusal(language_model, f"{language_model.kind} takes no keys and values that were computed before")
    others = _other_layers(language_model)
    if others:
        raise _refusal(language_model, f"{language_model.kind} has layers that keep another state: {', '.join(others)}")


def check_reads_in_parts(language_model: LanguageModel, tokens: Sequence[int]) -> None:
    """Read a few tokens in two parts, and refuse the model unless that gives what reading them at once does.

    This finds what models do not say of themselves: those of other packages, or with Python code of their own.

    Args:
        language_model: the model.
        tokens: at least two.

    Raises:
        BadRequest: if it cannot read on, or reads on as if it had forgotten something.
    """
    check_attention_only(language_model)
    kind = language_model.kind
    doing = "does not read a text"
    try:
        with quiet_transformers(), torch.inference_mode():
            whole = _logits(language_model, tokens, None)
            doing = "does not read on behind keys and values"
            cache = DynamicCache()
            _logits(language_model, tokens[: len(tokens) // 2], cache)
            apart = _logits(language_model, tokens[len(tokens) // 2 :], cache)
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        why = " ".join(str(error).split())[:120]
        raise _refusal(language_model, f"{kind} {doing}: {why}") from error
    if cache.get_seq_length() != len(tokens):
        raise _refusal(language_model, f"{kind} does not keep the keys and values of what it has read")
    finite = bool(whole.isfinite().all() and apart.isfinite().all())  # what is not finite is refused elsewhere
    near = _NEAR_IN_FLOAT32 if language_model.model.dtype == torch.float32 else _NEAR
    if finite and (apart - whole).norm() > near * (whole - whole.mean()).norm():
        raise _refusal(language_model, f"{kind} gives other answers to what it reads in two parts")


def _logits(language_model: LanguageModel, tokens: Sequence[int], cache: DynamicCache | None) -> Float[Tensor, " word"]:
    """Behind the last token, in float32."""
    model: Any = language_model.model
    ids = torch.tensor([list(tokens)], device=language_model.device)
    before = 0 if cache is None else cache.get_seq_length()
    mask = torch.ones(1, before + len(tokens), dtype=torch.int64, device=language_model.device)
    kept = {"use_cache": False} if cache is None else {"past_key_values": cache, "use_cache": True}
    last: Float[Tensor, " word"] = model(input_ids=ids, attention_mask=mask, **kept).logits[0, -1].float()
    return last


def _other_layers(language_model: LanguageModel) -> list[str]:
    """The kinds of layers for which transformers keeps anything but keys and values, as the config or it calls them."""
    config = language_model.model.config
    try:
        layers = DynamicCache(config=config).layers
    except (AttributeError, KeyError, TypeError, ValueError):  # of another package: reading in parts will tell
        return []
    kinds = [type(layer).__name__ for layer in layers]
    named = getattr(config.get_text_config(decoder=True), "layer_types", None) or kinds
    names = named if len(named) == len(kinds) else kinds
    return sorted({str(name) for name, kind in zip(names, kinds, strict=True) if kind not in _OF_ATTENTION})


def _refusal(language_model: LanguageModel, found: str) -> BadRequest:
    return refused("MODEL", language_model.name, f"a model of attention layers only; {found}")
