"""von Oswald et al. 2023: transformers that learn in context by gradient descent."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
from iclscope.claims.paper import Abilities, Paper

PAPER = Paper(
    "vonoswald2023",
    "Transformers Learn In-Context by Gradient Descent",
    "von Oswald, Niklasson, Randazzo, Sacramento, Mordvintsev, Zhmoginov and Vladymyrov, ICML 2023, arXiv:2212.07677",
    "linear self-attention constructed and trained to take steps of gradient descent in context",
    seeds={"quick": 5, "lab": 10, "paper": 10},
    model="linear attention of one or several layers",
    task="linear regression on uniform inputs; sine waves",
    abilities=Abilities(mlp=True, distribution_shift=True),
    question="Do trained transformers take steps of gradient descent in context?",
    statement="constructions and published curves",
    story=(
        "A linear self-attention layer can be given weights with which it does, for every prompt, one step of gradient descent "
        "on the linear regression that the prompt's examples pose. This paper writes them down and shows that training finds "
        "them: one trained layer and one step agree in what they say, on prompts that were never seen. Several layers take "
        "several steps, each with a change of the inputs that speeds the next one up."
    ),
    package=__name__,
    start="iclscope.papers.vonoswald2023.settings:first_training",
    position=3,
)
