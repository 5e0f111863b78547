"""What Li et al. 2024 (arXiv 2402.15607) predict, as formulas.

The theorems give orders of growth; their constants are not public. Every function here takes the constant as 1 and
leaves out what the order hides, so absolute values mean little and ratios between settings mean what the theorem says.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from iclscope.core.errors import require, require_finite
from iclscope.core.renamed import renamed_names


class Requirements(NamedTuple):
    """What Theorem 3.3 asks for, up to constants.

    Attributes:
        steps: number of SGD steps T.
        training_length: prompt length l_tr in training.
        testing_length: prompt length l_ts in testing.
        width: number m of MLP neurons.
        batch_size: prompts per step B.
        samples: prompts seen in all, N = B·T.
        smallest_task_share: share of all tasks that the smallest training set holds.
    """

    steps: float
    training_length: float
    testing_length: float
    width: float
    batch_size: float
    samples: float
    smallest_task_share: float


class Guarantees(NamedTuple):
    """What Theorems 3.4 and 3.7 and Proposition 4.1 promise of the trained model, constants 1.

    Attributes:
        attention: attention on the query's pattern, at least 1 − η^C; C is not public and taken as 1.
        small_neuron_norm: norm of the small rows of W_O.
        cost_of_small: rise of the risk when all small neurons are removed, at most.
        cost_of_half_the_large: rise of the risk when half of the large neurons are removed, at least.
        out_of_domain: whether the condition for out-of-domain generalization holds.
    """

    attention: float
    small_neuron_norm: float
    cost_of_small: float
    cost_of_half_the_large: float
    out_of_domain: bool


def training_steps(*, eta: float, alpha: float, beta: float, M1: int) -> float:
    """T = Θ(η⁻¹ M1 α^{−2/3} β^{−2/3} √log M1) steps suffice (Theorem 3.3), constant 1."""
    return float(M1 * (alpha * beta) ** (-2 / 3) * math.sqrt(math.log(M1)) / eta)


def training_length(*, alpha: float, beta: float, M1: int) -> float:
    """l_tr ≥ max{Ω(log M1 / α), Ω(1 / (β²α))} suffices (Theorem 3.3), constants 1."""
    return max(math.log(M1) / alpha, 1 / (beta * beta * alpha))


def testing_length(*, alpha_test: float) -> float:
    """l_ts ≳ 1/α' suffices (Theorem 3.3), constant 1."""
    return 1 / alpha_test


def width(*, M1: int) -> float:
    """M ≥ Ω(M1² log M1) neurons suffice (Theorem 3.3), constant 1."""
    return M1**2 * math.log(M1)


def batch_size(*, epsilon: float, M1: int) -> float:
    """B ≥ Ω(max{ε⁻², M1} log M1) prompts suffice (Theorem 3.3), constant 1."""
    return float(max(1 / epsilon / epsilon, M1) * math.log(M1))


def smallest_task_share(*, M1: int) -> float:
    """1/(M1−1), the share of the cycle, the smallest set that meets Condition 3.2."""
    return 1 / (M1 - 1)


def tasks_of_share(*, M1: int, share: float) -> int:
    """How many of the M1(M1−1) tasks a training set of a share holds, if one of that share can meet Condition 3.2.

    Every pattern meets each label k times, so a set has k·M1 tasks: only the shares k/(M1−1), k = 1 … M1−1, exist.

    Raises:
        BadRequest: if no set has this share, naming the nearest that one has.
    """
    require(0 < share <= 1, "training_tasks", share, "a share in (0, 1]")
    k = max(round(share * (M1 - 1)), 1)
    nearest = f"k/{M1 - 1} for a whole k (Condition 3.2); the nearest is {k}/{M1 - 1} = {k / (M1 - 1):.4f}"
    require(abs(k / (M1 - 1) - share) <= 1e-6, "training_tasks", share, nearest)
    return k * M1


def pruning_bound_small(*, epsilon: float, M1: int) -> float:
    """Removing all small neurons costs at most O(ε + M1^{−1/2}) (Theorem 3.7), constants 1."""
    return float(epsilon + M1**-0.5)


