"""The search behind "Open settings" in docs/experiment_log.md: does any setting draw the published curves?

Trains the one-layer model of Li et al. 2024 once at each of many settings drawn at random from what the paper leaves
open, lets an epoch be any number of steps, and compares whole curves. Settings are chosen by the curves of queries and
keys alone; all others are judged. Prints how far each curve stays for the settings that fit best, and for today's.

Run: python benchmarks/open_settings.py [--settings 1000] [--steps 1500] [--seed 0] (about five minutes on one core)
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

import iclscope as icl
from iclscope.claims.published import published_curves
from iclscope.models import SoftmaxReLUConfig
from iclscope.tasks.patterns import PatternShift
from iclscope.training import Probe

EPOCH = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Steps that an epoch may be; the best of them for the fitted curve is taken."""

FITTED = ("length", "relevant")
JUDGED = ("attention", "label angle", "feature angle", "feature norm", "label norm")
ENDS = {"small rows": 0.155, "large rows": 0.495, "share small": 11 / 64}
"""Published row norms of W_O, which have no curve."""


class Setting(NamedTuple):
    """What the paper leaves open. β δ is 0.36 … 0.46 (published start of the relevant part: 0.40), δ at most 0.2."""

    beta: float
    delta: float
    q_norm: float
    rate: float
    K: float
    xi: float
    width: int


CHANGES: tuple[dict[str, Any], ...] = ({"tasks": "unseen"}, {"shift": PatternShift(S1=1.3)})
"""What is tested on: unseen tasks in domain, and patterns out of it."""

TODAY = Setting(beta=2.0, delta=0.175, q_norm=0.5, rate=1.0, K=0.5, xi=0.02, width=40)


def drawn(count: int, seed: int) -> list[Setting]:
    """Settings at random: β uniform, ‖q‖ and η uniform in their logarithms, K and m one of two values."""
    random, found = np.random.default_rng(seed), [TODAY]
    while len(found) <= count:
        beta, product = random.uniform(1.8, 4.0), random.uniform(0.36, 0.46)
        if product / beta <= 0.2:
            q_norm, rate = (math.exp(random.uniform(*map(math.log, ends))) for ends in ((0.15, 3.0), (0.03, 3.0)))
            K, xi, width = random.choice((0.25, 0.5)), random.uniform(0.01, 0.025), random.choice((40, 64))
            found.append(Setting(beta, product / beta, q_norm, rate, float(K), xi, int(width)))
    return found


def curves_of(settings: list[Setting], steps: int) -> dict[str, np.ndarray]:
    """Curves over the recorded steps, [record, setting], and what rows of W_O end at; all settings of one width."""
    tasks = [icl.tasks.PatternClassification(beta=one.beta, q_norm=one.q_norm, K=one.K) for one in settings]
    configs = [SoftmaxReLUConfig(width=one.width, delta=one.delta, xi=one.xi) for one in settings]
    seeds = list(range(len(settings)))
    model = icl.models.SoftmaxReLUTransformer(seeds=seeds, configs=configs)

    @cache
    def samplers(live: tuple[int, ...]) -> list[icl.tasks.PatternSampler]:
        """Of tests in domain and out of it, for the runs that have not diverged."""
        tests = ([tasks[run].replace(**change) for run in live] for change in CHANGES)
        return [icl.tasks.PatternSampler(own, [seeds[run] for run in live]) for own in tests]

    def measure(now: icl.models.SoftmaxReLUTransformer, live: Sequence[int]) -> dict[str, torch.Tensor]:
        own, other = samplers(tuple(live))
        positive = now.a > 0
        prompts, shifted = (sampler.prompts(256, purpose="evaluation") for sampler in (own, other))
        lengths, parts = icl.mechanism.projections(now, prompts), icl.mechanism.neuron_alignment(now, own.in_domain)
        grown = icl.mechanism.large_neurons(icl.pruning.magnitude(now))
        angle = torch.acos(torch.where(positive, parts.label_cosine, -parts.label_cosine).clamp(-1, 1))
        norms = icl.pruning.magnitude(now)

        def over(values: torch.Tensor) -> torch.Tensor:
            return (values * grown).sum(dim=1) / grown.sum(dim=1)

        return {
            "length": lengths.key,
            "relevant": lengths.key_relevant,
            "attention in domain": icl.mechanism.attention_concentration(now, prompts),
            "attention": icl.mechanism.attention_concentration(now, shifted),
            "label angle": over(angle),
            "label angle of all": angle.mean(dim=1),
            "feature angle": over(torch.acos(parts.feature_cosine.clamp(-1, 1))),
            "feature norm": over(parts.feature_norm),
            "label norm": over(parts.label_norm),
            "large rows": over(norms),
            "small rows": (norms * ~grown).sum(dim=1) / (~grown).sum(dim=1).clamp(min=1),
            "share small": (~grown).double().mean(dim=1),
            "error": icl.evaluation.risks_on(now, prompts).classification_error,
        }

    at = records(steps)
    trained = icl.train(
        model, tasks, learning_rate=[one.rate for one in settings], steps=steps, probe=Probe(measure, at)
    )
    return {name: values.double().numpy().T for name, values in trained.trajectory.items()}


