"""What a model answers to queries behind chosen demonstrations."""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.special import log_softmax

from iclscope.language_models.calibration import calibrated
from iclscope.language_models.draws import Asked
from iclscope.language_models.labelled_text import LabelledTexts
from iclscope.language_models.loading import LanguageModel
from iclscope.language_models.prompts import CONTENT_FREE, PromptFormat, PromptGroup
from iclscope.language_models.scoring import Told, label_scores
from iclscope.language_models.selectors import Choice


def prompt_groups(
    asked: Asked, choice: Choice, form: PromptFormat, pool: LabelledTexts | None = None
) -> list[PromptGroup]:
    """The prompts, each group with the content-free queries last.

    Args:
        asked: the queries.
        choice: their demonstrations.
        form: how an example is written.
        pool: what the demonstrations are taken from; None: ``asked.pool``.
    """
    source = asked.pool if pool is None else pool
    free = tuple(form.asked(text) for text in CONTENT_FREE)
    queries = [form.asked(text) for text in asked.queries.texts]
    if choice.shared:
        return [PromptGroup(form.prefix(source.at(choice.demonstrations[0])), (*queries, *free))]
    return [
        PromptGroup(form.prefix(source.at(shown)), (query, *free))
        for shown, query in zip(choice.demonstrations, queries, strict=True)
    ]


def answers(
    language_model: LanguageModel,
    asked: Asked,
    choice: Choice,
    form: PromptFormat,
    *,
    pool: LabelledTexts | None = None,
    told: Told | None = None,
) -> pl.DataFrame:
    """Ask all queries.

    Args:
        language_model: what is asked.
        asked: the queries, and the classes to choose from.
        choice: the demonstrations of each query.
        form: how an example is written.
        pool: what the demonstrations are taken from; None: ``asked.pool``.
        told: is told how many prompts have been read.

    Returns:
        A row per query: ``query`` (its place), ``label``, ``answer`` (the likeliest label), ``correct``,
        ``calibrated_answer`` and ``calibrated_correct`` (after contextual calibration), ``log_probability`` (of the
        right label among all labels), ``demonstrations`` (places in the pool).
    """
    groups = prompt_groups(asked, choice, form, pool)
    found = label_scores(language_model, groups, form.answers(asked.classes), told=told)
    free = len(CONTENT_FREE)
    scores = np.concatenate([each[:-free] for each in found])
    fair = np.concatenate([calibrated(each[:-free], each[-free:]) for each in found])
    return _rows(asked, choice, scores, fair)


def _rows(
    asked: Asked, choice: Choice, scores: Float64[np.ndarray, "query label"], fair: Float64[np.ndarray, "query label"]
) -> pl.DataFrame:
    classes = np.asarray(asked.classes)
    right = np.asarray([asked.classes.index(label) for label in asked.queries.labels])
    best, best_fair = scores.argmax(axis=1), fair.argmax(axis=1)
    return pl.DataFrame(
        {
            "query": np.arange(len(right)),
            "label": classes[right].tolist(),
            "answer": classes[best].tolist(),
            "correct": best == right,
            "calibrated_answer": classes[best_fair].tolist(),
            "calibrated_correct": best_fair == right,
            "log_probability": log_softmax(scores, axis=1)[np.arange(len(right)), right],
            "demonstrations": pl.Series(choice.demonstrations, dtype=pl.List(pl.Int64)),
        }
    )


def crossed(rows: pl.DataFrame, column: str) -> Float64[np.ndarray, "draw query"]:
    """A column as a matrix, a row per draw and a column per query."""
    sorted_rows = rows.sort("draw", "query")
    draws = sorted_rows["draw"].n_unique()
    return sorted_rows[column].cast(pl.Float64).to_numpy().reshape(draws, -1)
