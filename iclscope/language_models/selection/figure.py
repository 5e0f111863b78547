"""Figure and tables of `iclscope llm select`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from iclscope.claims.intervals import Interval
from iclscope.language_models.evaluation.rows import AS_GIVEN, OTHER_PATTERNS, accuracy_table
from iclscope.language_models.report import DrawnFigure, percent
from iclscope.language_models.selection.alpha import error_by_alpha, shots_needed
from iclscope.language_models.selection.claims import BALANCED, FIGURE, PATTERN, mean_alpha
from iclscope.language_models.selectors import SCORES, Choice, TextFeatures
from iclscope.plotting.style import curve, legend, new_figure
from iclscope.study.pages.page import TextTable

_BY = ("arm", "selector", "shots")
_APART = 0.07
"""How far selectors are drawn apart, in doublings of the shots."""
_LONGEST = 100


def select_figure(rows: pl.DataFrame) -> DrawnFigure:
    """Error against α', and accuracy against shots for each selector.

    Args:
        rows: of `Selection`.
    """
    table = accuracy_table(rows)
    figure = new_figure(9.4, 3.8)
    left, right = figure.subplots(1, 2)
    _draw_errors(left, rows)
    _draw_accuracies(right, rows, table)
    return DrawnFigure(
        name=FIGURE,
        title="Selectors of demonstrations",
        caption="Left: the error, after contextual calibration, of prompts whose α' is about the same, over "
        f"{_named_alone(rows)}; shades: 95 % intervals clustered by query. Right: share of queries answered rightly, "
        f"calibrated too; bars: 95 % intervals over draws and queries. “{OTHER_PATTERNS}” is a control: labels "
        "balanced, patterns the farthest from the query's. Patterns are clusters of the model's own hidden states, "
        "without what tells labels apart.",
        finding=_finding(table),
        figure=figure,
    )


def _draw_errors(axes: Axes, rows: pl.DataFrame) -> None:
    found = error_by_alpha(_patterns_alone(rows)).group_by("shots", maintain_order=True)
    for index, ((number,), part) in enumerate(found):
        curve(axes, part["alpha"], part["error"], part["low"], part["high"], label=f"{number} shots", index=index)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("α': share with the query's pattern")
    axes.set_ylabel("calibrated error")
    axes.set_title("error against α'")
    legend(axes)


def _draw_accuracies(axes: Axes, rows: pl.DataFrame, table: pl.DataFrame) -> None:
    given = rows.filter(pl.col("arm") == AS_GIVEN)["selector"].unique(maintain_order=True)
    curves = [(AS_GIVEN, name) for name in given]
    if (rows["arm"] == OTHER_PATTERNS).any():
        curves.append((OTHER_PATTERNS, PATTERN))
    for index, (arm, selector) in enumerate(curves):
        part = table.filter((pl.col("arm") == arm) & (pl.col("selector") == selector))
        label = selector if arm == AS_GIVEN else arm
        ends = part["calibrated_low"], part["calibrated_high"]
        beside = part["shots"] * 2 ** (_APART * (index - (len(curves) - 1) / 2))  # so that none hides another
        curve(axes, beside, part["calibrated"], *ends, label=label, index=index, bars=True)
    shots = sorted(rows["shots"].unique())
    axes.set_xscale("log", base=2)
    axes.set_xticks(shots, labels=[str(n) for n in shots])
    axes.set_xlabel("demonstrations (shots)")
    axes.set_ylabel("calibrated accuracy")
    axes.set_title("accuracy of each selector")
    legend(axes, outside=True)


def _patterns_alone(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that differ in patterns only, with labels balanced; all as given if there are none of those."""
    found = rows.filter(
        ((pl.col("arm") == AS_GIVEN) & pl.col("selector").is_in([BALANCED, PATTERN]))
        | (pl.col("arm") == OTHER_PATTERNS)
    )
    return found if not found.is_empty() else rows.filter(pl.col("arm") == AS_GIVEN)


def _named_alone(rows: pl.DataFrame) -> str:
    parts = _patterns_alone(rows).select("arm", "selector").unique(maintain_order=True).rows()
    return ", ".join(selector if arm == AS_GIVEN else arm for arm, selector in parts)


def _finding(table: pl.DataFrame) -> str:
    given = table.filter(pl.col("arm") == AS_GIVEN)
    best = given.sort("calibrated", descending=True, maintain_order=True).row(0, named=True)
    interval = Interval(best["calibrated"], best["calibrated_low"], best["calibrated_high"], best["draws"])
    how = f"with {best['shots']} demonstrations chosen by {best['selector']}"
    found = f"best calibrated accuracy {percent(interval)} %, {how}"
    most = given.filter(pl.col("shots") == given["shots"].max())
    both = {row["selector"]: row["calibrated"] for row in most.iter_rows(named=True)}
    if {PATTERN, BALANCED} <= set(both):
        shots = most["shots"][0]
        found += f"; at {shots}, {PATTERN} {100 * both[PATTERN]:.1f} % and {BALANCED} {100 * both[BALANCED]:.1f} %"
    return found + "."


