"""Hugging Face language models: does the theory help to prompt and prune them?

- `load` a model; then in memory: `score` answers, `select` demonstrations for queries of yours, `prune` neurons.
- Measure, with claims and controls: `evaluate` (do demonstrations help?), `compare_selectors` (which?), `dose` (how
  many may be irrelevant?), `measure_pruning` (which neurons may go?), `attention` (where does it look?). These are the
  commands of ``iclscope llm``; they write a folder only if ``out`` names one.
- `save_pruned` writes a smaller checkpoint.

Each takes a name, a folder or a loaded model, and texts: a file, a data frame, or ``"words"``, a small task that comes
with iclscope.

    model = icl.language_models.load("HuggingFaceTB/SmolLM2-135M-Instruct")
    smaller = icl.language_models.prune(model, rate=0.2, score="activation")
    print(icl.language_models.evaluate(smaller, "words", shots=(0, 4)))

The other names are parts of these: `load_language_model` and `label_scores` are what `load` and `score` call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclscope.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from iclscope.language_models.api import attention, compare_selectors, dose, evaluate, measure_pruning, save_pruned
    from iclscope.language_models.in_memory import load, prune, score, select
    from iclscope.language_models.measurement_result import MeasurementResult
    from iclscope.language_models.models.loading import LanguageModel, load_language_model
    from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
    from iclscope.language_models.prompts.scoring import label_scores
    from iclscope.language_models.pruning.save import Save
    from iclscope.language_models.requests import TextOptions
    from iclscope.language_models.settings import ModelSource, PruneSettings, SelectorOptions

__all__ = [
    "LanguageModel",
    "MeasurementResult",
    "ModelSource",
    "PromptFormat",
    "PromptGroup",
    "PruneSettings",
    "Save",
    "SelectorOptions",
    "TextOptions",
    "attention",
    "compare_selectors",
    "dose",
    "evaluate",
    "label_scores",
    "load",
    "load_language_model",
    "measure_pruning",
    "prune",
    "save_pruned",
    "score",
    "select",
]

_HOMES = {
    "LanguageModel": "models.loading",
    "MeasurementResult": "measurement_result",
    "ModelSource": "settings",
    "PromptFormat": "prompts.format",
    "PromptGroup": "prompts.format",
    "PruneSettings": "settings",
    "Save": "pruning.save",
    "SelectorOptions": "settings",
    "TextOptions": "requests",
    "label_scores": "prompts.scoring",
    "load": "in_memory",
    "load_language_model": "models.loading",
    "prune": "in_memory",
    "score": "in_memory",
    "select": "in_memory",
}
"""Where each name that is not in `api` is defined."""

__getattr__, __dir__ = lazy_names(
    __name__, __all__, {name: f"{__name__}.{_HOMES.get(name, 'api')}:{name}" for name in __all__}
)
