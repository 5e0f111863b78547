"""The conditions of Theorems 3.3 and 3.4, beside what a one-layer trial has."""

from __future__ import annotations

from iclscope.claims.conditions import Condition
from iclscope.models.softmax_relu import SoftmaxReLUConfig
from iclscope.papers.li2024.constants import CONSTANTS, Amounts, LawSetting, laws
from iclscope.training.trial import Trial

_LAWS = (
    "T ≥ c·η⁻¹ M1 (αβ)^(−2/3) √log M1",
    "l_tr ≥ c·max{log M1/α, 1/(β²α)}",
    "m ≥ c·M1² log M1",
    "B ≥ c·max{ε⁻², M1} log M1, ε = 0.1",
)
"""In the order of `Amounts`."""
MOST_DELTA, MOST_K, LEAST_BETA, MOST_ETA = 0.2, 0.5, 1.0, 1.0


def theorem_conditions(trial: Trial) -> list[Condition]:
    """What Theorem 3.3 asks of a training, and what this one has.

    Where the theorem gives no constant, the value is told in multiples of the law, beside the constant that was taken
    from a reference (`constants`).

    Args:
        trial: of the one-layer model; GPT-2, of which the theorem does not speak, has no conditions.
    """
    model = trial.model
    if not isinstance(model, SoftmaxReLUConfig):
        return []
    task, training = trial.patterns, trial.training
    setting = LawSetting(alpha=task.alpha, beta=task.beta, M1=task.M1, eta=training.learning_rate)
    has = Amounts(training.steps, task.length_range[0], model.width, training.batch_size)
    decided = [
        Condition("balanced training tasks, at least M1 (Condition 3.2)", _tasks(trial), task.check_condition),
        Condition(f"η ≤ {MOST_ETA:g}", f"{training.learning_rate:g}", training.learning_rate <= MOST_ETA),
        Condition(f"β ≥ {LEAST_BETA:g}", f"{task.beta:g}", task.beta >= LEAST_BETA),
        Condition(f"κ within ±{MOST_K:g}", f"±{task.K:g}", task.K <= MOST_K),
        Condition(f"0 < δ ≤ {MOST_DELTA:g}", f"{model.delta:g}", 0 < model.delta <= MOST_DELTA),
    ]
    open_ones = [
        Condition(name, f"{value:g}", None, value / law, c)
        for name, value, law, c in zip(_LAWS, has, laws(setting), CONSTANTS, strict=True)
    ]
    return decided + open_ones


def _tasks(trial: Trial) -> str:
    tasks, M1 = trial.patterns.training_task_set(), trial.patterns.M1
    return f"{len(tasks)} of {M1 * (M1 - 1)}"
