"""Length of queries and keys and their relevant part, over training (Proposition 4.1)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Region
from iclscope.claims.published import Distance, every_curve, published_curves, value_distance
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.one_layer.trajectories import AT_START, growth, with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, PAPER, OneLayerGroup, base_trials
from iclscope.plotting.style import curve, legend, published
from iclscope.study.experiment import Experiment, Preset

PUBLISHED = published_curves("li2024", "qk-magnitude")
"""Norm and relevant part of keys over epochs, which are drawn as steps; queries lie within 0.04 of them."""
PARTS = (("", "norm"), ("_relevant", "relevant part"))
CLOSE = 0.2
NAMES = {"query": "query, ‖W_Q p_query‖", "key": "key, ‖W_K p_i‖"}


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    columns = ("query", "query_relevant", "key", "key_relevant")
    rows = group.trajectory_rows(arm="trained", prefix=IN_DOMAIN)
    return with_control(rows.select("arm", "seed", "diverged_at", "step", *columns))


def _distances(rows: pl.DataFrame, level: float) -> Mapping[str, Distance]:
    return {
        f"{part}, {name}": value_distance(rows, PUBLISHED[name], "step", part + suffix, level=level)
        for part in NAMES
        for suffix, name in PARTS
    }


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, (part, title) in zip(axes, NAMES.items(), strict=True):
        for index, (suffix, name) in enumerate(PARTS):
            points = summarise(trained, "step", part + suffix)
            curve(ax, points["step"], points["value"], points["low"], points["high"], label=name, index=index)
            published(ax, PUBLISHED[name].x, PUBLISHED[name].y, label=f"{name}, published", index=index)
        ax.set(xlabel="training step", title=title, ylim=(0, None))
    axes[0].set_ylabel("mean norm")
    legend(axes[1])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    last = trained.filter(pl.col("step") == pl.col("step").max())
    norm, part = over_seeds(last, "query").value, over_seeds(last, "query_relevant").value
    return (
        f"Queries grow from {over_seeds(trained.filter(pl.col('step') == 0), 'query').value:.2f} to {norm:.2f} "
        f"(published 0.43 to 1.77), their relevant part to {part:.2f} (published 1.48)."
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
        "that is along the direction to which the initial W_Q and W_K map it. Unseen in-domain tasks. Dashed and "
        "hollow: published, its epochs drawn as steps."
    ),
    position=120,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim("query"),
        _claim("key"),
        Claim(
            id="qk-magnitude-curves",
            form="ours",
            statement="Are the published curves of queries and keys those of our model, an epoch taken as a step?",
            source=f"{PAPER}, Section 4, figure of magnitudes",
            quantity="largest difference between our norms, or relevant parts, and the published ones",
            expected=Region(-CLOSE, CLOSE),
            reason=f"within {CLOSE} everywhere, an eighth of where they end",
            estimate=every_curve(_distances, "largest"),
            control=AT_START,
            answer=answered(holds="as published", fails="not the published ones"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
    distances=_distances,
)
