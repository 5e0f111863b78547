"""What a smaller model saves: weights, memory, and time, measured next to the whole model in one process."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.pruning.pruned import pruned_model

NEW_TOKENS = 16
"""How many tokens are generated to time one."""


class _Times(NamedTuple):
    """Seconds to read a prompt, seconds for each further token, and bytes that computing took on a GPU."""

    prompt: float
    token: float
    working: int | None


def weight_bytes(language_model: LanguageModel) -> int:
    """Bytes of all weights, tied ones once: the size of a checkpoint in safetensors but for its header."""
    return sum(weights.numel() * weights.element_size() for weights in language_model.model.parameters())


def cost_rows(
    language_model: LanguageModel, removed: Sequence[int], prompt: Sequence[int], *, repeats: int = 5
) -> pl.DataFrame:
    """Cost of the model without so many neurons per layer; which ones makes no difference.

    Whole and smaller model take turns, so that whatever else slows the computer slows both.

    Args:
        language_model: the whole model.
        removed: numbers of neurons.
        prompt: tokens to read, of a prompt as it is asked; its first ones are left out where new tokens would not fit.
        repeats: of each timing, after one that does not count.

    Returns:
        Columns ``removed``, ``parameters``, ``weight_bytes``, ``prompt_seconds``, ``token_seconds`` (medians; the
        latter per new token, with the cache), ``working_bytes`` (most that computing took beside the weights; GPU
        only), and ``whole_…``: the same of the whole model in the same turns. ``prompt_faster`` and ``token_faster``
        are medians, over turns, of how many times faster it was than the whole model in that turn; ``…_low`` and
        ``…_high`` the least and the most.
    """
    if language_model.context_length is not None:
        prompt = prompt[-max(1, language_model.context_length - NEW_TOKENS) :]
    found = []
    for count in removed:
        smaller = without_first(language_model, count)
        turns: list[tuple[_Times, _Times]] = []
        for turn in range(repeats + 1):
            order = (language_model, smaller) if turn % 2 == 0 else (smaller, language_model)
            first, second = (_timed(one, prompt) for one in order)
            turns.append((first, second) if turn % 2 == 0 else (second, first))
        whole, small = zip(*turns[1:], strict=True)
        row: dict[str, Any] = {"removed": count}
        for prefix, model, times in (("", smaller, small), ("whole_", language_model, whole)):
            row[f"{prefix}parameters"] = model.model.num_parameters()
            row[f"{prefix}weight_bytes"] = weight_bytes(model)
            row[f"{prefix}prompt_seconds"] = median(one.prompt for one in times)
            row[f"{prefix}token_seconds"] = median(one.token for one in times)
            row[f"{prefix}working_bytes"] = max((one.working for one in times if one.working is not None), default=None)
        for name in ("prompt", "token"):
            faster = [getattr(a, name) / getattr(b, name) for a, b in zip(whole, small, strict=True)]
            row |= {f"{name}_faster": median(faster), f"{name}_faster_low": min(faster)}
            row[f"{name}_faster_high"] = max(faster)
        found.append(row)
    types = {"working_bytes": pl.Int64, "whole_working_bytes": pl.Int64}
    return pl.DataFrame(found, schema_overrides=types)


def without_first(language_model: LanguageModel, count: int) -> LanguageModel:
    """A copy without the first ``count`` neurons of each layer."""
    layout = mlp_layout(language_model)
    return pruned_model(language_model, (torch.arange(layout.width) >= count).expand(len(layout.mlps), -1))


@torch.inference_mode()
def _timed(language_model: LanguageModel, prompt: Sequence[int]) -> _Times:
    model: Any = language_model.model
    on_gpu = model.device.type == "cuda"
    ids: Tensor = torch.tensor([list(prompt)], device=model.device)
    before = 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(model.device)
        before = torch.cuda.memory_allocated(model.device)
    last = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    moments = [_now(model.device)]
    answer = model(input_ids=ids, use_cache=True, **last)
    moments.append(_now(model.device))
    for _ in range(NEW_TOKENS):
        likeliest = answer.logits[:, -1:].argmax(dim=-1)
        answer = model(input_ids=likeliest, past_key_values=answer.past_key_values, use_cache=True)
    moments.append(_now(model.device))
    working = torch.cuda.max_memory_allocated(model.device) - before if on_gpu else None
    return _Times(moments[1] - moments[0], (moments[2] - moments[1]) / NEW_TOKENS, working)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
