"""Scores that are no numbers: noticed wherever scores are made, and traced to the layer where they begin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from iclscope.core.errors import BadRequest, refused
from iclscope.language_models.models.head import exact_head
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.logits import most_positions


def check_gives_numbers(language_model: LanguageModel, tokens: Sequence[int]) -> None:
    """Read a few tokens, and refuse a model whose logits are no numbers.

    A logit of −∞ is one: it says that a token never comes.

    Args:
        language_model: the model.
        tokens: at least one.

    Raises:
        BadRequest: naming the layer where that begins.
    """
    with torch.inference_mode():
        logits = _read(language_model, tokens).logits
    if not _are_logits(logits):
        raise not_numbers(language_model, [tokens])


def not_numbers(language_model: LanguageModel, prompts: Iterable[Sequence[int]], *, what: str = "scores") -> BadRequest:
    """The refusal of a model that gave NaN or ∞, with the layer where it begins.

    Each prompt is read once more, by itself and without a cache, until one is found in which it begins. What was set
    for the model's attention, and what neurons are silent, holds here too.

    Args:
        language_model: the model.
        prompts: tokens of prompts, among them one that gave no numbers.
        what: what is no number, in words.
    """
    where = next(filter(None, (_beginning(language_model, tokens) for tokens in prompts)), None)
    found = "it cannot be told where that begins" if where is None else _told(language_model, where)
    return refused("MODEL", language_model.name, f"a model whose {what} are finite numbers; {found}")


def _told(language_model: LanguageModel, layer: str) -> str:
    """What is wrong with a layer, in words."""
    weights = list(language_model.model.get_submodule(layer).parameters(recurse=False))
    bad = sum(int((~tensor.isfinite()).sum()) for tensor in weights)
    begins = f"in layer {layer} they stop being finite"
    if bad:
        count = sum(tensor.numel() for tensor in weights)
        return f"{begins}: {bad:,} of its {count:,} weights {'is no number' if bad == 1 else 'are no numbers'}"
    dtype = str(language_model.model.dtype).removeprefix("torch.")
    other = "" if dtype == "float32" else "; --dtype float32 holds larger ones"
    return f"{begins}: what it computes is too large for {dtype}{other}"


def _beginning(language_model: LanguageModel, tokens: Sequence[int]) -> str | None:
    """The name of the innermost module in which numbers stop being finite; None if all are.

    If what a module is given is not finite, and nothing before gave it, it began between modules, in the one around.
    """
    model: Any = language_model.model
    head = model.get_output_embeddings()
    found: list[str] = []

    def before(name: str) -> Callable[..., None]:
        def look(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            # Masks of attention hold −∞ rightly, and come in here alone.
            if not found and not all(_may_be_masks(one) for one in _tensors((arguments, named))):
                found.append(name.rpartition(".")[0])

        return look

    def behind(name: str, is_head: bool) -> Callable[..., None]:
        fine = _are_logits if is_head else _is_finite

        def look(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            is_fine = all(fine(one) for one in _tensors(output))
            if not found and not is_fine:
                found.append(name)
            elif found and is_fine and found[0].startswith(f"{name}." if name else ""):
                found.clear()  # what came of it inside was of no consequence: its neuron is silent, say

        return look

    with torch.inference_mode(), ExitStack() as hooks:
        for name, module in model.named_modules():
            is_head = module is head or module is model
            hooks.callback(module.register_forward_pre_hook(before(name), with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(behind(name, is_head)).remove)
        _read(language_model, tokens)
    return found[0] if found else None


def _read(language_model: LanguageModel, tokens: Sequence[int]) -> Any:
    model: Any = language_model.model
    ids = torch.tensor([list(tokens)], device=language_model.device)
    known = inspect.signature(model.forward).parameters
    more = {"use_cache": False, "logits_to_keep": most_positions(language_model)}
    more = {name: value for name, value in more.items() if name in known}
    with exact_head(model):
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **more)


def _tensors(found: Any) -> Iterator[Tensor]:
    """The tensors of numbers in what a module takes or gives; what a cache holds is no output of the module."""
    if isinstance(found, Tensor):
        if found.is_floating_point():
            yield found
    elif isinstance(found, dict):
        for part in found.values():
            yield from _tensors(part)
    elif isinstance(found, tuple | list):
        for part in found:
            yield from _tensors(part)


def _is_finite(numbers: Tensor) -> bool:
    return bool(numbers.isfinite().all())


def _may_be_masks(numbers: Tensor) -> bool:
    """Whether there is neither NaN nor +∞."""
    return not bool((numbers.isnan() | numbers.isposinf()).any())


def _are_logits(numbers: Tensor) -> bool:
    """Whether probabilities can be made of numbers: some token may be impossible (−∞), but not all."""
    return _may_be_masks(numbers) and not bool(numbers.isneginf().all(dim=-1).any())
