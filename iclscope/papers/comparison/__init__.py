"""What is about several papers at once: their models on one common task."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
from iclscope.claims.paper import Paper

PAPER = Paper(
    "comparison",
    "The models of all papers on one task",
    "iclscope, on Li 2024, Garg 2022, von Oswald 2023, Zhang 2024 and Huang 2024",
    "every attention model of the papers trained on linear functions at equal budget",
    seeds={"quick": 5, "lab": 5, "paper": 5},
    model="the models of the papers above",
    task="random linear functions",
    abilities=None,
    question="How do the models of all papers do on one task at equal budget?",
    statement="questions of ours",
    package=__name__,
    position=6,
)
