"""GPT-2's error against context length for several α', in and out of domain (Section 4 of Li 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.families import decisive
from iclscope.claims.published import Distance, error_distance, every_curve, published_curves
from iclscope.claims.summaries import rate_at_every, summarise
from iclscope.evaluation.evaluate_model import evaluate_any_length
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.gpt2.gpt2_settings import (
    PUBLISHED_WORST,
    TWICE,
    GPT2Group,
    gpt2_trials,
    test_prompts,
)
from iclscope.papers.li2024.settings import IN_DOMAIN, OUT_OF_DOMAIN, PAPER, UNTRAINED, UNTRAINED_TEXT, shifted, unseen
from iclscope.plotting.style import curve, legend, published, symlog_rate
from iclscope.study.experiment import Experiment, Preset

ALPHAS = (0.8, 0.9, 1.0)
LENGTHS = tuple(range(0, 21, 2))
LONGEST = LENGTHS[-1]
PUBLISHED = {
    (domain, alpha): published_curves("li2024", "gpt2-ood-alpha")[f"{domain}, α' = {alpha:g}"]
    for domain in (IN_DOMAIN, OUT_OF_DOMAIN)
    for alpha in ALPHAS
}
CONTEXT_GIVEN = "context given"


def _measure(group: GPT2Group, preset: Preset) -> pl.DataFrame:
    prompts = test_prompts(preset)
    rows = []
    for domain, test in ((IN_DOMAIN, unseen), (OUT_OF_DOMAIN, shifted)):
        for alpha in ALPHAS:
            for length in LENGTHS:
                tests = [test(one.patterns, alpha=alpha, length=length) for one in group.trials]
                arms = [("trained", group.model)] + (
                    [(UNTRAINED, group.model.untrained())] if length == LONGEST else []
                )
                for arm, model in arms:
                    risks = evaluate_any_length(model, tests, prompts=prompts)
                    setting: dict[str, Any] = {"domain": domain, "alpha": alpha, "length": length, "prompts": prompts}
                    rows.append(group.rows(arm=arm, **setting, **risks._asdict()))
    return pl.concat(rows)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """The longest context under the name of none: an error that no context is claimed to have."""
    longest = rows.filter((pl.col("arm") == "trained") & (pl.col("length") == LONGEST))
    return longest.with_columns(arm=pl.lit(CONTEXT_GIVEN), length=pl.lit(0, dtype=rows.schema["length"]))


def _longest(rows: pl.DataFrame, domain: str) -> pl.DataFrame:
    return rows.filter((pl.col("domain") == domain) & (pl.col("length") == LONGEST))


def _distances(rows: pl.DataFrame, level: float) -> Mapping[str, Distance]:
    found = {}
    for (domain, alpha), theirs in PUBLISHED.items():
        own = rows.filter((pl.col("domain") == domain) & (pl.col("alpha") == alpha))
        found[f"{domain}, α' = {alpha:g}"] = error_distance(own, theirs, "length", level=level)
    return found


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    trained = rows.filter(pl.col("arm") == "trained")
    for ax, domain in zip(axes, (IN_DOMAIN, OUT_OF_DOMAIN), strict=True):
        for index, alpha in enumerate(ALPHAS):
            chosen = trained.filter((pl.col("domain") == domain) & (pl.col("alpha") == alpha))
            points = summarise(chosen, "length", "classification_error", rate=True)
            curve(ax, points["length"], points["value"], points["low"], points["high"], label=f"{alpha:g}", index=index)
            theirs = PUBLISHED[domain, alpha]
            published(ax, theirs.x, theirs.y, label="published" if index == 0 else None, index=index)
        ax.set(xlabel="context length l", title=domain, xticks=(0, 4, 8, 12, 16, 20))
    axes[0].set_ylabel("classification error")
    symlog_rate(axes[0])
    legend(axes[0], title="α'")


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    found = (rate_at_every(_longest(trained, domain), "alpha") for domain in (IN_DOMAIN, OUT_OF_DOMAIN))
    inside, outside = (decisive(one, Region(high=PUBLISHED_WORST)).value for one in found)
    return (
        f"At l = 20 and the worst α' GPT-2 errs on {inside:.2%} of prompts in domain and {outside:.2%} out of domain "
        "(published: 7 % and 7 %, at α' = 0.8)."
    )


def _claim(domain: str) -> Claim:
    return Claim(
        id=f"gpt2-alpha-{domain}",
        form="published",
        statement=f"With 20 context examples the {domain} error of GPT-2 is small at every α' ≥ 0.8.",
        source=f"{PAPER}, Section 4, figure for GPT-2",
        quantity=f"classification error {domain} at l = 20, each of α' = 0.8, 0.9, 1.0",
        expected=Region(high=PUBLISHED_WORST),
        reason="the published error at α' = 0.8, 0.07",
        estimate=lambda rows: rate_at_every(_longest(rows, domain), "alpha"),
        control=Control(UNTRAINED_TEXT, UNTRAINED),
    )


EXPERIMENT = Experiment(
    name="gpt2-ood-alpha",
    title="GPT-2: the share α' of task-relevant examples",
    caption=(
        "Classification error of GPT-2 (3 layers, 2 heads) against the number of context examples for three shares α' of "
        "examples that hold one of the task's two patterns, on unseen in-domain tasks (left) and on out-of-domain patterns "
        "with S1 = 1.3 (right). Dashed and hollow: published."
    ),
    position=75,
    trials=gpt2_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        _claim(IN_DOMAIN),
        _claim(OUT_OF_DOMAIN),
        Claim(
            id="gpt2-alpha-curves",
            form="published",
            statement="At every α', in and out of domain, GPT-2 errs no more than in the published curve.",
            source=f"{PAPER}, Section 4, figure for GPT-2",
            quantity="mean over l of the logarithm of our error over the published one, each domain and α'",
            expected=Region(high=TWICE),
            reason="at most twice the published error; the training is not published, so less is not against it",
            estimate=every_curve(_distances),
            control=Control(UNTRAINED_TEXT, UNTRAINED),
        ),
        Claim(
            id="gpt2-no-context",
            form="published",
            statement="Without context GPT-2 can only guess.",
            source=f"{PAPER}, Section 4, figure for GPT-2",
            quantity="classification error at l = 0, each domain and α'",
            expected=Region(0.45, 0.55),
            reason="published 0.5; both labels are equally likely",
            estimate=lambda rows: rate_at_every(rows.filter(pl.col("length") == 0), ("domain", "alpha")),
            control=Control("the same models with 20 examples", CONTEXT_GIVEN),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(7.2, 3.4),
    controls=_controls,
    distances=_distances,
)
