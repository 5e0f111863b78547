"""The figures of Li et al. 2024, one file each."""

from iclscope.claims.paper import Abilities, Paper
from iclscope.papers.li2024.scenes import SCENES

PAPER = Paper(
    "li2024",
    "How Do Nonlinear Transformers Learn and Generalize in In-Context Learning?",
    "Li, Wang, Lu, Cui and Chen, ICML 2024, arXiv:2402.15607",
    "one layer of softmax attention and a ReLU MLP, and GPT-2, trained on prompts of orthogonal patterns",
    seeds={"quick": 20, "lab": 20, "paper": 30},
    slow_seeds={"paper": 20},
    model="one layer: softmax attention, then a ReLU MLP; GPT-2 with 3 layers",
    task="binary classification of inputs made of orthogonal patterns",
    abilities=Abilities(nonlinear_attention=True, mlp=True, distribution_shift=True, pruning=True),
    question="Which prompts must a transformer be trained on, how long and how wide, to generalize to unseen tasks and shifted patterns?",
    statement="sufficient conditions up to constants, and bounds on pruning",
    story=(
        "A transformer is shown a few labelled examples and a query, and answers without its weights being changed. This paper "
        "proves for one layer of softmax attention with a ReLU MLP that gradient descent finds such a model. Inputs are a pattern "
        "that decides the label plus one that does not; a task says which two patterns are +1 and −1. If the training tasks "
        "cover all patterns and labels evenly, the model learns to attend to examples with the query's pattern and to read "
        "their labels. It then solves tasks it has not seen, tolerates patterns that are mixtures of the old ones, and can lose "
        "the neurons that never grew."
    ),
    theorems={
        "Theorem 3.3": "Balanced training tasks, enough steps, columns, neurons and prompts: small risk on unseen tasks.",
        "Theorem 3.4": "Mixtures of patterns whose coefficients sum to S1 ≥ 1: small risk out of domain.",
        "Theorem 3.7": "Neurons end in two groups; removing the small one is harmless, the large one costs its share.",
        "Proposition 4.1": "Queries and keys grow along the relevant pattern; attention concentrates on it.",
        "Proposition 4.2": "Neurons turn to the mean pattern and to +q or −q by their output sign.",
    },
    package=__name__,
    start="iclscope.papers.li2024.settings:first_training",
    position=1,
    scenes=SCENES,
)
