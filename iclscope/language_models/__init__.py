"""The same questions for Hugging Face language models: does the theory help to prompt and to prune them?"""

from iclscope.language_models.api import attention, evaluate, prune, select
from iclscope.language_models.models.loading import LanguageModel, ModelSource, load_language_model
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.pruning.measurement import Save
from iclscope.language_models.pruning.rows import PruneSettings
from iclscope.language_models.selectors import SelectorOptions

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
    "select",
]
