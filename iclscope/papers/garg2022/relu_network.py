"""Two-layer ReLU networks, beside a network trained on the prompt (Garg 2022, Section 5)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.papers.garg2022.questions import with_questions
from iclscope.papers.garg2022.rows import GPT2, UNTRAINED_CONTROL, draw_methods, error_rows, mean_error, ratio, setting
from iclscope.papers.garg2022.settings import PAPER, PROMPTS, GPT2Group, checkpoint_name, function_trials
from iclscope.plotting.style import legend
from iclscope.study.experiment import Experiment, Preset

NETWORK = "two-layer network"
# A network per prompt and length takes a thousand steps of Adam: fewer prompts, at seven lengths.
BASELINES = {"least squares": PROMPTS, "3-NN": PROMPTS, NETWORK: 256}


def _measure(group: GPT2Group, _preset: Preset) -> pl.DataFrame:
    task = group.trials[0].functions
    lengths = sorted({round(i * task.length / 6) for i in range(7)})
    return error_rows(group, task, BASELINES, lengths=lengths).with_columns(longest=task.length)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    draw_methods(ax, rows, (GPT2, *BASELINES))
    legend(ax, outside=True)


def _finding(rows: pl.DataFrame) -> str:
    trained, k = rows.filter(pl.col("arm") == "trained"), setting(rows, "longest")
    own, squares, network = (mean_error(trained, method, k).value for method in (GPT2, "least squares", NETWORK))
    return (
        f"After {k} examples GPT-2's error is {own:.3f}, that of least squares {squares:.3f} and that of a network trained "
        f"on the prompt {network:.3f}."
    )


def _claim(name: str, other: str, statement: str, most: float, reason: str) -> Claim:
    return Claim(
        id=f"network-{name}",
        form="published",
        statement=statement,
        source=f"{PAPER}, Section 5, figure on two-layer networks",
        quantity=f"GPT-2's error over that of {other} after the most examples",
        expected=Region(high=most),
        reason=reason,
        estimate=lambda rows: ratio(rows, other, setting(rows, "longest")),
        control=UNTRAINED_CONTROL,
    )


EXPERIMENT = Experiment(
    name="relu-network",
    title="Two-layer ReLU networks",
    caption=(
        "Squared error after k in-context examples of a random two-layer ReLU network, divided by d, so that predicting 0 "
        "scores 1; beside least squares, three nearest neighbours, and a two-layer network of 100 units trained by "
        "Adam on the prompt itself (on 256 prompts per seed). Shaded: 90 % bootstrap intervals over prompts."
    ),
    position=40,
    trials=lambda preset: function_trials("relu_network", preset),
    measure=_measure,
    claims=with_questions(
        _claim(
            "matches-training",
            NETWORK,
            "GPT-2 does as well as a two-layer network trained on the prompt.",
            1.25,
            "the published curves cannot be told apart; short trainings give an upper bound only",
        ),
        _claim(
            "beats-least-squares",
            "least squares",
            "GPT-2 does better than least squares.",
            1.0,
            "better means less; short trainings give an upper bound only",
        ),
        _claim(
            "beats-3-nn",
            "3-NN",
            "GPT-2 does better than 3-nearest-neighbours.",
            1.0,
            "better means less; short trainings give an upper bound only",
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.8),
    checkpoint=checkpoint_name,
)
