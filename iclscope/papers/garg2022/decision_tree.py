"""Decision trees, beside greedy learning and boosting (Garg 2022, Section 5)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.papers.garg2022.questions import with_questions
from iclscope.papers.garg2022.rows import GPT2, UNTRAINED_CONTROL, draw_methods, error_rows, mean_error, ratio, setting
from iclscope.papers.garg2022.settings import PAPER, PROMPTS, GPT2Group, checkpoint_name, function_trials
from iclscope.plotting.style import legend
from iclscope.study.experiment import Experiment, Preset

GREEDY, BOOSTED = "greedy tree", "XGBoost"
# A boosted forest per prompt and length takes milliseconds: fewer prompts, at eleven lengths.
BASELINES = {GREEDY: PROMPTS, BOOSTED: 200}


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    task = group.trials[0].functions
    lengths = sorted({round(i * task.length / 10) for i in range(11)})
    return error_rows(group, task, BASELINES, lengths=lengths).with_columns(longest=task.length)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    draw_methods(ax, rows, (GPT2, *BASELINES))
    legend(ax, outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained, k = rows.filter(pl.col("arm") == "trained"), setting(rows, "longest")
    own, greedy, boosted = (mean_error(trained, method, k).value for method in (GPT2, GREEDY, BOOSTED))
    return (
        f"After {k} examples GPT-2's error is {own:.2f}, that of a greedily learnt tree {greedy:.2f} and that of "
        f"XGBoost {boosted:.2f}."
    )


def _claim(name: str, other: str, text: str) -> Claim:
    return Claim(
        id=f"tree-beats-{name}",
        form="published",
        statement=f"GPT-2 does better than {text}.",
        source=f"{PAPER}, Section 5, figure on decision trees",
        quantity=f"GPT-2's error over that of {text} after the most examples",
        expected=Region(high=1.0),
        reason="better means less; short trainings give an upper bound only",
        estimate=lambda rows: ratio(rows, other, setting(rows, "longest")),
        control=UNTRAINED_CONTROL,
    )


EXPERIMENT = Experiment(
    name="decision-tree",
    title="Decision trees",
    caption=(
        "Squared error after k in-context examples of a random decision tree whose inner nodes ask for the sign of a "
        "coordinate and whose leaves are N(0, 1); beside a greedily learnt tree and XGBoost (50 trees of depth 4), which was "
        "asked on 200 prompts per seed. Shaded: 90 % bootstrap intervals over prompts."
    ),
    position=30,
    trials=lambda preset: function_trials("decision_tree", preset),
    measure=_measure,
    claims=with_questions(_claim("greedy", GREEDY, "greedy tree learning"), _claim("xgboost", BOOSTED, "XGBoost")),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.8),
    checkpoint=checkpoint_name,
)
