"""Language models in memory: loaded, asked, shown demonstrations, pruned; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from iclscope.core.arguments import expect, list_of
from iclscope.core.renamed import warn_renamed
from iclscope.language_models.api import compare_selectors, measure_pruning
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.draws import SampledTask
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.prepared import prepare, text_task
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.pruning.pruned import pruned_model
from iclscope.language_models.pruning.rows import Neurons
from iclscope.language_models.requests import AnyModel, loaded_model, text_measurement
from iclscope.language_models.selectors import TextFeatures, choose
from iclscope.language_models.settings import (
    Device,
    Dtype,
    ModelSource,
    Norm,
    PruneSettings,
    ScoreName,
    SelectorName,
    SelectorOptions,
    TextMeasurement,
)
from iclscope.language_models.texts.labelled_text import LabelledTexts


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: Dtype = "float32",
    device: Device = "auto",
    trust_remote_code: bool = False,
) -> LanguageModel:
    """Load a causal language model.

    Args:
        name: a name on the Hugging Face hub, a folder with a checkpoint in safetensors, or a GGUF file.
        revision: branch, tag or commit on the hub; None: its main one.
        dtype: of the weights. "bfloat16" is several times faster where it is native, and changes some answers;
            "auto" takes it there, without the comparison with float32 that begins a measurement of a model by name.
        device: "auto", "cpu" or "cuda".
        trust_remote_code: whether to run Python code that comes with the model.

    Raises:
        BadRequest: if there is no such model, or it cannot be used.
    """
    source: dict[str, Any] = {"name": os.fspath(name), "revision": revision, "dtype": dtype, "device": device}
    return load_language_model(ModelSource(**source, trust_remote_code=trust_remote_code))


def score(
    model: AnyModel, prompts: str | Sequence[str], answers: Sequence[str]
) -> Float64[np.ndarray, "prompt answer"]:
    """Log-likelihood of each answer after each prompt.

    Args:
        model: as for `evaluate`.
        prompts: one or more texts.
        answers: the continuations, each with its leading space if it has one.

    Returns:
        Σ log p(token | all before it) over an answer's tokens; natural logarithms.

    Raises:
        BadRequest: if a prompt is too long for the model, or an answer is empty.
    """
    texts = [prompts] if isinstance(prompts, str) else list_of("prompts", prompts, "texts")
    expect(bool(texts) and all(isinstance(one, str) for one in texts), "prompts", prompts, "a text, or several")
    continuations = list_of("answers", answers, "texts")
    return label_scores(loaded_model(model), [PromptGroup("", tuple(texts))], continuations)[0]


def select(
    model: AnyModel,
    data: Any = "words",
    queries: str | Sequence[str] | int | None = None,
    *,
    selector: SelectorName = "pattern",
    shots: int | Sequence[int] = 4,
    options: SelectorOptions | None = None,
    text: str = "text",
    label: str = "label",
    format: str | PromptFormat | None = None,
    seed: int = 0,
    **old: Any,
) -> Any:
    """Choose demonstrations for queries of yours.

    Args:
        model: as for `evaluate`; some selectors look at its hidden states.
        data: the labelled texts to choose from, as for `evaluate`.
        queries: the texts that will be asked.
        selector: "random", "balanced", "similarity", "bm25", "diverse" or "pattern" (the theory's).
        shots: how many demonstrations for each query.
        options: how selectors look at texts; None: the defaults.
        text: the column of texts.
        label: the column of labels.
        format: how an example is written; a text alone is how it is written before its label.
        seed: of what is random.
        **old: deprecated: the arguments of `compare_selectors`, which had this name.

    Returns:
        A data frame with a row per query and demonstration: query, rank (0 comes first in the prompt), text, label.

    Raises:
        BadRequest: if it cannot be done.
    """
    if old or queries is None or isinstance(queries, int):
        warn_renamed("select(…) as a comparison", "compare_selectors(…)")
        asked: dict[str, Any] = {} if queries is None else {"queries": queries}
        asked |= {} if format is None else {"format": format}
        many = (2, 4, 8, 16) if shots == 4 else shots
        return compare_selectors(
            model, data, shots=many, options=options, text=text, label=label, seed=seed, **asked, **old
        )
    wanted = [queries] if isinstance(queries, str) else list_of("queries", queries, "texts")
    expect(bool(wanted) and all(isinstance(one, str) for one in wanted), "queries", queries, "a text, or several")
    expect(isinstance(shots, int), "shots", shots, "one whole number")
    assert isinstance(shots, int)
    language_model = loaded_model(model)
    given: dict[str, Any] = {
        "text": text,
        "label": label,
        "seed": seed,
        **({} if format is None else {"format": format}),
    }
    settings = TextMeasurement(model=language_model.source, data=data, **given)
    task = text_task(settings)
    classes = tuple(sorted(set(task.pool.labels)))
    sampled = SampledTask(task.name, task.pool, LabelledTexts(tuple(wanted), ("",) * len(wanted)), classes)
    features = TextFeatures(language_model, sampled, settings.format, options, seed)
    choice = choose(selector, language_model, sampled, shots, seed, seen=features)
    rows = [
        {"query": wanted[query], "rank": rank, "text": task.pool.texts[place], "label": task.pool.labels[place]}
        for query, places in enumerate(choice.demonstrations)
        for rank, place in enumerate(places)
    ]
    kinds = {"query": pl.String, "rank": pl.Int64, "text": pl.String, "label": pl.String}
    return pl.DataFrame(rows, schema=kinds)


def prune(
    model: AnyModel,
    data: Any = "words",
    *,
    score: ScoreName | None = None,
    rate: float | None = None,
    norm: Norm = "auto",
    shots: int = 8,
    prompts: int = 16,
    **more: Any,
) -> Any:
    """A smaller model in memory, without the MLP neurons that score lowest. The model given is never changed.

    Args:
        model: as for `evaluate`.
        data: as for `evaluate`; "activation" scores neurons on its demonstrations.
        score: "activation", "magnitude" (the paper's), or the controls "random" and "largest".
        rate: which share of the neurons of each layer to remove, above 0 and below 1.
        norm: which norm of a neuron's weights "magnitude" and "largest" go by.
        shots: demonstrations per prompt, for "activation".
        prompts: how many prompts "activation" is measured on.
        **more: of `TextOptions`; deprecated: the arguments of `measure_pruning`, which had this name.

    Returns:
        A `LanguageModel`; its ``model`` is an ordinary model of transformers, with ``save_pretrained``.

    Raises:
        BadRequest: if the model's MLPs are of no known layout, or the rate leaves nothing.
    """
    if rate is None:
        warn_renamed("prune(…) as a measurement", "measure_pruning(…)")
        return measure_pruning(model, data, **more)
    given: dict[str, Any] = {"rates": rate, "scores": score or "activation", "norm": norm, "shots": shots}
    settings = PruneSettings(**given, prompts=prompts, texts=1, timings=0)
    language_model = loaded_model(model)
    prepared = prepare(text_measurement(language_model, data, more), language_model)
    return pruned_model(language_model, Neurons(prepared, settings).kept(settings.scores[0], settings.rates[0]))