def select_text(rows: pl.DataFrame) -> TextTable:
    """Accuracies and mean α' as a table of texts."""
    shares = {key: mean_alpha(part) for key, part in rows.group_by(_BY)}
    found = []
    for row in accuracy_table(rows).iter_rows(named=True):
        plain = Interval(row["accuracy"], row["low"], row["high"], row["draws"])
        fair = Interval(row["calibrated"], row["calibrated_low"], row["calibrated_high"], row["draws"])
        alpha = shares[row["arm"], row["selector"], row["shots"]]
        found.append((str(row["shots"]), row["selector"], row["arm"], f"{alpha:.2f}", percent(plain), percent(fair)))
    return TextTable(
        title="Accuracies",
        caption="In per cent, with 95 % intervals over draws and queries. α' is the mean share of demonstrations that "
        "have the query's pattern.",
        head=("shots", "selector", "arm", "α'", "accuracy", "calibrated"),
        rows=found,
    )


def shots_text(rows: pl.DataFrame) -> TextTable:
    """How many shots each selector needs for the same calibrated accuracy, as a table of texts.

    The target is what ``balanced`` (without it, the first selector) reaches at its most.
    """
    table = accuracy_table(rows).filter(pl.col("arm").is_in([AS_GIVEN, OTHER_PATTERNS]))
    given = table.filter(pl.col("arm") == AS_GIVEN)["selector"].to_list()
    measure = BALANCED if BALANCED in given else given[0]
    shots = sorted(rows["shots"].unique())
    base = table.filter((pl.col("arm") == AS_GIVEN) & (pl.col("selector") == measure))
    target = float(base.sort("shots")["calibrated"][-1])
    share = _share(rows, AS_GIVEN, measure)
    needed = _needed(base, shots, target)
    found = []
    for arm, selector in table.select("arm", "selector").unique(maintain_order=True).rows():
        part = table.filter((pl.col("arm") == arm) & (pl.col("selector") == selector))
        number, alpha = _needed(part, shots, target), _share(rows, arm, selector)
        found.append(
            (
                selector if arm == AS_GIVEN else arm,
                f"{alpha:.2f}",
                _shots_in_words(number, shots),
                f"{number / needed:.2f}" if math.isfinite(number) else "–",
                f"{share / alpha:.2f}" if alpha > 0 else "–",
            )
        )
    return TextTable(
        title="Shots for the same accuracy",
        caption=f"How many demonstrations first reach {100 * target:.1f} % (calibrated), which {measure} has at "
        f"{shots[-1]}; between measured numbers on a straight line over their logarithm. The theory says that they are "
        "as 1/α'.",
        head=("selector", "α'", "shots needed", f"over those of {measure}", "by the theory"),
        rows=found,
    )


def _share(rows: pl.DataFrame, arm: str, selector: str) -> float:
    return mean_alpha(rows.filter((pl.col("arm") == arm) & (pl.col("selector") == selector)))


def _needed(part: pl.DataFrame, shots: list[int], target: float) -> float:
    accuracy = part.sort("shots")["calibrated"].to_numpy()
    return float(shots_needed(shots, accuracy, np.asarray(target - 1e-12)))


def _shots_in_words(number: float, shots: list[int]) -> str:
    if not math.isfinite(number):
        return f"not reached with {shots[-1]}"
    return f"at most {shots[0]}" if number <= shots[0] else f"{number:.1f}"


def explanations(seen: TextFeatures, choices: Mapping[str, Choice], queries: int) -> list[TextTable]:
    """For each of the first queries, the demonstrations that each selector takes.

    Args:
        seen: what selectors look at.
        choices: by selector.
        queries: how many.

    Returns:
        A table per query: selector, text, label, what the selector went by, pattern, and whether it is the query's.
    """
    return [_table(seen, choices, query) for query in range(min(queries, len(seen.sampled.queries.texts)))]


def _table(seen: TextFeatures, choices: Mapping[str, Choice], query: int) -> TextTable:
    pattern = int(seen.query_patterns[query])
    patterns = dict(zip(seen.candidates.tolist(), seen.pool_patterns.tolist(), strict=True))
    rows = []
    for name, choice in choices.items():
        for number, place in enumerate(choice.demonstrations[query]):
            why = f"{SCORES[name]} {choice.scores[query][number]:.2f}" if choice.scores else "chance"
            text, label, kind = seen.sampled.pool.texts[place], seen.sampled.pool.labels[place], patterns[place]
            rows.append((name, _short(text), label, why, str(kind), "yes" if kind == pattern else "no"))
    return TextTable(
        title=f"Demonstrations of query {query + 1}",
        caption=f"“{_short(seen.sampled.queries.texts[query])}”, of pattern {pattern}; in the order of the prompt: the "
        "last stands next to the query. pattern takes, labels in turn, texts of the query's pattern; where a "
        "label has none left, of the next nearest pattern.",
        head=("selector", "demonstration", "label", "why", "pattern", "the query's"),
        rows=rows,
    )


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 1] + "…"
