"""Length of queries and keys and their relevant part, over training (Proposition 4.1)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Region
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.one_layer.trajectories import AT_START, growth, with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, PAPER, OneLayerGroup, base_trials
from iclscope.plotting.style import curve, legend, published
from iclscope.study.experiment import Experiment, Preset

# Read off the paper's figure: norm and relevant part at epochs 0 and 400, the same for queries and keys.
PUBLISHED = {"norm": ((0, 400), (0.35, 1.75)), "relevant part": ((0, 400), (0.35, 1.45))}
NAMES = {"query": "query, ‖W_Q p_query‖", "key": "key, ‖W_K p_i‖"}


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    columns = ("query", "query_relevant", "key", "key_relevant")
    rows = group.trajectory_rows(arm="trained", prefix=IN_DOMAIN)
    return with_control(rows.select("arm", "seed", "diverged_at", "step", *columns))


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, (part, title) in zip(axes, NAMES.items(), strict=True):
        for index, (suffix, name) in enumerate((("", "norm"), ("_relevant", "relevant part"))):
            points = summarise(trained, "step", part + suffix)
            curve(ax, points["step"], points["value"], points["low"], points["high"], label=name, index=index)
            published(ax, *PUBLISHED[name], label=f"{name}, published", index=index, joined=False)
        ax.set(xlabel="training step", title=title, ylim=(0, None))
    axes[0].set_ylabel("mean norm")
    legend(axes[1])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    last = trained.filter(pl.col("step") == pl.col("step").max())
    norm, part = over_seeds(last, "query").value, over_seeds(last, "query_relevant").value
    return (
        f"Queries grow from {over_seeds(trained.filter(pl.col('step') == 0), 'query').value:.2f} to {norm:.2f} "
        f"(published 0.35 to 1.75), their relevant part to {part:.2f} (published 1.45)."
    )


def _claim(part: str) -> Claim:
    matrix = {"query": "W_Q", "key": "W_K"}[part]
    return Claim(
        id=f"prop4.1-projection-{part}",
        form="exact",
        statement=f"{matrix} keeps the {part}'s relevant-pattern part and grows along it.",
        source=f"{PAPER}, Proposition 4.1",
        quantity=f"relevant part of the {part} after training over that before",
        expected=Region(low=2.0),
        reason="'grows': at least double; the published curve grows fourfold",
        estimate=lambda rows: over_seeds(growth(rows, f"{part}_relevant"), "growth"),
        control=AT_START,
    )


EXPERIMENT = Experiment(
    name="qk-magnitude",
    title="Queries and keys grow along the relevant pattern",
    caption=(
        "Mean norm of W_Q p_query (left) and W_K p_i (right) over training, and the part of it along the relevant pattern, "
        "that is along the direction to which the initial W_Q and W_K map it. Unseen in-domain tasks. Hollow: published "
        "start and end, whose epochs are drawn as steps."
    ),
    position=120,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(_claim("query"), _claim("key")),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
)
