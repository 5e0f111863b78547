"""How a trained model errs on a task, as a table with intervals."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
import scipy

from iclscope.claims.bootstrap import bootstrap_means
from iclscope.claims.intervals import LEVEL, Interval, mean_interval, rate_interval
from iclscope.core.arguments import list_of, whole_number
from iclscope.core.errors import require
from iclscope.core.threads import one_thread_per_operation
from iclscope.evaluation.errors_by_length import baseline_errors_by_length, errors_by_length
from iclscope.evaluation.evaluate import pattern_outputs
from iclscope.evaluation.risks import risks_of
from iclscope.evaluation.squared_errors import SquaredErrors
from iclscope.models import Model, expect_model
from iclscope.tasks import FunctionClass, PatternClassification, tasks_of_runs
from iclscope.training.losses import hinge_loss

MODEL = "model"
"""The method of the rows that are about the model, not a baseline."""


@one_thread_per_operation()
def error_table(
    model: Model,
    task: PatternClassification | Sequence[PatternClassification] | FunctionClass,
    *,
    prompts: int | None = None,
    baselines: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    lengths: Collection[int] | None = None,
    processes: int = 1,
) -> pl.DataFrame:
    """How a model errs on fresh prompts of a task, with intervals.

    On functions: one row per method and context length, the model first. ``error`` is the squared error divided by
    E f(x)², so that predicting 0 scores 1, averaged over runs; ``low`` and ``high`` are the ends of its 90 % bootstrap
    interval over prompts. A resample takes the same places among the prompts of every run, so that the interval is
    right too where runs answer the same prompts; it holds for these runs, not for others trained alike.

    On patterns: a row for the hinge risk and one for the classification error, with 95 % intervals: over prompts if
    there is one run, else over runs, where that of the error is no shorter than over prompts (column ``over``).

    Runs whose answers are not finite are left out; ``runs`` counts those that remain.

    Args:
        model: the runs.
        task: what to test on, the same for all runs; of patterns also one per run.
        prompts: test prompts per run, at least 2; None: 1,280 on functions (Garg 2022), 4,096 on patterns.
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
    tasks_of_runs(task, model.run_count, order)
    functions = isinstance(task, FunctionClass)
    count = prompts if prompts is not None else 1280 if functions else 4096
    count = whole_number("prompts", count)
    require(count >= 2, "prompts", count, "at least 2, or there is no interval")
    processes = whole_number("processes", processes, least=1)
    baselines = list_of("baselines", baselines, "names of baselines")
    if isinstance(task, FunctionClass):
        found = {MODEL: errors_by_length(model, task, prompts=count, seeds=seeds, lengths=lengths)}
        found |= baseline_errors_by_length(
            baselines,
            task,
            model.seeds if seeds is None else seeds,
            prompts=count,
            lengths=lengths,
            processes=processes,
        )
        return pl.concat(_squared_error_rows(method, errors) for method, errors in found.items())
    require(not baselines, "baselines", list(baselines), "none: they answer functions, not patterns")
    require(lengths is None, "lengths", lengths, "None: patterns have one query, after all examples")
    return _risk_rows(model, task, count, seeds)


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


def _risk_rows(
    model: Model,
    task: PatternClassification | Sequence[PatternClassification],
    prompts: int,
    seeds: Sequence[int] | None,
) -> pl.DataFrame:
    outputs, labels = pattern_outputs(model, task, prompts=prompts, seeds=seeds)
    finite = outputs.isfinite().all(dim=1)
    outputs, labels = outputs[finite], labels[finite]
    runs = len(outputs)
    if runs == 1:
        hinge = mean_interval(hinge_loss(outputs, labels)[0].double().tolist())
        error = _rate_over_prompts(float(risks_of(outputs, labels).classification_error), prompts)
    else:
        risks = risks_of(outputs, labels)
        hinge = mean_interval(risks.hinge_risk.tolist())
        error = rate_interval(risks.classification_error.tolist(), prompts)
    rows = [
        {"quantity": quantity, "value": interval.value, "low": interval.low, "high": interval.high}
        for quantity, interval in (("hinge risk", hinge), ("classification error", error))
    ]
    over = "prompts" if runs == 1 else "runs"
    return pl.DataFrame(rows).with_columns(over=pl.lit(over), runs=pl.lit(runs), prompts=pl.lit(prompts))


def _rate_over_prompts(rate: float, prompts: int) -> Interval:
    """A single run's share of wrong answers with its Clopper–Pearson interval."""
    ends = scipy.stats.binomtest(round(rate * prompts), prompts).proportion_ci(LEVEL, method="exact")
    return Interval(rate, float(ends.low), float(ends.high), 1)
