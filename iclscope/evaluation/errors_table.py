"""The errors of a trained model on a task, as a table with intervals."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
import torch

from iclscope.claims.bootstrap import bootstrap_means
from iclscope.claims.intervals import Interval, mean_interval, rate_interval, share_limits
from iclscope.core.arguments import list_of, whole_number
from iclscope.core.errors import require
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.length_errors import baseline_errors_by_length, errors_by_length
from iclscope.evaluation.scores import check_test, scored
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import Model, expect_model
from iclscope.tasks import Task, tasks_of_runs
from iclscope.tasks.task import SQUARED_ERROR

MODEL = "model"
"""The method of the rows that are about the model, not a baseline."""


def error_table(
    model: Model,
    task: Task | Sequence[Task],
    *,
    prompts: int | None = None,
    baselines: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    lengths: Collection[int] | None = None,
    processes: int = 1,
) -> pl.DataFrame:
    """The errors of a model on fresh prompts of a task, with intervals.

    On functions: one row per method and context length, the model first. ``error`` is the squared error divided by
    E f(x)², so that predicting 0 scores 1, averaged over runs; ``low`` and ``high`` are the ends of its 90 % bootstrap
    interval over prompts. A resample takes the same places among the prompts of every run, so that the interval is
    right too where runs answer the same prompts; it holds for these runs, not for others trained alike.

    On other tasks: a row per metric (on patterns hinge risk and classification error), with 95 % intervals: over
    prompts if there is one run, else over runs, where that of a rate is no shorter than over prompts (column ``over``).

    Runs whose answers are not finite are left out; ``runs`` counts those that remain.

    Args:
        model: the runs.
        task: what to test on, the same for all runs; of patterns also one per run.
        prompts: test prompts per run, at least 2; None: the task's, 1,280 (Garg 2022) but for 4,096 on patterns.
        baselines: keys of `REGRESSION_BASELINES`, for functions only.
        seeds: the seeds that prompts (and patterns) belong to; None: those of the model.
        lengths: the context lengths wanted, for functions only; None: all.
        processes: in how many processes to fit baselines that take one prompt at a time.

    Returns:
        Columns method, length, error, low, high, standard_error, runs, prompts on functions; quantity, value, low,
        high, over, runs, prompts on patterns.

    Raises:
        BadRequest: if the model cannot read the task's prompts, or a setting is not allowed.
    """
    order = "error_table(model, task)"
    expect_model(model, order)
    tasks = tasks_of_runs(task, model.run_count, order)
    first: Task = tasks[0]
    count = whole_number("prompts", first.default_prompts if prompts is None else prompts)
    require(count >= 2, "prompts", count, "at least 2, or there is no interval")
    processes = whole_number("processes", processes, least=1)
    baselines = list_of("baselines", baselines, "names of baselines")
    if first.metrics == (SQUARED_ERROR,):
        found = {MODEL: errors_by_length(model, first, prompts=count, seeds=seeds, lengths=lengths)}
        found |= baseline_errors_by_length(
            baselines,
            first,
            model.seeds if seeds is None else seeds,
            prompts=count,
            lengths=lengths,
            processes=processes,
        )
        return pl.concat(_squared_error_rows(method, errors) for method, errors in found.items())
    require(not baselines, "baselines", list(baselines), f"none: they answer numbers, not {first.kind}")
    require(lengths is None, "lengths", lengths, f"None: {first.kind} are tested after all examples")
    with one_thread_per_operation():
        return _metric_rows(model, tasks, count, seeds)


def _squared_error_rows(method: str, found: SquaredErrors) -> pl.DataFrame:
    errors = found.errors.double().cpu().numpy()
    finite = errors[np.isfinite(errors).all(axis=(1, 2))]
    runs, prompts = len(finite), errors.shape[1]
    columns: dict[str, object] = {"method": method, "length": list(found.lengths)}
    if runs:
        means = bootstrap_means(finite.mean(axis=0))
        columns |= {"error": means.value, "low": means.low, "high": means.high, "standard_error": means.standard_error}
    else:
        columns |= dict.fromkeys(("error", "low", "high", "standard_error"), math.nan)
    return pl.DataFrame({**columns, "runs": runs, "prompts": prompts}, schema_overrides={"length": pl.Int64})


def _metric_rows(model: Model, tasks: Sequence[Task], prompts: int, seeds: Sequence[int] | None) -> pl.DataFrame:
    """A row per metric, at the query after all examples."""
    check_test(model, tasks[0])
    scores = scored(model, tasks, prompts=prompts, seeds=seeds)
    values = {name: found[:, :, -1].double() for name, found in scores.values.items()}
    finite = torch.stack([one.isfinite().all(dim=1) for one in values.values()]).all(dim=0)
    runs = int(finite.sum())
    rows = []
    for metric in tasks[0].metrics:
        own = values[metric.name][finite]
        means = own.mean(dim=1)
        if metric.is_rate:
            interval = (
                _rate_over_prompts(float(means), prompts) if runs == 1 else rate_interval(means.tolist(), prompts)
            )
        else:
            interval = mean_interval(own[0].tolist() if runs == 1 else means.tolist())
        rows.append({"quantity": metric.words, "value": interval.value, "low": interval.low, "high": interval.high})
    over = "prompts" if runs == 1 else "runs"
    return pl.DataFrame(rows).with_columns(over=pl.lit(over), runs=pl.lit(runs), prompts=pl.lit(prompts))


def _rate_over_prompts(rate: float, prompts: int) -> Interval:
    """A single run's share of wrong answers with its Clopper–Pearson interval."""
    return Interval(rate, *share_limits(round(rate * prompts), prompts), 1)
