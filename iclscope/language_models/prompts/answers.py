"""What a model answers to queries behind chosen demonstrations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.special import log_softmax

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.calibration import calibrated
from iclscope.language_models.prompts.draws import SampledTask
from iclscope.language_models.prompts.format import CONTENT_FREE, PromptFormat, PromptGroup
from iclscope.language_models.prompts.label_lengths import column_of, scores_by_length
from iclscope.language_models.prompts.scoring import OnProgress, scored_labels
from iclscope.language_models.selectors import Choice
from iclscope.language_models.settings import LABEL_SCORES, SUM
from iclscope.language_models.texts.labelled_text import LabelledTexts

Scores = Float64[np.ndarray, "query label"]


def prompt_groups(
    sampled: SampledTask, choice: Choice, form: PromptFormat, pool: LabelledTexts | None = None
) -> list[PromptGroup]:
    """The prompts, each group with the content-free queries last.

    Args:
        sampled: the queries.
        choice: their demonstrations.
        form: how an example is written.
        pool: what the demonstrations are taken from; None: ``sampled.pool``.
    """
    source = sampled.pool if pool is None else pool
    free = tuple(form.render_query(text) for text in CONTENT_FREE)
    queries = [form.render_query(text) for text in sampled.queries.texts]
    if choice.shared:
        return [PromptGroup(form.prefix(source.at(choice.demonstrations[0])), (*queries, *free))]
    return [
        PromptGroup(form.prefix(source.at(shown)), (query, *free))
        for shown, query in zip(choice.demonstrations, queries, strict=True)
    ]


def answers(
    language_model: LanguageModel,
    sampled: SampledTask,
    choice: Choice,
    form: PromptFormat,
    *,
    pool: LabelledTexts | None = None,
    on_progress: OnProgress | None = None,
) -> pl.DataFrame:
    """Ask all queries.

    Args:
        language_model: what is asked.
        sampled: the queries, and the classes to choose from.
        choice: the demonstrations of each query.
        form: how an example is written.
        pool: what the demonstrations are taken from; None: ``sampled.pool``.
        on_progress: called with the number of prompts read.

    Returns:
        A row per query: ``query`` (its place), ``label``, ``answer`` (the likeliest label), ``correct``,
        ``calibrated_answer`` and ``calibrated_correct`` (after contextual calibration), ``log_probability`` (of the
        right label among all labels), ``demonstrations`` (places in the pool). These compare labels by the sum of the
        log-probabilities of their tokens; ``answer_by_token``, ``answer_by_character`` and so on compare them by means.
        ``score_sum``, ``score_token`` and ``score_character`` hold the scores of all labels, in the order of
        ``sampled.classes``.
    """
    groups = prompt_groups(sampled, choice, form, pool)
    found = scored_labels(language_model, groups, form.answers(sampled.classes), on_progress=on_progress)
    of_groups = [scores_by_length(*group, sampled.classes) for group in found]
    free = len(CONTENT_FREE)
    scores: dict[str, Scores] = {}
    fair: dict[str, Scores] = {}
    for name in LABEL_SCORES:
        scores[name] = np.concatenate([group[name][:-free] for group in of_groups])
        # The bias is that of the same score: content-free queries are compared as the others are.
        fair[name] = np.concatenate([calibrated(group[name][:-free], group[name][-free:]) for group in of_groups])
    return _rows(sampled, choice, scores, fair)


def _rows(
    sampled: SampledTask, choice: Choice, scores: Mapping[str, Scores], fair: Mapping[str, Scores]
) -> pl.DataFrame:
    classes = np.asarray(sampled.classes)
    right = np.asarray([sampled.classes.index(label) for label in sampled.queries.labels])

    def judged(name: str) -> dict[str, Any]:
        best, best_fair = scores[name].argmax(axis=1), fair[name].argmax(axis=1)
        found = {
            "answer": classes[best].tolist(),
            "correct": best == right,
            "calibrated_answer": classes[best_fair].tolist(),
            "calibrated_correct": best_fair == right,
        }
        return {column_of(column, name): values for column, values in found.items()}

    return pl.DataFrame(
        {
            "query": np.arange(len(right)),
            "label": classes[right].tolist(),
            **judged(SUM),
            "log_probability": log_softmax(scores[SUM], axis=1)[np.arange(len(right)), right],
            "demonstrations": pl.Series(choice.demonstrations, dtype=pl.List(pl.Int64)),
            **{column: values for name in LABEL_SCORES if name != SUM for column, values in judged(name).items()},
            **{f"score_{name}": pl.Series(scores[name].tolist(), dtype=pl.List(pl.Float64)) for name in LABEL_SCORES},
        }
    )


def crossed(rows: pl.DataFrame, column: str) -> Float64[np.ndarray, "draw query"]:
    """A column as a matrix, a row per draw and a column per query."""
    sorted_rows = rows.sort("draw", "query")
    draws = sorted_rows["draw"].n_unique()
    return sorted_rows[column].cast(pl.Float64).to_numpy().reshape(draws, -1)
