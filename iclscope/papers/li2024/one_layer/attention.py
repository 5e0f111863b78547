"""Attention on the context that shares the query's pattern, over training (Proposition 4.1)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Region
from iclscope.claims.published import Distance, every_curve, published_curves, value_distance
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.one_layer.trajectories import AT_START, at_end, with_control
from iclscope.papers.li2024.settings import IN_DOMAIN, OUT_OF_DOMAIN, PAPER, OneLayerGroup, base_trials
from iclscope.plotting.style import curve, legend, published
from iclscope.study.experiment import Experiment, Preset

PUBLISHED = published_curves("li2024", "attention")["same ODR pattern"]
"""Over epochs, which are drawn as steps."""
CLOSE = 0.1


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    return with_control(
        pl.concat(
            group.trajectory_rows(arm="trained", prefix=domain).select(
                "arm", "seed", "diverged_at", "domain", "step", "attention_concentration"
            )
            for domain in (IN_DOMAIN, OUT_OF_DOMAIN)
        )
    )


def _distances(rows: pl.DataFrame, level: float) -> Mapping[str, Distance]:
    own = rows.filter(pl.col("domain") == OUT_OF_DOMAIN)
    return {"same ODR pattern": value_distance(own, PUBLISHED, "step", "attention_concentration", level=level)}


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    ax = figure.subplots()
    trained = rows.filter(pl.col("arm") == "trained").with_columns(other=1 - pl.col("attention_concentration"))
    names = {
        (IN_DOMAIN, "attention_concentration"): "same IDR pattern",
        (OUT_OF_DOMAIN, "attention_concentration"): "same ODR pattern",
        (OUT_OF_DOMAIN, "other"): "other ODR patterns",
    }
    for index, ((domain, column), name) in enumerate(names.items()):
        points = summarise(trained.filter(pl.col("domain") == domain), "step", column)
        curve(ax, points["step"], points["value"], points["low"], points["high"], label=name, index=index)
    published(ax, PUBLISHED.x, PUBLISHED.y, label="same ODR pattern, published", index=1)
    ax.set(xlabel="training step", ylabel="attention summed over the context", ylim=(0, 1.05))
    legend(ax)


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    start = over_seeds(
        trained.filter((pl.col("step") == 0) & (pl.col("domain") == OUT_OF_DOMAIN)), "attention_concentration"
    )
    ends = [
        over_seeds(at_end(trained, domain), "attention_concentration").value for domain in (IN_DOMAIN, OUT_OF_DOMAIN)
    ]
    return (
        f"The summed attention on the query's pattern rises from {start.value:.2f} (published 0.43) to {ends[0]:.3f} in "
        f"domain and {ends[1]:.3f} out of domain (published ≈ 1.0)."
    )


def _claim(domain: str) -> Claim:
    return Claim(
        id=f"prop4.1-concentration-{domain}",
        form="sufficient",
        statement="Trained long enough, attention concentrates on the context that shares the query's pattern.",
        source=f"{PAPER}, Proposition 4.1",
        quantity=f"attention summed over the columns with the query's pattern after training, {domain}",
        expected=Region(low=0.9),
        reason="'concentrated', as nine tenths of it; the published curve ends at 0.997",
        reference="400 steps, those of all figures of the default models: the proposition gives no constant for T",
        estimate=lambda rows: over_seeds(at_end(rows, domain), "attention_concentration"),
        control=AT_START,
    )


EXPERIMENT = Experiment(
    name="attention",
    title="Attention concentrates on the query's pattern",
    caption=(
        "Attention summed over the context columns that hold the query's relevant pattern, over training, for unseen "
        "in-domain tasks (IDR) and out-of-domain patterns with S1 = 1.3 (ODR), and over the other columns. Dashed and "
        "hollow: published, its epochs drawn as steps."
    ),
    position=130,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim(IN_DOMAIN),
        _claim(OUT_OF_DOMAIN),
        Claim(
            id="attention-curve",
            form="ours",
            statement="Is the published curve of attention that of our model, an epoch taken as a step?",
            source=f"{PAPER}, Section 4, figure of attention",
            quantity="largest difference between our attention on the query's pattern out of domain and the published one",
            expected=Region(-CLOSE, CLOSE),
            reason=f"within {CLOSE} everywhere; the published curve is exact to 0.01",
            estimate=every_curve(_distances, "largest"),
            control=AT_START,
            answer=answered(holds="as published", fails="not the published one"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    distances=_distances,
)
