"""What the library's functions expect of a model, and one line for whoever gives something else."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from iclscope.core.arguments import expect, expect_instance
from iclscope.core.overrides import is_overridden_later
from iclscope.tasks.known import is_task

_ASKED = ("seeds", "run_count", "dtype", "device", "predict", "runs", "check_task", "state_dict")
"""What training and evaluation ask of a model."""


def is_model(value: object) -> bool:
    """Whether a value has what training and evaluation ask of a model."""
    return not isinstance(value, type) and all(hasattr(value, name) for name in _ASKED)


def expect_model(value: Any, order: str, option: str = "model") -> None:
    """Refuse what is no model.

    Args:
        value: what was given.
        order: how the function that was called is called, as "train(task, model)"; for whoever swapped its arguments.
        option: the argument's name.

    Raises:
        BadRequest: saying what was expected, what was got, and what to do if that is known.
    """
    hint = ""
    if isinstance(value, type):
        hint = f"make one, as {value.__name__}()"
    elif is_task(value):
        hint = f"the order is {order}"
    elif is_model(getattr(value, "model", None)):
        hint = "its .model is one"
    elif isinstance(value, nn.Module):
        hint = "a module of your own becomes one by iclscope.models.from_module"
    elif hasattr(value, "predict"):
        hint = "a baseline answers by itself, .predict(prompts), or in error_table(…, baselines=[NAME])"
    expect(is_model(value), option, value, "a model of iclscope.models", hint)
    changed = isinstance(value, nn.Module) and is_overridden_later(type(value), "forward", "predict")
    hint = "override predict, which is what training and evaluation call"
    expect(not changed, option, value, "a model without a forward of its own", hint)


def expect_model_of(kinds: type | tuple[type, ...], value: Any, option: str = "model") -> None:
    """Refuse what is none of some models, for what can be measured in them alone.

    Args:
        kinds: the class, or classes.
        value: what was given.
        option: the argument's name.

    Raises:
        BadRequest: naming the classes.
    """
    inner = isinstance(getattr(value, "model", None), kinds)
    expect_instance(option, value, kinds, "its .model is one" if inner else "")


def expect_place(dtype: Any, device: Any) -> None:
    """Refuse what is no precision of weights, or no device.

    Args:
        dtype: a floating-point ``torch.dtype``.
        device: a ``torch.device``, its name or its number.

    Raises:
        BadRequest: naming the argument.
    """
    floating = isinstance(dtype, torch.dtype) and dtype.is_floating_point
    hint = "give torch's own, not its name" if isinstance(dtype, str) else ""
    expect(floating, "dtype", str(dtype) if isinstance(dtype, torch.dtype) else dtype, "torch.float32 or float64", hint)
    try:
        torch.device(device)
    except (RuntimeError, TypeError):
        expect(False, "device", device, "a device of PyTorch, as 'cpu'")
