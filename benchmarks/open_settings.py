"""The search behind "Open settings" in docs/experiment_log.md.

Trains the one-layer model of Li et al. 2024 at every combination of the settings that the paper leaves open, and
compares what comes out with what the paper's figures show. Prints a table, the most faithful setting first.

Run: python benchmarks/open_settings.py [--widths 20 40 100] (about two minutes a width on two cores)
"""

from __future__ import annotations

import argparse
import itertools
import math

import torch

import iclscope as icl
from iclscope.models import SoftmaxReLUConfig

# Read off the published figures (after 400 epochs): attention, length of queries and their relevant part, norm of small
# and large rows of W_O, share of small rows, norm of the feature and of the label part of the rows of W_O W_V.
PUBLISHED = {
    "attention": 0.98,
    "query": 1.75,
    "relevant": 1.45,
    "small norm": 0.155,
    "large norm": 0.495,
    "small share": 0.16,
    "feature norm": 0.45,
    "label norm": 1.3,
}
# δβ ≈ 0.35 follows from two published starting points: ‖W_Q p_query‖ ≈ 0.35, and attention 0.43, which is
# 0.4 e^s/(0.4 e^s + 0.6) at s = (δβ)². ξ ≈ 0.02 follows from the norm of rows that never grow, ξ√m_b ≈ 0.155, m_b = 60.
BETA_DELTA = ((1.75, 0.2), (2.0, 0.175), (2.5, 0.14), (3.0, 0.117))
Q_NORMS = (0.25, 0.35, 0.5, 1.0)
RATES = (0.3, 0.5, 1.0)
SEEDS = (0, 1, 2)
XI = 0.02


def measured(width: int) -> list[dict[str, float]]:
    """One row per setting of β, δ, ‖q‖ and η: means over seeds."""
    settings = list(itertools.product(BETA_DELTA, Q_NORMS, RATES))
    tasks = [icl.tasks.PatternClassification(beta=b, q_norm=q) for (b, _), q, _ in settings for _ in SEEDS]
    configs = [SoftmaxReLUConfig(width=width, delta=d, xi=XI) for (_, d), _, _ in settings for _ in SEEDS]
    seeds = list(SEEDS) * len(settings)
    model = icl.models.SoftmaxReLUTransformer(seeds=seeds, configs=configs)
    rates = [rate for _, _, rate in settings for _ in SEEDS]
    trained = icl.train(model, tasks, learning_rate=rates, steps=400).model

    sampler = icl.tasks.PatternSampler([task.replace(tasks="unseen") for task in tasks], seeds)
    prompts = sampler.prompts(2048, purpose="evaluation")
    norms = icl.pruning.magnitude(trained)
    large = icl.mechanism.large_neurons(norms)
    parts = icl.mechanism.neuron_alignment(trained, sampler.in_domain)
    lengths = icl.mechanism.projections(trained, prompts)

    def mean_over(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return (values * chosen).sum(dim=1) / chosen.sum(dim=1)

    per_run = {
        "attention": icl.mechanism.attention_concentration(trained, prompts),
        "query": lengths.query,
        "relevant": lengths.query_relevant,
        "small norm": mean_over(norms, ~large),
        "large norm": mean_over(norms, large),
        "small share": (~large).double().mean(dim=1),
        "feature norm": mean_over(parts.feature_norm, large),
        "label norm": mean_over(parts.label_norm, large),
        "error": icl.evaluation.risks_on(trained, prompts).classification_error,
    }
    means = {
        name: values.double().reshape(len(settings), len(SEEDS)).mean(dim=1).tolist()
        for name, values in per_run.items()
    }
    return [
        {"m": width, "β": b, "δ": d, "‖q‖": q, "η": rate} | {name: values[i] for name, values in means.items()}
        for i, ((b, d), q, rate) in enumerate(settings)
    ]


def distance(row: dict[str, float]) -> float:
    """Sum of squared log ratios to the published values; infinite if the model has not learned."""
    if row["error"] > 0.01:
        return math.inf
    return sum(math.log(max(row[name], 1e-3) / value) ** 2 for name, value in PUBLISHED.items())


def main() -> None:
    """Print the settings, the most faithful first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[20, 40, 100])
    rows = [row for width in parser.parse_args().widths for row in measured(width)]
    names = [*rows[0]]
    print("distance  " + "  ".join(f"{name:>12}" for name in names))
    for row in sorted(rows, key=distance)[:20]:
        print(f"{distance(row):8.3f}  " + "  ".join(f"{row[name]:12.3f}" for name in names))


if __name__ == "__main__":
    main()
