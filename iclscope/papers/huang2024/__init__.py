"""Huang, Cheng and Liang 2024: how training of one softmax-attention layer converges, phase by phase."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
from iclscope.claims.paper import Abilities, Paper

PAPER = Paper(
    "huang2024",
    "In-Context Convergence of Transformers",
    "Huang, Cheng and Liang, ICML 2024, arXiv:2310.05249",
    "one layer of softmax attention trained on prompts of orthonormal features, phase by phase",
    seeds={"quick": 5, "lab": 10, "paper": 20},
    model="one layer of softmax attention with one trained matrix",
    task="linear functions of inputs that are one of K orthonormal features",
    abilities=Abilities(nonlinear_attention=True),
    question="How long does softmax attention take to learn in context, and in which phases?",
    statement="convergence times up to constants",
    story=(
        "Inputs are one of K orthogonal features, and a prompt's answers are a linear function of them. This paper follows one "
        "layer of softmax attention through its whole training: attention to examples with the query's own feature first grows "
        "slowly and then converges, at times that it bounds. Where one feature is much more frequent than the others, the rare "
        "ones go through two phases more."
    ),
    package=__name__,
    start="iclscope.papers.huang2024.settings:first_training",
    position=5,
)
