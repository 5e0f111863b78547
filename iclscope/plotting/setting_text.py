"""Settings, their values and what was measured, in a reader's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONGEST_VALUE = 40
"""Characters of a value that are shown."""

METRICS = {
    "hinge_risk": "hinge risk",
    "classification_error": "classification error",
    "squared_error": "squared error, 1 = predicting 0",
    "stopped_at": "steps until the target risk",
}
"""What is measured, as axes name it."""

_SETTINGS = {
    "alpha": "share of relevant examples α",
    "batch_size": "prompts per step B",
    "beta": "norm of patterns β",
    "d_X": "input dimension d",
    "dominant": "probability of the dominant feature",
    "initial_scale": "initial scale",
    "K": "K",
    "layers": "layers",
    "learning_rate": "learning rate η",
    "length": "examples in test prompts",
    "task.length": "examples in training prompts",
    "noise": "standard deviation of the noise",
    "S1": "coefficient sum S₁",
    "steps": "training steps T",
    "training_tasks": "training tasks",
    "width": "width m",
    "x_scale": "scale of inputs",
    "y_scale": "scale of outputs",
}


def setting_label(setting: str) -> str:
    """A setting as an axis names it: the field's words, and the name by which the sweep has it.

    Args:
        setting: its dotted name, ``task.alpha``, or ``length``, the context length of a row.
    """
    last = setting.rpartition(".")[2]
    words = _SETTINGS.get(setting) or _SETTINGS.get(last, last.replace("_", " "))
    return words if setting == last else f"{words} ({setting})"


def value_text(value: Any) -> str:
    """A value as a sweep file has it, numbers to four digits, in at most `LONGEST_VALUE` characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.4g}" if isinstance(value, float) else plain_text(str(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def plain_text(text: str) -> str:
    """A text with nothing in it that a terminal would act on."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
