"""What attention passes on: the query's pattern and its label, without irrelevant patterns (proof of Theorem 3.3)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import over_seeds, signed
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.mechanism import attention_output
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import (
    IN_DOMAIN,
    OUT_OF_DOMAIN,
    PAPER,
    UNTRAINED,
    UNTRAINED_TEXT,
    OneLayerGroup,
    base_trials,
    shifted,
    unseen,
)
from iclscope.plotting.style import COLOURS, MARKERS, legend
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternSampler

PROMPTS = 512
MEASURES = {
    "pattern_cosine": "cosine with the\nquery's pattern",
    "label": "label part\nalong z·q",
    "irrelevant_norm": "irrelevant part over\nthat of the query",
}
ONE_COLUMN = "one column"


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    seeds = [one.seed for one in group.trials]
    rows = []
    for domain, test in ((IN_DOMAIN, unseen), (OUT_OF_DOMAIN, shifted)):
        sampler = PatternSampler(
            [test(one.patterns) for one in group.trials], seeds, dtype=group.model.dtype, device=group.model.device
        )
        prompts = sampler.prompts(PROMPTS, purpose=EVALUATION_PURPOSE)
        M1 = sampler.basis.relevant.shape[1]
        before = attention_output(group.model.untrained(), prompts, M1)
        for arm, found in (("trained", attention_output(group.model, prompts, M1)), (UNTRAINED, before)):
            change = found.irrelevant_norm - before.irrelevant_norm
            rows.append(group.rows(arm=arm, domain=domain, change=change, **found._asdict()))
    return pl.concat(rows)


def _controls(rows: pl.DataFrame) -> pl.DataFrame:
    """All attention on one column: its irrelevant part is as long as the query's, on average."""
    trained = rows.filter(pl.col("arm") == "trained")
    return trained.with_columns(
        arm=pl.lit(ONE_COLUMN), irrelevant_norm=pl.lit(1.0), change=1 - (pl.col("irrelevant_norm") - pl.col("change"))
    )


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    axes = figure.subplots(1, 2, sharey=True)
    for ax, domain in zip(axes, (IN_DOMAIN, OUT_OF_DOMAIN), strict=True):
        for index, (arm, name) in enumerate(((UNTRAINED, "before training"), ("trained", "after training"))):
            own = rows.filter((pl.col("arm") == arm) & (pl.col("domain") == domain))
            found = [over_seeds(own, measure) for measure in MEASURES]
            ax.errorbar(
                [place + 0.16 * (index - 0.5) for place in range(len(MEASURES))],
                [one.value for one in found],
                [[one.value - one.low for one in found], [one.high - one.value for one in found]],
                fmt=MARKERS[index],
                color=COLOURS[index],
                label=name,
            )
        ax.set_xticks(range(len(MEASURES)), labels=list(MEASURES.values()), fontsize=8)
        ax.set(title=domain, ylim=(0, 1.05), xlim=(-0.5, len(MEASURES) - 0.5))
    axes[0].set_ylabel("attention's output Σ attn·p")
    legend(axes[0])


def _finding(rows: pl.DataFrame) -> str:
    def values(arm: str) -> str:
        own = rows.filter((pl.col("arm") == arm) & (pl.col("domain") == IN_DOMAIN))
        return ", ".join(signed(over_seeds(own, measure).value) for measure in MEASURES)

    return (
        f"In domain the attention's output has cosine, label part and irrelevant part {values(UNTRAINED)} before training "
        f"and {values('trained')} after it."
    )


def _claim(name: str, statement: str, measure: str, quantity: str, expected: Region, reason: str) -> Claim:
    return Claim(
        id=f"attn-filter-{name}",
        form="exact",
        statement=statement,
        source=f"{PAPER}, proof sketch of Theorem 3.3",
        quantity=f"{quantity} after training, in domain",
        expected=expected,
        reason=reason,
        estimate=lambda rows: over_seeds(rows.filter(pl.col("domain") == IN_DOMAIN), measure),
        control=Control(UNTRAINED_TEXT, UNTRAINED),
    )


EXPERIMENT = Experiment(
    name="attn-filter",
    title="What attention passes on: the query's pattern and its label",
    caption=(
        "The attention-weighted sum of the context columns before and after training, on unseen in-domain tasks and on "
        "out-of-domain patterns with S1 = 1.3: cosine of its feature part with the query's relevant pattern; its label part "
        "along z·q, 1 where all attention lies on columns with the query's label; and the norm of its part along irrelevant "
        "patterns, over that of the query's own input. Bars: 95 % intervals over seeds."
    ),
    position=132,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    controls=_controls,
    claims=(
        _claim(
            "pattern",
            "The feature part of the attention's output is close to the query's relevant pattern.",
            "pattern_cosine",
            "cosine of the attention's output with the query's pattern",
            Region(low=0.9),
            "close: within 26 degrees",
        ),
        _claim(
            "label",
            "The label part of the attention's output is close to the label of the columns with the query's pattern.",
            "label",
            "label part along z·q in units of ‖q‖",
            Region(low=0.8),
            "four fifths of what attention on these columns alone would give",
        ),
        Claim(
            id="attn-filter-irrelevant",
            form="exact",
            statement="Irrelevant patterns are filtered out of the attention's output.",
            source=f"{PAPER}, proof sketch of Theorem 3.3",
            quantity="norm of its part along irrelevant patterns over that of the query's input after training, in domain",
            expected=Region(high=0.5),
            reason="at most half; a mean over some eight columns with independent irrelevant parts leaves a third",
            estimate=lambda rows: over_seeds(rows.filter(pl.col("domain") == IN_DOMAIN), "irrelevant_norm"),
            control=Control("all attention on one column, by definition 1", ONE_COLUMN),
        ),
        Claim(
            id="attn-filter-by-training",
            form="ours",
            statement="Is it training that filters: is the irrelevant part smaller after training than before?",
            source=f"{PAPER}, proof sketch of Theorem 3.3",
            quantity="norm of the part along irrelevant patterns, over that of the query's input, in domain, less the same before",
            expected=Region(high=0.0),
            reason="smaller than before",
            estimate=lambda rows: over_seeds(rows.filter(pl.col("domain") == IN_DOMAIN), "change"),
            control=Control("all attention on one column, by definition 1", ONE_COLUMN),
            answer=answered(holds="training filters", fails="averaging does, training does not"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(8.4, 3.6),
)
