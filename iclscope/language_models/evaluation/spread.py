"""More from each answer: margins, areas under the curve, paired differences, and what makes accuracies vary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.special import softmax

from iclscope.claims.crossed import crossed_mean, crossed_rate_difference
from iclscope.claims.intervals import Interval
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.report import percent
from iclscope.study.pages.page import TextTable


class Components(NamedTuple):
    """Shares of the variance of single answers, right or wrong, of one setting; they add up to 1.

    Attributes:
        queries: some queries are hard whatever is shown.
        draws: some draws of demonstrations, with their order, are good for all queries.
        rest: some demonstrations suit some queries.
    """

    queries: float
    draws: float
    rest: float


def components(correct: Float64[np.ndarray, "draw query"]) -> Components | None:
    """Variance components of a crossed design by the method of moments; those below 0 count as 0.

    Henderson, "Estimation of variance and covariance components", 1953, method 1, for one answer per cell. None of a
    single draw or query, or where all answers are the same.
    """
    draws, queries = correct.shape
    if min(draws, queries) < 2 or np.ptp(correct) == 0:
        return None
    by_query, by_draw = correct.mean(axis=0), correct.mean(axis=1)
    rest = correct - by_query[None, :] - by_draw[:, None] + correct.mean()
    error = float(np.square(rest).sum()) / ((draws - 1) * (queries - 1))
    found = np.array(
        [
            max(0.0, float(by_query.var(ddof=1)) - error / draws),
            max(0.0, float(by_draw.var(ddof=1)) - error / queries),
            error,
        ]
    )
    return Components(*(found / found.sum()).tolist()) if found.sum() > 0 else None


def margins(rows: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """The rows with ``margin``: log-probability of the right label less that of the likeliest other, in nats.

    Args:
        rows: of `answers`.
        classes: the labels in the order of the scores.
    """
    scores = np.stack(rows["score_sum"].to_list()).astype(float)
    right = np.array([list(classes).index(label) for label in rows["label"]])
    own = np.take_along_axis(scores, right[:, None], axis=1)[:, 0]
    others = scores.copy()
    np.put_along_axis(others, right[:, None], -np.inf, axis=1)
    return rows.with_columns(margin=pl.Series(own - others.max(axis=1)))


def area_under_curve(rows: pl.DataFrame, classes: Sequence[str]) -> float:
    """Mean over draws of the area under the ROC curve, each class against the rest, averaged over classes.

    It asks whether probabilities rank the queries rightly, whatever label the model favours. NaN where a class is not
    among the queries.

    Args:
        rows: of `answers`, with ``draw``.
        classes: the labels in the order of the scores.
    """
    from sklearn.metrics import roc_auc_score

    if set(rows["label"]) != set(classes):
        return float("nan")
    found = []
    for _, part in rows.group_by("draw"):
        shares = softmax(np.stack(part["score_sum"].to_list()).astype(float), axis=1)
        of_classes = [roc_auc_score(part["label"] == name, shares[:, at]) for at, name in enumerate(classes)]
        found.append(np.mean(of_classes))
    return float(np.mean(found))


def spread_text(rows: pl.DataFrame, classes: Sequence[str]) -> TextTable:
    """Margins, areas and variance components as a table of texts.

    Args:
        rows: of `Evaluation`.
        classes: the labels in the order of the scores.
    """
    found = []
    for (arm, selector, shots), part in rows.group_by("arm", "selector", "shots", maintain_order=True):
        margin = crossed_mean(crossed(margins(part, classes), "margin"))
        area, shares = area_under_curve(part, classes), components(crossed(part, "calibrated_correct"))
        found.append(
            (
                str(shots),
                "–" if shots == 0 else str(selector),
                str(arm),
                f"{margin.value:.2f} [{margin.low:.2f}, {margin.high:.2f}]",
                "–" if np.isnan(area) else f"{area:.3f}",
                *(("–",) * 3 if shares is None else (f"{100 * share:.0f} %" for share in shares)),
            )
        )
    return TextTable(
        title="More from each answer",
        caption="Margin: log-probability of the right label less that of the likeliest other, in nats, with 95 % "
        "intervals. AUC: whether probabilities rank queries rightly. The rest: what part of the variance of single "
        "calibrated answers lies between queries, between draws of demonstrations and their order, and in how these "
        "fit together.",
        head=("shots", "selector", "labels", "margin", "AUC", "queries", "draws", "together"),
        rows=found,
    )


def paired_text(rows: pl.DataFrame) -> TextTable | None:
    """Differences of calibrated accuracies from the fewest shots above 0, on the same queries and draws.

    Args:
        rows: of `Evaluation`, as given.

    Returns:
        None where there is one number of shots only.
    """
    found = []
    for (selector,), part in rows.filter(pl.col("shots") > 0).group_by("selector", maintain_order=True):
        numbers = sorted(part["shots"].unique())
        first, *more = (crossed(part.filter(pl.col("shots") == number), "calibrated_correct") for number in numbers)
        for number, other in zip(numbers[1:], more, strict=True):
            gain: Interval = crossed_rate_difference(other, first)
            found.append((f"{number} less {numbers[0]}", str(selector), percent(gain)))
    if not found:
        return None
    return TextTable(
        title="Paired differences",
        caption="Of calibrated accuracy, in points, on the same queries and draws, of which fewer demonstrations are "
        "the first of more; 95 % intervals.",
        head=("shots", "selector", "difference"),
        rows=found,
    )