def records(steps: int) -> list[int]:
    """Steps that are recorded: those of 25 epochs of a quarter of a step to four."""
    return sorted({0, 1, 2, 3, 5, 8, *range(10, 100, 10), *range(100, steps + 1, 20)})


def published() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Epochs and values of the published curves."""
    named = {
        "length": ("qk-magnitude", "norm"),
        "relevant": ("qk-magnitude", "relevant part"),
        "attention": ("attention", "same ODR pattern"),
        "label angle": ("neuron-label", "angle, a_i > 0"),
        "feature angle": ("neuron-feature", "angle"),
        "feature norm": ("neuron-feature", "norm"),
        "label norm": ("neuron-label", "norm, a_i > 0"),
    }
    found = {name: published_curves("li2024", figure)[curve] for name, (figure, curve) in named.items()}
    return {name: (np.array(curve.x), np.array(curve.y)) for name, curve in found.items()}


def largest_differences(curves: dict[str, np.ndarray], at: list[int], per_epoch: float) -> dict[str, np.ndarray]:
    """Ours less the published curve where that is largest, signed, for each setting."""
    found = {}
    for name, (epochs, values) in published().items():
        steps = np.minimum(epochs * per_epoch, at[-1])
        ours = np.stack([np.interp(steps, at, curve) for curve in curves[name].T])
        differences = ours - values
        found[name] = np.take_along_axis(differences, np.abs(differences).argmax(axis=1)[:, None], axis=1)[:, 0]
    return found


def main() -> None:
    """Print the settings that fit best, and how far the judged curves stay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = []
    for width in (40, 64):
        settings = [one for one in drawn(given.settings, given.seed) if one.width == width]
        curves, at = curves_of(settings, given.steps), records(given.steps)
        by_epoch = {per_epoch: largest_differences(curves, at, per_epoch) for per_epoch in EPOCH}
        for number, setting in enumerate(settings):
            misfit = {k: max(abs(found[name][number]) for name in FITTED) for k, found in by_epoch.items()}
            best = min(misfit, key=lambda k: misfit[k] if math.isfinite(misfit[k]) else math.inf)
            row = {"fit": misfit[best], "epoch": best, **setting._asdict()}
            row |= {name: by_epoch[best][name][number] for name in JUDGED}
            for name in ("relevant", "attention in domain", "attention", "label angle", "label angle of all"):
                row[f"{name}, end"] = curves[name][-1, number]
            row |= {name: curves[name][-1, number] for name in (*ENDS, "error")}
            rows.append(row)
    learned = sorted((row for row in rows if row["error"] <= 0.01), key=lambda row: row["fit"])
    print(f"{len(rows)} settings, {len(learned)} with an unseen-task error of at most 0.01 after {given.steps} steps")
    today = next(row for row in rows if all(row[name] == value for name, value in TODAY._asdict().items()))
    names = [*rows[0]]
    for title, chosen in (("best fits", learned[:12]), ("today", [today])):
        print(f"\n{title}\n" + " | ".join(names))
        for row in chosen:
            print(" | ".join(f"{row[name]:.3g}" for name in names))
    print("\namong all that learned, the nearest of each judged curve (largest difference, signed)")
    for name in JUDGED:
        nearest = min(learned, key=lambda row: abs(row[name]))
        setting = ", ".join(f"{key} = {nearest[key]:.3g}" for key in (*Setting._fields, "epoch", "fit"))
        print(f"{name}: {nearest[name]:.3g} with {setting}")
    matching = [row for row in learned if 1.46 <= row["relevant, end"] <= 1.50]
    print(f"\n{len(matching)} end with a relevant part of 1.46 … 1.50, as published:")
    for name in ("attention in domain, end", "attention, end", "label angle, end", "label angle of all, end"):
        print(f"{name}: {_range([row[name] for row in matching])}")
    attending = [row["relevant, end"] for row in learned if row["attention, end"] > 0.97]
    print(f"{len(attending)} attend above 0.97 out of domain; relevant parts: {_range(attending)}")


def _range(values: list[float]) -> str:
    return f"{min(values):.3g} … {max(values):.3g}" if values else "none"


if __name__ == "__main__":
    main()
