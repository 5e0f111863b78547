"""The same questions for Hugging Face language models: does the theory help to prompt and to prune them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclscope.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from iclscope.language_models.api import attention, dose, evaluate, prune, save_pruned, select
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
    "dose",
    "evaluate",
    "label_scores",
    "load_language_model",
    "prune",
    "save_pruned",
    "select",
]

_HOMES = {
    "LanguageModel": "models.loading",
    "load_language_model": "models.loading",
    "PromptFormat": "prompts.format",
    "PromptGroup": "prompts.format",
    "label_scores": "prompts.scoring",
    "Save": "pruning.save",
    "ModelSource": "settings",
    "PruneSettings": "settings",
    "SelectorOptions": "settings",
}
"""Where each name that is not in `api` is defined."""

__getattr__, __dir__ = lazy_names(
    __name__, __all__, {name: f"{__name__}.{_HOMES.get(name, 'api')}:{name}" for name in __all__}
)
