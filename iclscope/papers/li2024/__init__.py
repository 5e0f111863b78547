"""The figures of Li et al. 2024, one file each."""

from iclscope.claims.paper import Abilities, Paper
from iclscope.papers.li2024.scenes import SCENES

PAPER = Paper(
    "li2024",
    "How Do Nonlinear Transformers Learn and Generalize in In-Context Learning?",
    "Li, Wang, Lu, Cui and Chen, ICML 2024, arXiv:2402.15607",
    "one layer of softmax attention and a ReLU MLP, and GPT-2, trained on prompts of orthogonal patterns",
    seeds={"quick": 20, "lab": 20, "paper": 30},
    slow_seeds={"quick": 5, "lab": 10, "paper": 20},
    model="one layer: softmax attention, then a ReLU MLP; GPT-2 with 3 layers",
    task="binary classification of inputs made of orthogonal patterns",
    abilities=Abilities(nonlinear_attention=True, mlp=True, distribution_shift=True, pruning=True),
    question="Which prompts must a transformer be trained on, how long and how wide, to generalize to unseen tasks and shifted patterns?",
    statement="sufficient conditions up to constants, and bounds on pruning",
    package=__name__,
    start="iclscope.papers.li2024.settings:first_training",
    position=1,
    scenes=SCENES,
)
