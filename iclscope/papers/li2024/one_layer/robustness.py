"""Twenty settings drawn inside the theorem's conditions: how many reach the risk (Theorems 3.3 and 3.4)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import scipy
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.intervals import RateInterval, share_limits
from iclscope.claims.summaries import over_seeds
from iclscope.evaluation.evaluate_model import evaluate
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.constants import LawSetting, prescribed
from iclscope.papers.li2024.settings import (
    IN_DOMAIN,
    OUT_OF_DOMAIN,
    PAPER,
    TRAINING_TASK,
    UNTRAINED,
    UNTRAINED_TEXT,
    OneLayerGroup,
    shifted,
    trial,
    unseen,
)
from iclscope.plotting.style import COLOURS, INK, MARKERS, legend
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trial import Trial

RISK = 0.1
SEEDS = 3
DRAWS = 20
MOST_SHARE = 0.9
MOST_SHARE_REASON = "nine settings of ten (ours); 'suffices' means all of them, up to constants that nobody knows"


class Drawn(NamedTuple):
    """One setting: δ, ξ, β, m over what the law asks for, M1, M2 and η."""

    delta: float
    xi: float
    beta: float
    neurons: float
    M1: int
    M2: int
    eta: float


def drawn_settings() -> list[Drawn]:
    """Points of a scrambled Sobol sequence: evenly in logarithms, M1 and M2 evenly; the same in every run."""
    low, high = np.array([0.1, 0.005, 1.5, 1.0]), np.array([0.2, 0.05, 3.0, 4.0])
    drawn = []
    for point in scipy.stats.qmc.Sobol(7, rng=2024).random(32)[:DRAWS]:
        delta, xi, beta, neurons = (low * (high / low) ** point[:4]).tolist()
        # With fewer than six patterns there are too few out of domain to have others beside a task's two.
        M1, M2, eta = 6 + int(4 * point[4]), 12 + int(25 * point[5]), float(0.25 * 4 ** point[6])
        drawn.append(Drawn(delta, xi, beta, neurons, M1, M2, eta))
    return drawn


def _trials(preset: Preset) -> list[Trial]:
    trials = []
    for seed in preset.seeds[:SEEDS]:
        for one in drawn_settings():
            amounts = prescribed(LawSetting(alpha=TRAINING_TASK.alpha, beta=one.beta, M1=one.M1, eta=one.eta))
            trials.append(
                trial(
                    seed,
                    task={
                        "M1": one.M1,
                        "M2": one.M2,
                        "d_X": one.M1 + one.M2,
                        "beta": one.beta,
                        "length": int(amounts.length),
                    },
                    model={"delta": one.delta, "xi": one.xi, "width": math.ceil(one.neurons * amounts.width)},
                    training={
                        "learning_rate": one.eta,
                        "steps": int(amounts.steps),
                        "batch_size": int(amounts.batch),
                    },
                )
            )
    return trials


def _measure(group: OneLayerGroup, preset: Preset) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "delta": [one.one_layer.delta for one in group.trials],
        "xi": [one.one_layer.xi for one in group.trials],
        "beta": [one.patterns.beta for one in group.trials],
        "m": [one.one_layer.width for one in group.trials],
        "M1": [one.patterns.M1 for one in group.trials],
        "M2": [one.patterns.M2 for one in group.trials],
        "eta": [one.training.learning_rate for one in group.trials],
    }
    rows = []
    for domain, test in ((IN_DOMAIN, unseen), (OUT_OF_DOMAIN, shifted)):
        for arm, model in (("trained", group.model), (UNTRAINED, group.model.untrained())):
            risks = evaluate(model, [test(one.patterns) for one in group.trials], prompts=preset.prompts)
            rows.append(group.rows(arm=arm, domain=domain, prompts=preset.prompts, **columns, **risks._asdict()))
    return pl.concat(rows)


_SETTING = ("delta", "xi", "beta", "m", "M1", "M2", "eta")


def _by_setting(rows: pl.DataFrame, domain: str) -> pl.DataFrame:
    """Mean hinge risk of each setting; NaN where a seed has none."""
    value = pl.col("hinge_risk").fill_null(math.nan).mean()
    return rows.filter(pl.col("domain") == domain).group_by(_SETTING).agg(value).sort(_SETTING)


def _share(rows: pl.DataFrame, domain: str) -> RateInterval:
    """Share of the settings whose mean risk is at most ε, with Clopper and Pearson's interval over settings."""
    risks = _by_setting(rows, domain)["hinge_risk"]
    if risks.is_empty():
        return RateInterval(math.nan, 0.0, 1.0, 0)
    known = risks.is_not_nan()
    reached, missing = int((risks <= RISK).filter(known).sum()), int((~known).sum())
    # A setting of which a seed diverged may have reached the risk or not.
    (low, _), (_, high) = (share_limits(count, len(risks)) for count in (reached, reached + missing))
    share = reached / int(known.sum()) if known.any() else math.nan
    return RateInterval(share, low, high, len(risks), missing)


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, len(_SETTING), sharey=True)
    trained = rows.filter(pl.col("arm") == "trained")
    labels = ("δ", "ξ", "β", "m", "M1", "M2", "η")
    for ax, name, label in zip(axes, _SETTING, labels, strict=True):
        for index, domain in enumerate((IN_DOMAIN, OUT_OF_DOMAIN)):
            points = _by_setting(trained.filter(pl.col("hinge_risk").is_not_nan()), domain)
            ax.plot(
                points[name], points["hinge_risk"].clip(1e-3), linestyle="none", marker=MARKERS[index],
                color=COLOURS[index], markersize=5, label=domain if name == _SETTING[-1] else None,
            )  # fmt: skip
        ax.axhline(RISK, color=INK, linestyle=(0, (1, 1.6)), linewidth=1.2)
        ax.set(xlabel=label, yscale="log")
    axes[0].set_ylabel("hinge risk, mean over seeds")
    legend(axes[-1])


