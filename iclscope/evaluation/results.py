"""What `evaluate` gives: each metric with its interval, as text, table and picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from jaxtyping import Float
from torch import Tensor

from iclscope.claims.intervals import Interval, mean_interval, rate_interval, share_limits
from iclscope.core.errors import one_of_these, require, require_one_of
from iclscope.core.frames import FrameKind, frame_of
from iclscope.core.html import html_table
from iclscope.tasks import Metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LENGTHS = 6
"""Context lengths that a printed result has at most; its frame has all."""


class Estimate(NamedTuple):
    """One metric at one context length.

    Attributes:
        metric: its name.
        length: how many examples were seen before the prediction.
        interval: the mean over runs and prompts with its 95 % interval.
    """

    metric: str
    length: int
    interval: Interval


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """How wrong a model is on fresh prompts. It prints each metric with its 95 % interval.

    Intervals are over seeds, that is runs; with a single run they are over prompts. Those of rates lie within [0, 1]
    and also cover the uncertainty by prompts. A run whose answers are not finite may have any value.

    Attributes:
        model: the model in words.
        task: the task in words.
        metrics: what was measured.
        lengths: how many examples were seen before each prediction.
        values: by metric, how wrong each run is on each prompt.
    """

    model: str
    task: str
    metrics: tuple[Metric, ...]
    lengths: tuple[int, ...]
    values: Mapping[str, Float[Tensor, "run prompt length"]]

    @property
    def runs(self) -> int:
        """How many runs were tested."""
        return next(iter(self.values.values())).shape[0]

    @property
    def prompts(self) -> int:
        """On how many prompts each."""
        return next(iter(self.values.values())).shape[1]

    @property
    def over(self) -> str:
        """What intervals are over: "seeds", or "prompts" of a single run."""
        return "seeds" if self.runs > 1 else "prompts"

    def per_run(self, metric: str | None = None) -> Float[Tensor, "run length"]:
        """Each run's mean of a metric over prompts, at every context length; the same for every kind of task.

        Args:
            metric: its name; None: the first.

        Raises:
            BadRequest: if it was not measured.
        """
        names = [one.name for one in self.metrics]
        wanted = names[0] if metric is None else metric
        require_one_of("metric", wanted, names)
        return self._mean(wanted)

    def mean(self, metric: str) -> Float[Tensor, "run length"]:
        """The same as `per_run`; where a task is judged by squared errors alone, ``mean`` is not called."""
        return self.per_run(metric)

    def _mean(self, metric: str) -> Float[Tensor, "run length"]:
        return self.values[metric].double().mean(dim=1)

    @cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """Every metric at every context length."""
        return tuple(
            Estimate(metric.name, length, metric_interval(self.values[metric.name][:, :, place], metric))
            for metric in self.metrics
            for place, length in enumerate(self.lengths)
        )

    def interval(self, metric: str | None = None, length: int | None = None) -> Interval:
        """A metric's value with its interval.

        Args:
            metric: its name; None: the first.
            length: the context length; None: the longest.

        Raises:
            BadRequest: if it was not measured.
        """
        names = [one.name for one in self.metrics]
        wanted = names[0] if metric is None else metric
        require_one_of("metric", wanted, names)
        at = self.lengths[-1] if length is None else length
        require(at in self.lengths, "length", length, one_of_these(map(str, self.lengths)))
        return next(one.interval for one in self.estimates if (one.metric, one.length) == (wanted, at))

    def to_frame(self, kind: FrameKind = "polars") -> Any:
        """A row per metric and context length: metric, length, value, low, high, over, seeds, missing, prompts.

        Args:
            kind: "polars", "pandas" or "arrow".
        """
        rows = [
            {"metric": one.metric, "length": one.length, "value": one.interval.value, "low": one.interval.low,
             "high": one.interval.high, "over": self.over, "seeds": self.runs,
             "missing": one.interval.missing if self.runs > 1 else 0, "prompts": self.prompts}
            for one in self.estimates
        ]  # fmt: skip
        return frame_of(pl.DataFrame(rows), kind)

    def plot(self) -> Figure:
        """Each metric against the context length, or each run's value where there is one length only."""
        from iclscope.plotting.drawn import interval_figure

        means = {metric.name: self._mean(metric.name).cpu().numpy() for metric in self.metrics}
        return interval_figure(self.to_frame(), {metric.name: metric.words for metric in self.metrics}, means)

    def __repr__(self) -> str:
        shown = self._shown()
        width = max(len(name) for name, _ in shown)
        lines = [f"{name:<{width}}  {text}" for name, text in shown]
        return "\n".join([self._about(), *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return html_table(self._shown(), title=self._about())

    def _about(self) -> str:
        seeds = f"{self.runs} seeds" if self.runs > 1 else "1 seed"
        return f"{self.task}: {seeds}, {self.prompts:,} prompts each; 95 % intervals over {self.over}"

    def _shown(self) -> list[tuple[str, str]]:
        """Names and values to print; of many lengths some, the longest among them."""
        count = len(self.lengths)
        step = -(-count // _MOST_LENGTHS)
        chosen = {self.lengths[-1 - place] for place in range(0, count, step)}
        return [
            (f"{one.metric}{f' after {one.length}' if count > 1 else ''}", f"{one.interval}{_missing(one.interval)}")
            for one in self.estimates
            if one.length in chosen
        ]


class RiskResult(EvaluationResult):
    """Hinge risk and classification error on patterns (Li 2024), each run's in the attributes of these names."""

    @property
    def hinge_risk(self) -> Float[Tensor, " run"]:
        """Each run's mean of max{0, 1 − z·F}."""
        return self.mean("hinge_risk")[:, 0]

    @property
    def classification_error(self) -> Float[Tensor, " run"]:
        """Each run's share of prompts with sign F ≠ z; F = 0 counts half, as a coin would."""
        return self.mean("classification_error")[:, 0]

    def _asdict(self) -> dict[str, Float[Tensor, " run"]]:
        """Both by name, as columns of a table of runs."""
        return {"hinge_risk": self.hinge_risk, "classification_error": self.classification_error}

    def __iter__(self) -> Iterator[Float[Tensor, " run"]]:
        return iter(self._asdict().values())


class SquaredErrorResult(EvaluationResult):
    """Squared errors against context length (Garg 2022), divided so that a prediction of 0 scores 1."""

    @property
    def errors(self) -> Float[Tensor, "run prompt length"]:
        """(prediction − f(x))² / E f(x)²."""
        (found,) = self.values.values()
        return found

    @property
    def mean(self) -> Float[Tensor, "run length"]:  # type: ignore[override]
        """Each run's mean over prompts, as `per_run` gives it."""
        return self.errors.double().mean(dim=1)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.lengths, self.errors))


def metric_interval(values: Float[Tensor, "run prompt"], metric: Metric) -> Interval:
    """The mean of a metric with its 95 % interval: over runs, or over the prompts of a single one.

    A run with an answer that is not finite may have any value that the metric can have.

    Args:
        values: per run and prompt.
        metric: what they are.
    """
    runs, prompts = values.shape
    means = values.double().mean(dim=1)
    if runs == 1 and not metric.is_rate:
        return mean_interval(values[0].double().tolist(), least=metric.low, most=metric.high)
    if runs == 1 and bool(means.isfinite().all()):
        rate = float(means)
        return Interval(rate, *share_limits(round(rate * prompts), prompts), 1)
    if metric.is_rate:
        return Interval(*rate_interval(means.tolist(), prompts))
    return mean_interval(means.tolist(), least=metric.low, most=metric.high)


def _missing(interval: Interval) -> str:
    return f", {interval.missing} of {interval.seeds} not finite" if interval.missing else ""
