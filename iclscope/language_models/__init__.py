"""The same questions for Hugging Face language models: does the theory help to prompt and to prune them?"""

from iclscope.language_models.api import attention, evaluate, prune, select
from iclscope.language_models.loading import LanguageModel, ModelSource, load_language_model
from iclscope.language_models.prompts import PromptFormat, PromptGroup
from iclscope.language_models.prune import PruneSettings
from iclscope.language_models.prune_measurement import Save
from iclscope.language_models.scoring import label_scores
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
