"""Errors against context length: the rows, estimates and curves that the figures of Garg 2022 share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from iclscope.claims.bootstrap import BootstrapMeans, bootstrap_means
from iclscope.claims.claim import Control
from iclscope.claims.intervals import Interval, mean_interval, upper_bound
from iclscope.claims.summaries import per_seed
from iclscope.evaluation.length_errors import baseline_errors_by_length, errors_by_length
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.papers.garg2022.settings import PROMPTS, PUBLISHED_STEPS, UNTRAINED, UNTRAINED_TEXT, GPT2Group
from iclscope.plotting.style import curve
from iclscope.tasks import FunctionClass

GPT2 = "GPT-2"

UNTRAINED_CONTROL = Control(UNTRAINED_TEXT, UNTRAINED)
"""The control of claims that any trained model could break."""


def setting(rows: pl.DataFrame, name: str) -> int:
    """A setting that all rows share and that differs between presets: d, or the longest context."""
    return int(rows[name][0])


def error_rows(
    group: GPT2Group, task: FunctionClass, baselines: Mapping[str, int], *, lengths: Sequence[int] | None = None
) -> pl.DataFrame:
    """Errors of the trained models, of the untrained ones and of baselines on the same prompts.

    Args:
        group: the models.
        task: what to test on.
        baselines: name → on how many prompts per seed; slow ones on fewer than the 1,280 of the model.
        lengths: context lengths at which the baselines answer; None: all.

    Returns:
        One row per seed, method and context length: error, its standard error over prompts, number of prompts. The
        baselines stand under both arms, since claims compare within an arm.
    """
    seeds = group.model.seeds
    answered = []
    for many in sorted(set(baselines.values())):
        # Together, so that the Lasso's penalties share one path.
        names = [name for name, prompts in baselines.items() if prompts == many]
        found = baseline_errors_by_length(names, task, seeds, prompts=min(many, PROMPTS), lengths=lengths)
        answered += [_rows(group, name, found[name]) for name in names]
    tables = []
    for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
        own = _rows(group, GPT2, errors_by_length(model, task, prompts=PROMPTS))
        tables += [table.with_columns(arm=pl.lit(arm)) for table in (own, *answered)]
    short = group.trials[0].training.steps < PUBLISHED_STEPS
    # An untrained model is what it is; more training would not make it another control.
    return pl.concat(tables).with_columns(short=pl.lit(short) & (pl.col("arm") != UNTRAINED))


def _rows(group: GPT2Group, method: str, found: SquaredErrors) -> pl.DataFrame:
    """One row per run and context length; the interval is the published one, over prompts."""
    lengths, prompts = found.lengths, found.errors.shape[1]
    tables = []
    for run, one in enumerate(found.errors.double().cpu()):
        diverged = group.diverged_at[run] >= 0 and method == GPT2
        means = _nothing(len(lengths)) if diverged else bootstrap_means(one.numpy())
        tables.append(
            pl.DataFrame(
                {
                    "arm": "trained",
                    "seed": group.trials[run].seed,
                    "diverged_at": group.diverged_at[run] if diverged else None,
                    "method": method,
                    "length": list(lengths),
                    "error": means.value.tolist(),
                    "low": means.low.tolist(),
                    "high": means.high.tolist(),
                    "standard_error": means.standard_error.tolist(),
                    "prompts": prompts,
                },
                schema_overrides={"diverged_at": pl.Int64, "length": pl.Int64},
            )
        )
    return pl.concat(tables)


def _nothing(lengths: int) -> BootstrapMeans:
    """What is known of a run that diverged."""
    return BootstrapMeans(*np.full((4, lengths), math.nan))


def of_method(rows: pl.DataFrame, method: str, first: int, last: int | None = None) -> pl.DataFrame:
    """The rows of one method at the context lengths first … last (one length if last is not given)."""
    last = first if last is None else last
    return rows.filter((pl.col("method") == method) & pl.col("length").is_between(first, last))


def _prompt_error(rows: pl.DataFrame) -> float:
    """Standard error over prompts of a mean over lengths: at most that of the single lengths, whose prompts are the same."""
    kept = rows.filter(pl.col("error").is_not_nan())
    return float(kept["standard_error"].mean()) if not kept.is_empty() else math.nan  # type: ignore[arg-type]


def _interval(values: Sequence[float], standard_error: float) -> Interval:
    """Over seeds; over prompts (normal, 95 %) where there is one seed."""
    over = mean_interval(values)
    if over.seeds != 1 or not math.isfinite(standard_error):
        return over
    return Interval(over.value, over.value - 1.96 * standard_error, over.value + 1.96 * standard_error, 1)


def bound(estimate: Interval, rows: pl.DataFrame, floor: float) -> Interval:
    """What a training shorter than the published one can say: the error of a full one is at most this.

    Args:
        estimate: what was measured.
        rows: what it was measured on; their column ``short`` says whether training was.
        floor: the least that any training could reach.

    Returns:
        The estimate, its lower end at ``floor`` or below where training was short, so that a claim of a small error may
        hold or stay open, but not fail for lack of training.
    """
    if rows.is_empty() or not bool(rows["short"].any()):
        return estimate
    return upper_bound(estimate, floor)


def mean_error(
    rows: pl.DataFrame, method: str, first: int, last: int | None = None, *, floor: float | None = None
) -> Interval:
    """Mean error over the context lengths first … last.

    Args:
        rows: the rows of one arm.
        method: whose error.
        first: the shortest context.
        last: the longest; None: ``first``.
        floor: the least that any training could reach, where a short one gives an upper bound only; None: take the
            measured error for what it is.
    """
    chosen = of_method(rows, method, first, last)
    estimate = _interval(per_seed(chosen, "error"), _prompt_error(chosen))
    return estimate if floor is None else bound(estimate, chosen, floor)


def difference(rows: pl.DataFrame, other: str, first: int, last: int | None = None) -> Interval:
    """GPT-2's mean error less another method's; an upper bound where training is short."""
    own, others = of_method(rows, GPT2, first, last), of_method(rows, other, first, last)
    values = [a - b for a, b in zip(per_seed(own, "error"), per_seed(others, "error"), strict=True)]
    spread = math.hypot(_prompt_error(own), _prompt_error(others))
    return bound(_interval(values, spread), own, -math.inf)


def ratio(rows: pl.DataFrame, other: str, first: int, last: int | None = None) -> Interval:
    """GPT-2's mean error over another method's; an upper bound where training is short."""
    own, others = of_method(rows, GPT2, first, last), of_method(rows, other, first, last)
    a, b = per_seed(own, "error"), per_seed(others, "error")
    values = [x / y if y > 0 else math.nan for x, y in zip(a, b, strict=True)]
    spread, left = math.nan, [(x, y) for x, y in zip(a, b, strict=True) if x > 0 and y > 0]
    if len(left) == 1:  # one seed has no spread over seeds
        x, y = left[0]
        spread = x / y * math.hypot(_prompt_error(own) / x, _prompt_error(others) / y)
    return bound(_interval(values, spread), own, 0.0)


def draw_methods(ax: Axes, rows: pl.DataFrame, methods: Sequence[str]) -> None:
    """Error against context length for each method, with the published kind of interval.

    The curve is the mean over seeds; the shade reaches from the lowest lower end to the highest upper end of the
    seeds' 90 % bootstrap intervals over prompts. Runs that diverged are left out.
    """
    trained = rows.filter((pl.col("arm") == "trained") & pl.col("error").is_not_nan())
    for index, method in enumerate(methods):
        points = (
            trained.filter(pl.col("method") == method)
            .group_by("length")
            .agg(pl.col("error").mean(), pl.col("low").min(), pl.col("high").max())
            .sort("length")
        )
        curve(ax, points["length"], points["error"], points["low"], points["high"], label=method, index=index)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="in-context examples k", ylabel="squared error, 1 = predicting 0", ylim=(-0.03, 1.6))
