"""Garg, Tsipras, Liang and Valiant 2022: which functions a GPT-2 learns in context."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
from iclscope.claims.paper import Abilities, Paper

PAPER = Paper(
    "garg2022",
    "What Can Transformers Learn In-Context? A Case Study of Simple Function Classes",
    "Garg, Tsipras, Liang and Valiant, NeurIPS 2022, arXiv:2208.01066",
    "GPT-2 trained to learn linear functions, sparse ones, decision trees and ReLU networks in context",
    # One seed is the published run; its intervals are over prompts.
    seeds={"quick": 5, "lab": 3, "paper": 1},
    model="GPT-2 with 3 to 12 layers",
    task="linear and sparse linear functions, decision trees, ReLU networks",
    abilities=Abilities(nonlinear_attention=True, mlp=True, distribution_shift=True),
    least_seeds=1,
    question="Which function classes does a transformer learn in context, and as well as which baselines?",
    statement="published curves",
    story=(
        "Can a transformer learn an algorithm from examples alone? GPT-2 is trained on prompts of (x, f(x)) pairs with a new "
        "random function f in each, and asked for f at one more x. This paper finds that it answers about as well as the best "
        "known method for the class: least squares for linear functions, near the Lasso for sparse ones, and better than "
        "greedily grown trees for decision trees. Prompts drawn from other distributions show what it has learnt."
    ),
    package=__name__,
    start="iclscope.papers.garg2022.settings:first_training",
    position=2,
)