def pruning_bound_large(*, R: float) -> float:
    """Removing a share R of the large neurons costs at least Ω(R) (Theorem 3.7), constant 1."""
    return R


def small_neuron_norm(*, M2: int) -> float:
    """Small rows of W_O stay at a norm of at most O(1/√M2) (Theorem 3.7), constant 1."""
    return float(M2**-0.5)


def ood_generalizes(*, S1: float, irrelevant_in_span: bool) -> bool:
    """Whether Theorem 3.4's sufficient condition holds: S1 ≥ 1 and ν' ∈ span{ν}."""
    return S1 >= 1 and irrelevant_in_span


def requirements(
    *,
    alpha: float = 0.8,
    alpha_test: float = 0.8,
    beta: float = 2.0,
    M1: int = 6,
    eta: float = 1.0,
    epsilon: float = 0.1,
) -> Requirements:
    """All that Theorem 3.3 asks for at given settings, constants 1.

    Args:
        alpha: share α of task-relevant context columns in training, (0, 1].
        alpha_test: α' in testing, (0, 1].
        beta: pattern norm β, at least 1.
        M1: number of relevant patterns, at least 3.
        eta: step size η, (0, 1].
        epsilon: risk ε to reach, (0, 1).

    Raises:
        BadRequest: if a setting is outside the theorem's range.
    """
    require_finite([("alpha", alpha), ("alpha-test", alpha_test), ("beta", beta), ("eta", eta), ("epsilon", epsilon)])
    require(0 < alpha <= 1, "alpha", alpha, "a number in (0, 1]")
    require(0 < alpha_test <= 1, "alpha-test", alpha_test, "a number in (0, 1]")
    require(beta >= 1, "beta", beta, "at least 1")
    require(M1 >= 3, "M1", M1, "at least 3")
    require(0 < eta <= 1, "eta", eta, "a number in (0, 1]")
    require(0 < epsilon < 1, "epsilon", epsilon, "a number in (0, 1)")
    steps = training_steps(eta=eta, alpha=alpha, beta=beta, M1=M1)
    batch = batch_size(epsilon=epsilon, M1=M1)
    return Requirements(
        steps=steps,
        training_length=training_length(alpha=alpha, beta=beta, M1=M1),
        testing_length=testing_length(alpha_test=alpha_test),
        width=width(M1=M1),
        batch_size=batch,
        samples=batch * steps,
        smallest_task_share=smallest_task_share(M1=M1),
    )


def guarantees(*, M1: int = 6, M2: int = 24, epsilon: float = 0.1, eta: float = 1.0, S1: float = 1.0) -> Guarantees:
    """What the trained model does, according to the theorems, constants 1.

    Args:
        M1: number of relevant patterns, at least 3.
        M2: number of irrelevant patterns, at least 1.
        epsilon: risk ε that was trained to, (0, 1).
        eta: step size η, (0, 1].
        S1: coefficient sum of the out-of-domain patterns, with ν' in span{ν}; |S1| ≤ √M1, what norm β allows.

    Raises:
        BadRequest: if a setting is outside the theorems' range.
    """
    require_finite([("epsilon", epsilon), ("eta", eta), ("S1", S1)])
    require(M1 >= 3, "M1", M1, "at least 3")
    require(M2 >= 1, "M2", M2, "at least 1")
    require(0 < epsilon < 1, "epsilon", epsilon, "a number in (0, 1)")
    require(0 < eta <= 1, "eta", eta, "a number in (0, 1]")
    require(abs(S1) <= math.sqrt(M1), "S1", S1, f"|S1| ≤ √M1 = {math.sqrt(M1):.3f}, or the norm would exceed β")
    return Guarantees(
        attention=1 - eta,
        small_neuron_norm=small_neuron_norm(M2=M2),
        cost_of_small=pruning_bound_small(epsilon=epsilon, M1=M1),
        cost_of_half_the_large=pruning_bound_large(R=0.5),
        out_of_domain=ood_generalizes(S1=S1, irrelevant_in_span=True),
    )


__getattr__ = renamed_names(__name__, {"promises": "guarantees", "Promises": "Guarantees"})
