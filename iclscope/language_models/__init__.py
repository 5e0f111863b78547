"""The same questions for Hugging Face language models: does the theory help to prompt and to prune them?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iclscope.language_models.api import attention, evaluate, prune, save_pruned, select
    from iclscope.language_models.models.loading import LanguageModel, load_language_model
    from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
    from iclscope.language_models.prompts.scoring import label_scores
    from iclscope.language_models.pruning.save import Save
    from iclscope.language_models.settings import ModelSource, PruneSettings, SelectorOptions

__all__ = [
    "LanguageModel",
    "ModelSource",
    "PromptFormat",
    "PromptGroup",
    "PruneSettings",
    "Save",
    "SelectorOptions",
    "attention",
    "evaluate",
    "label_scores",
    "load_language_model",
    "prune",
    "save_pruned",
    "select",
]

_HOMES = {
    "models.loading": ("LanguageModel", "load_language_model"),
    "prompts.format": ("PromptFormat", "PromptGroup"),
    "prompts.scoring": ("label_scores",),
    "pruning.save": ("Save",),
    "settings": ("ModelSource", "PruneSettings", "SelectorOptions"),
}
"""Where that which is no measurement is defined."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "api")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
