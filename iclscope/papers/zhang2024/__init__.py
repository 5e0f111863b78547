"""Zhang, Frei and Bartlett 2024: one file per figure."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
from iclscope.claims.paper import Abilities, Paper

PAPER = Paper(
    "zhang2024",
    "Trained Transformers Learn Linear Models In-Context",
    "Zhang, Frei and Bartlett, JMLR 2024, arXiv:2306.09927",
    "one layer of linear attention under gradient flow, beside exact limits, risks and shifts",
    seeds={"quick": 5, "lab": 8, "paper": 10},
    model="one layer of linear attention; GPT-2 beside it",
    task="linear regression on Gaussian inputs of any covariance",
    abilities=Abilities(distribution_shift=True),
    question="Where does gradient flow of linear attention end, and how does the limit behave under shifts?",
    statement="exact limits and risks",
    story=(
        "One layer of linear attention is trained on linear regression by gradient flow. Although the problem is not convex, "
        "this paper proves where training ends, and writes the limit and its risk as formulas. From them follows what the model "
        "tolerates: other tasks and other queries yes, other covariances of the inputs no."
    ),
    package=__name__,
    start="iclscope.papers.zhang2024.settings:first_training",
    position=4,
)
