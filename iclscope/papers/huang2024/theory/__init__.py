"""Huang, Cheng and Liang 2024: how long softmax attention takes to learn in context, and what it does on the way.

`formulas` holds the orders of growth that the theorems state, `finite_prompts` the population loss and its gradient
by enumeration of all prompts, `long_prompts` gradient flow in the limit of long prompts. Only the first is the
paper's; the other two are ours, derived from its set-up.

The set-up: K orthonormal features v_1 … v_K, each context input is v_j with probability p_j, y_i = ⟨w, x_i⟩ with
w ~ N(0, I), ŷ = Σ_i y_i softmax_i(x_iᵀ Q x_query), Q(0) = 0. Only the scores S_jk = v_jᵀ Q v_k matter: the own score
A_k = S_kk, and the cross score B_{k,n} = S_nk of context feature n for query feature k.
"""

from iclscope.papers.huang2024.theory.finite_prompts import (
    MOST_COUNT_VECTORS,
    attention,
    count_probabilities,
    count_vectors,
    population_gradient,
    population_loss,
)
from iclscope.papers.huang2024.theory.formulas import (
    Steps,
    attention_range,
    balanced_steps,
    dominant_steps,
    least_loss,
    promised_attention,
    score_at_half,
)
from iclscope.papers.huang2024.theory.long_prompts import (
    Flow,
    Times,
    gradient_flow,
    long_prompt_gradient,
    times_of_flow,
)

__all__ = [
    "MOST_COUNT_VECTORS",
    "Flow",
    "Steps",
    "Times",
    "attention",
    "attention_range",
    "balanced_steps",
    "count_probabilities",
    "count_vectors",
    "dominant_steps",
    "gradient_flow",
    "least_loss",
    "long_prompt_gradient",
    "population_gradient",
    "population_loss",
    "promised_attention",
    "score_at_half",
    "times_of_flow",
]