def _finding(rows: pl.DataFrame) -> str:
    trained = rows.filter(pl.col("arm") == "trained")
    inside, outside = (_share(trained, domain) for domain in (IN_DOMAIN, OUT_OF_DOMAIN))
    worst = over_seeds(trained.filter(pl.col("domain") == IN_DOMAIN), "hinge_risk").value
    return (
        f"{inside.value:.0%} of the settings reach a hinge risk of {RISK:g} on unseen tasks and {outside.value:.0%} out of "
        f"domain; the mean over all is {worst:.3f} in domain."
    )


def _claim(domain: str, theorem: str) -> Claim:
    return Claim(
        id=f"robustness-{domain}",
        form="ours",
        statement=f"How general is it: does training reach the risk {domain} at settings drawn inside the conditions?",
        source=f"{PAPER}, {theorem}",
        quantity=f"share of {DRAWS} drawn settings whose mean hinge risk {domain} is at most {RISK:g}",
        expected=Region(low=MOST_SHARE),
        reason=MOST_SHARE_REASON,
        estimate=lambda rows: _share(rows, domain),
        control=Control(UNTRAINED_TEXT, UNTRAINED),
        answer=answered(holds="nearly everywhere", fails="not everywhere"),
    )


EXPERIMENT = Experiment(
    name="robustness",
    title="Twenty settings drawn inside the conditions",
    caption=(
        "Hinge risk on unseen in-domain tasks and out of domain (S1 = 1.3), α' = 0.8 and l = 20, at twenty settings drawn inside the "
        "theorem's conditions: δ, ξ, β, m, M1, M2 and η all at once, each with c times the steps, context columns, neurons and "
        "prompts per step that the laws ask for (growth-laws). One marker per setting and domain in every panel."
    ),
    position=19,
    trials=_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(_claim(IN_DOMAIN, "Theorem 3.3"), _claim(OUT_OF_DOMAIN, "Theorem 3.4")),
    draw=_draw,
    finding=_finding,
    size=(11.0, 3.0),
)
