"""Claims, figure and tables of `iclscope llm evaluate`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, JudgedClaim, Region
from iclscope.claims.crossed import crossed_rate_difference
from iclscope.claims.intervals import Interval
from iclscope.language_models.evaluation.rows import AS_GIVEN, SHUFFLED, accuracy_table
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.report import PAPER, DrawnFigure, percent
from iclscope.plotting.style import COLOURS, curve, legend, new_figure, reference_line
from iclscope.study.pages.page import TextTable

FIGURE = "accuracy"
LEAST_GAIN = 0.05


def evaluate_claims(rows: pl.DataFrame) -> list[JudgedClaim]:
    """Judge what can be judged: whether demonstrations help, against demonstrations whose labels say nothing.

    Args:
        rows: of `Evaluation`.

    Returns:
        No claim where no prompt without demonstrations was asked, or none with any.
    """
    shots = rows["shots"].unique().to_list()
    if 0 not in shots or max(shots) == 0:
        return []
    selector = rows["selector"][0]
    rows = rows.filter((pl.col("selector") == selector) | (pl.col("shots") == 0))
    zero = rows.filter(pl.col("shots") == 0)
    both = pl.concat([rows, zero.with_columns(pl.lit(SHUFFLED).alias("arm"))])
    return [_demonstrations_help(max(shots)).judged(PAPER, FIGURE, both)]


def _demonstrations_help(most: int) -> Claim:
    def gain(rows: pl.DataFrame) -> Interval:
        shown, none = (crossed(rows.filter(pl.col("shots") == n), "calibrated_correct") for n in (most, 0))
        return crossed_rate_difference(shown, np.broadcast_to(none, shown.shape).copy())

    return Claim(
        id="evaluate-demonstrations",
        form="ours",
        statement=f"{most} demonstrations let the model answer better than none: it reads the task off their labels.",
        source="Li et al. 2024, Theorem 3.3, carried over to a language model",
        quantity=f"calibrated accuracy at {most} shots less that at 0",
        expected=Region(low=LEAST_GAIN),
        reason="a gain of five points is one that a user would notice; the theory says only that there is one",
        estimate=gain,
        control=Control("the same demonstrations with labels dealt at random", SHUFFLED),
        arm=AS_GIVEN,
        answer=answered(holds="yes", fails="no"),
    )


def evaluate_figure(prepared: Prepared, rows: pl.DataFrame) -> DrawnFigure:
    """Accuracy and calibrated accuracy against the number of demonstrations."""
    table = accuracy_table(rows)
    figure = new_figure(8.6, 3.6)
    left, right = figure.subplots(1, 2, sharey=True)
    chance = _largest_share(prepared.sampled.queries.labels)
    for axes, name, ends, title in (
        (left, "accuracy", ("low", "high"), "likeliest label"),
        (right, "calibrated", ("calibrated_low", "calibrated_high"), "after contextual calibration"),
    ):
        for index, (arm, selector) in enumerate(_curves(table)):
            part = table.filter((pl.col("arm") == arm) & (pl.col("selector") == selector) & (pl.col("shots") > 0))
            zero = table.filter(pl.col("shots") == 0) if arm == AS_GIVEN else table.clear()
            part = pl.concat([zero, part]).sort("shots")
            label = selector if arm == AS_GIVEN else f"{selector}, {arm}"
            curve(axes, part["shots"], part[name], part[ends[0]], part[ends[1]], label=label, index=index)
            if part.height == 1:  # a single point has no width to shade
                axes.vlines(part["shots"], part[ends[0]], part[ends[1]], color=COLOURS[index % len(COLOURS)], alpha=0.5)
        reference_line(axes, chance, label="most frequent label")
        axes.set_title(title)
        axes.set_xlabel("demonstrations")
        axes.set_xticks(sorted(table["shots"].unique()))
    left.set_ylabel("accuracy")
    legend(left, outside=True)
    return DrawnFigure(
        name=FIGURE,
        title="Accuracy against the number of demonstrations",
        caption="Share of queries whose label the model finds likeliest, as it is (left) and after what it answers to "
        "queries without content has been taken off (right, Zhao et al. 2021). Shades: 95 % intervals over draws of "
        "demonstrations and queries.",
        finding=_finding(table),
        figure=figure,
    )


def _curves(table: pl.DataFrame) -> list[tuple[str, str]]:
    shown = table.filter(pl.col("shots") > 0) if (table["shots"] > 0).any() else table
    pairs: list[tuple[str, str]] = shown.select("arm", "selector").unique(maintain_order=True).rows()
    return pairs


def _largest_share(labels: Sequence[str]) -> float:
    return max(labels.count(label) for label in set(labels)) / len(labels)


def _finding(table: pl.DataFrame) -> str:
    best = table.filter(pl.col("arm") == AS_GIVEN).sort("calibrated", descending=True).row(0, named=True)
    interval = Interval(best["calibrated"], best["calibrated_low"], best["calibrated_high"], best["draws"])
    how = f"with {best['shots']} {best['selector']} demonstrations" if best["shots"] else "without demonstrations"
    return f"best calibrated accuracy {percent(interval)} %, {how}."


def accuracy_text(rows: pl.DataFrame) -> TextTable:
    """The accuracies as a table of texts."""
    found = []
    for row in accuracy_table(rows).iter_rows(named=True):
        plain = Interval(row["accuracy"], row["low"], row["high"], row["draws"])
        fair = Interval(row["calibrated"], row["calibrated_low"], row["calibrated_high"], row["draws"])
        selector = "–" if row["shots"] == 0 else row["selector"]
        found.append((str(row["shots"]), selector, row["arm"], percent(plain), percent(fair)))
    return TextTable(
        title="Accuracies",
        caption="In per cent, with 95 % intervals over draws of demonstrations and queries.",
        head=("shots", "selector", "labels", "accuracy", "calibrated"),
        rows=found,
    )
