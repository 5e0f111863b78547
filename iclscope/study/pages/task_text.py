"""Models and tasks in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iclscope.models import (
    FeatureAttention,
    GPT2Transformer,
    InterleavedAttention,
    LinearAttention,
    Model,
    SoftmaxAttention,
)
from iclscope.tasks import FunctionClass, PatternShift, Task

_ALWAYS = {
    "functions": ("d_X", "length"),
    "orthonormal_features": ("K", "d_X", "length"),
    "patterns": ("M1", "M2", "beta", "K", "alpha", "length", "training_tasks"),
}
ONLY_OF = {"sparsity": "sparse_linear", "depth": "decision_tree", "width": "relu_network"}
"""The class of functions that alone has a setting."""


def model_text(model: Model) -> str:
    """Kind, sizes and runs: ``GPT-2 with 3 layers, 2 heads and embedding 64, 1 run (seed 0)``."""
    if isinstance(model, GPT2Transformer):
        sizes = model.config
        text = f"GPT-2 with {sizes.layers} layers, {sizes.heads} heads and embedding {sizes.embedding}"
    elif isinstance(model, LinearAttention):
        text = f"linear attention with {model.config.layers} layer{'s' * (model.config.layers > 1)}"
    elif isinstance(model, SoftmaxAttention):
        text = f"one layer of softmax attention of dimension {model.config.d_X}"
    elif isinstance(model, InterleavedAttention):
        text = "two layers of attention on interleaved tokens"
    elif isinstance(model, FeatureAttention):
        text = "an MLP with a layer of attention on its features"
    else:
        text = f"one-layer transformer with {model.configs[0].width} neurons"
    seeds = ", ".join(map(str, model.seeds))
    return f"{text}, {model.run_count} {'run (seed' if model.run_count == 1 else 'runs (seeds'} {seeds})"


def task_text(tasks: Sequence[Task]) -> str:
    """What the task of each run is: its main settings, and the others where they are not the defaults."""
    first = tasks[0]
    default = type(first)()
    shown = [
        name
        for name in _names(tasks)
        if name in _ALWAYS[first.kind]
        or name in ONLY_OF
        or any(getattr(t, name) != getattr(default, name) for t in tasks)
    ]
    kind = f"{first.function} functions" if isinstance(first, FunctionClass) else first.kind.replace("_", " ")
    return ", ".join([kind, *(_setting(tasks, name) for name in shown if name != "function")])


def changes_text(tasks: Sequence[Task], before: Sequence[Task]) -> str:
    """The settings in which tasks differ from others, run by run; empty if in none."""
    changed = [
        name
        for name in _names(tasks)
        if any(getattr(new, name) != getattr(old, name) for new, old in zip(tasks, before, strict=True))
    ]
    return ", ".join(_setting(tasks, name) for name in changed)


def _names(tasks: Sequence[Task]) -> list[str]:
    """The settings that mean something to these tasks. Where predictions are made follows from the others."""
    of_others = {
        setting
        for setting, function in ONLY_OF.items()
        if not any(isinstance(task, FunctionClass) and task.function == function for task in tasks)
    }
    return [name for name in type(tasks[0]).model_fields if name not in {"kind", "predictions", *of_others}]


def _setting(tasks: Sequence[Task], name: str) -> str:
    values = list(dict.fromkeys(_value(getattr(task, name)) for task in tasks))
    each = " (each run its own)" if len(values) > 1 else ""
    label = "" if name == "shift" else f"{name.replace('_tasks', ' tasks')} = "
    return f"{label}{' or '.join(values)}{each}"


def _value(value: Any) -> str:
    if isinstance(value, PatternShift):
        return "shifted patterns" if value.S1 is None else f"S1 = {value.S1:g}"
    if isinstance(value, tuple):
        ends = [item for item in value if isinstance(item, int)]
        return f"{ends[0]} to {ends[1]}" if ends else f"{len(value)} chosen"
    if value is None:
        return "patterns as in training"
    return f"{value:g}" if isinstance(value, float) else str(value)
