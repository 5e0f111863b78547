"""Out-of-domain risk against the pruning rate for several α'."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.published import Distance, error_distance, published_curves
from iclscope.claims.summaries import over_seeds, summarise
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import PAPER, OneLayerGroup, base_trials, shifted
from iclscope.plotting.style import curve, legend, published
from iclscope.pruning import kept_neurons, magnitude
from iclscope.study.experiment import Experiment, Preset

ALPHAS = (0.6, 0.8, 1.0)
RATES = (*(i / 20 for i in range(9)), 0.5, 0.6, 0.7, 0.8)
PUBLISHED = {alpha: published_curves("li2024", "pruning-alpha")[f"α' = {alpha:g}"] for alpha in ALPHAS}
PUBLISHED_RATE = 0.4
EXCHANGED = "alpha-reversed"


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    scores = magnitude(group.model)
    rows = []
    for alpha in ALPHAS:
        tests = [shifted(one.patterns, alpha=alpha) for one in group.trials]
        for rate in RATES:
            kept = kept_neurons(scores, rate, "smallest")
            risks = evaluate(group.model, tests, prompts=preset.prompts, neurons=kept)
            rows.append(group.rows(arm="trained", alpha=alpha, rate=rate, prompts=preset.prompts, **risks._asdict()))
    trained = pl.concat(rows)
    # The control calls the smallest α' the largest and the other way round.
    reversed_alpha = trained.with_columns(arm=pl.lit(EXCHANGED), alpha=pl.lit(ALPHAS[0] + ALPHAS[-1]) - pl.col("alpha"))
    return pl.concat([trained, reversed_alpha])


def _excess(rows: pl.DataFrame) -> pl.DataFrame:
    """Per seed, the error at the smallest α' less that at the largest, at the published rate."""
    at_rate = rows.filter((pl.col("rate") - PUBLISHED_RATE).abs() < 1e-9).select("seed", "alpha", "hinge_risk")
    low, high = (at_rate.filter((pl.col("alpha") - alpha).abs() < 1e-9) for alpha in (ALPHAS[0], ALPHAS[-1]))
    return low.join(high, on="seed", suffix="_high").with_columns(
        excess=pl.col("hinge_risk") - pl.col("hinge_risk_high")
    )


def _distances(rows: pl.DataFrame, level: float) -> dict[str, Distance]:
    found = {alpha: rows.filter((pl.col("alpha") - alpha).abs() < 1e-9) for alpha in ALPHAS}
    return {
        f"α' = {alpha:g}": error_distance(own, PUBLISHED[alpha], "rate", level=level) for alpha, own in found.items()
    }


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, column, label in (
        (axes[0], "classification_error", "classification error, out of domain"),
        (axes[1], "hinge_risk", "hinge risk, out of domain"),
    ):
        for index, alpha in enumerate(ALPHAS):
            chosen = trained.filter(pl.col("alpha") == alpha)
            points = summarise(chosen, "rate", column, rate=column != "hinge_risk")
            curve(ax, points["rate"], points["value"], points["low"], points["high"], label=f"{alpha:g}", index=index)
            if column != "hinge_risk":
                theirs, name = PUBLISHED[alpha], "published" if index == 0 else None
                published(ax, theirs.x, theirs.y, label=name, index=index)
        ax.set(xlabel="share of neurons removed, smallest first", ylabel=label, ylim=(-0.002, None))
    legend(axes[0], title="α'")


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter((pl.col("arm") == "trained") & ((pl.col("rate") - PUBLISHED_RATE).abs() < 1e-9))
    risks = [over_seeds(trained.filter(pl.col("alpha") == alpha), "hinge_risk").value for alpha in ALPHAS]
    listed = ", ".join(f"{risk:.3f} at α' = {alpha:g}" for alpha, risk in zip(ALPHAS, risks, strict=True))
    return f"With 40 % of the neurons removed the hinge risk is {listed}."


EXPERIMENT = Experiment(
    name="pruning-alpha",
    title="Pruning and the share α' of task-relevant examples",
    caption=(
        "Out-of-domain classification error (left) and hinge risk (right) with S1 = 1.3 and l = 20 against the share of MLP "
        "neurons removed, smallest first, for three α'. Dashed and hollow: published."
    ),
    position=100,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="pruning-alpha",
            form="published",
            statement="A pruned model has the less risk, the larger the share α' of task-relevant examples.",
            source=f"{PAPER}, Section 4, pruning figure for α' = 0.6, 0.8, 1",
            quantity="hinge risk at α' = 0.6 less that at α' = 1, 40 % of the neurons removed",
            expected=Region(low=0.01),
            reason="the sign of the published difference (errors 0.03 against 0.0072), by more than 0.01",
            estimate=lambda rows: over_seeds(_excess(rows), "excess"),
            control=Control("the values of α' exchanged", EXCHANGED),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
    distances=_distances,
)
