"""Three kinds of neurons, and which become large: the lucky ones (Proposition 4.2 and its proof)."""

from __future__ import annotations

import polars as pl
import torch
from matplotlib.figure import Figure

from iclscope.claims.answers import answered
from iclscope.claims.claim import Claim, Control, Region
from iclscope.claims.summaries import over_seeds
from iclscope.core.random_streams import RandomStream
from iclscope.mechanism import large_neurons, lucky_neurons, neuron_alignment
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.settings import PAPER, UNTRAINED, OneLayerGroup, base_trials
from iclscope.plotting.style import COLOURS, legend
from iclscope.pruning import magnitude
from iclscope.study.experiment import Experiment, Preset
from iclscope.tasks.patterns import PatternSampler
from iclscope.tasks.prompts import TRAINING_PURPOSE

ALIGNED = 0.8
"""From this cosine on, 37 degrees, a part counts as along μ̄ or ±q; random directions in 30 dimensions stay below it."""
KINDS = {
    "plus": "along (μ̄, q)",
    "minus": "along (μ̄, −q)",
    "small": "small, near its start",
    "other": "none of these",
}
LUCKY, SHUFFLED, LOST = "lucky", "luck at random", "lucky, yet small"
PROMPTS = 512


def _measure(group: OneLayerGroup, _preset: Preset) -> pl.DataFrame:
    seeds = [one.seed for one in group.trials]
    tasks = [one.patterns for one in group.trials]
    sampler = PatternSampler(tasks, seeds, dtype=group.model.dtype, device=group.model.device)
    start = group.model.untrained()
    rows = []
    for arm, model in (("trained", group.model), (UNTRAINED, start)):
        found = neuron_alignment(model, sampler.in_domain)
        # Before training there is one group, and no neuron is small.
        small = ~large_neurons(magnitude(model)) if arm == "trained" else torch.zeros_like(found.label_norm).bool()
        along = ~small & (found.feature_cosine >= ALIGNED)
        plus, minus = along & (found.label_cosine >= ALIGNED), along & (found.label_cosine <= -ALIGNED)
        kinds = torch.stack([plus, minus, small, ~(plus | minus | small)])
        shares = dict(zip(KINDS, kinds.double().mean(dim=2), strict=True))
        by_sign = (plus & (model.a > 0)) | (minus & (model.a < 0))
        of_sign = by_sign.double().sum(dim=1) / (plus | minus).double().sum(dim=1).clamp(min=1)
        rows.append(group.rows(arm=arm, by_sign=of_sign, three=1 - shares["other"], **shares))
    prompts = sampler.prompts(PROMPTS, purpose=TRAINING_PURPOSE)
    lucky, large = lucky_neurons(start, prompts), large_neurons(magnitude(group.model))
    place = RandomStream.from_seeds(seeds, "luck at random", lucky.device).uniform(lucky.shape[1]).argsort(dim=1)
    for arm, chosen in ((LUCKY, lucky), (SHUFFLED, lucky.gather(1, place))):
        rates = [(large & of).double().sum(dim=1) / of.double().sum(dim=1) for of in (chosen, ~chosen)]
        share = chosen.double().mean(dim=1)
        rows.append(
            group.rows(
                arm=arm, lucky_share=share, large_if_lucky=rates[0], large_if_not=rates[1], gain=rates[0] - rates[1]
            )
        )
    rows.append(group.rows(arm=LOST, lucky_share=(lucky & ~large).double().mean(dim=1)))
    return pl.concat(rows, how="diagonal")


def _draw(figure: Figure, rows: pl.DataFrame) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for row, arm in enumerate(("trained", UNTRAINED)):
        own, begin = rows.filter(pl.col("arm") == arm), 0.0
        for index, (column, kind) in enumerate(KINDS.items()):
            share = over_seeds(own, column).value
            left.barh(row, share, left=begin, color=COLOURS[index], label=kind if row == 0 else None)
            begin += share
    left.set_yticks([0, 1], labels=["after", "before"])
    left.set(xlabel="share of the neurons", xlim=(0, 1), ylim=(-0.6, 2.6))
    legend(left)
    lucky = rows.filter(pl.col("arm") == LUCKY)
    found = [over_seeds(lucky, name) for name in ("large_if_lucky", "large_if_not")]
    for place, one in enumerate(found):
        right.bar(place, one.value, color=COLOURS[place], yerr=[[one.value - one.low], [one.high - one.value]])
    share = over_seeds(lucky, "lucky_share").value
    right.set_xticks([0, 1], labels=[f"lucky ({share:.0%})", f"unlucky ({1 - share:.0%})"])
    right.set(ylabel="share that becomes large", ylim=(0, 1.05))


