"""For each figure of the one-layer model, the state of the playground that shows what the figure is about."""

from __future__ import annotations

from collections.abc import Mapping

MODEL = "v=1&width=40"
"""The model of the figures, whose first seed is the playground's; there it trains in double precision."""

_CHANGES = {
    "generalization": "tasks=broken&steps=400",
    "growth-laws": "alpha=0.4&eta=0.5&steps=1000",
    "iterations": "eta=0.25&steps=400",
    "prompt-length": "length=4&length_test=10&steps=400",
    "width-batch": "batch=128&steps=400",
    "phase-alpha-length": "steps=400&map=alpha-length",
    "phase-alpha-steps": "alpha=0.3&steps=400",
    "phase-s1-alpha": "steps=400&domain=out&map=S1-alpha",
    "ood-s1": "S1=0.5&steps=400&domain=out&map=S1-alpha",
    "ood-span": "S1=1.2&steps=400&domain=out",
    "ood-alpha": "alpha_test=0.4&steps=400&domain=out",
    "baselines": "alpha_test=0.6&steps=400",
    "robustness": "M1=8&beta=1.5&steps=800",
    "pruning-methods": "steps=400&pruned=16&domain=out",
    "pruning-alpha": "alpha_test=0.6&steps=400&pruned=16&domain=out",
    "pruning-linearity": "steps=400&pruned=28&domain=out",
    "attention": "steps=400",
    "qk-magnitude": "steps=400",
    "neuron-feature": "steps=400",
    "neuron-label": "steps=400",
    "s1-argument": "S1=0.5&steps=400&domain=out",
    "attn-filter": "steps=400",
    "neuron-kinds": "steps=400",
    "pruning-sizes": "M2=12&steps=400&pruned=16",
    "prompt": "steps=400",
}
SCENES: Mapping[str, str] = {name: f"{MODEL}&{changes}" for name, changes in _CHANGES.items()}
"""By the names of figures, as the end of an address."""