def _finding(rows: pl.DataFrame) -> str:
    def mean(arm: str, column: str) -> float:
        return over_seeds(rows.filter(pl.col("arm") == arm), column).value

    kinds = ", ".join(f"{mean('trained', column):.0%} {kind}" for column, kind in KINDS.items())
    return (
        f"After training {kinds}. Of the neurons {mean(LUCKY, 'lucky_share'):.0%} are lucky; "
        f"{mean(LUCKY, 'large_if_lucky'):.0%} of these become large, and {mean(LUCKY, 'large_if_not'):.0%} of the others."
    )


EXPERIMENT = Experiment(
    name="neuron-kinds",
    title="Three kinds of neurons, and the lucky ones",
    caption=(
        f"Left: the rows of W_O W_V, by kind, before and after training: both parts within cosine {ALIGNED:g} of (μ̄, q) or of "
        "(μ̄, −q); in the small group by ‖W_O(i,·)‖; or none of these. Right: the share that becomes large of the neurons that "
        "are active at the start on prompts whose label has the sign of their a_i (lucky), and of the others."
    ),
    position=155,
    trials=base_trials,
    measure=_measure,
    conditions=theorem_conditions,
    claims=(
        Claim(
            id="three-kinds",
            form="exact",
            statement="Rows of W_O W_V lie along (μ̄, q), along (μ̄, −q), or stay small near their start.",
            source=f"{PAPER}, Proposition 4.2",
            quantity="share of the neurons that are of one of the three kinds after training",
            expected=Region(low=0.9),
            reason="nine tenths of the neurons; 'along' is a cosine of 0.8 of either part",
            estimate=lambda rows: over_seeds(rows, "three"),
            control=Control("before training, where no group is small", UNTRAINED),
        ),
        Claim(
            id="three-kinds-by-sign",
            form="exact",
            statement="Whether a row lies along (μ̄, q) or (μ̄, −q) is decided by the sign of a_i.",
            source=f"{PAPER}, Proposition 4.2",
            quantity="share of the rows along one of the two that lie along the one with the sign of a_i",
            expected=Region(low=0.95),
            reason="all but a twentieth",
            estimate=lambda rows: over_seeds(rows, "by_sign"),
            control=Control("before training, where no row lies along either", UNTRAINED),
        ),
        Claim(
            id="lucky-fraction",
            form="ours",
            statement="A constant share of neurons is lucky: is it at least a quarter?",
            source=f"{PAPER}, proof sketch of Theorem 3.3",
            quantity="share of neurons that are active at the start on prompts whose label has the sign of their a_i",
            expected=Region(low=0.25),
            reason="the proof says Ω(1); a quarter is ours, half would be a fair coin",
            estimate=lambda rows: over_seeds(rows, "lucky_share"),
            arm=LUCKY,
            control=Control("the share of neurons that are lucky and stay small all the same", LOST),
            answer=answered(holds="at least a quarter", fails="less than a quarter"),
        ),
        Claim(
            id="lucky-become-large",
            form="ours",
            statement="Do the lucky neurons become the large group, and the unlucky ones stay small?",
            source=f"{PAPER}, proof sketch of Theorem 3.3",
            quantity="share that becomes large of the lucky neurons less that of the others",
            expected=Region(low=0.5),
            reason="1 if luck decided all, 0 if it decided nothing",
            estimate=lambda rows: over_seeds(rows, "gain"),
            arm=LUCKY,
            control=Control("the same number of neurons called lucky at random", SHUFFLED),
            answer=answered(holds="luck decides", fails="most unlucky ones grow too"),
        ),
    ),
    draw=_draw,
    finding=_finding,
    size=(8.4, 3.2),
)
