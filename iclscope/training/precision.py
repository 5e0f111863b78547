"""How precisely a training computes, and what cannot be trained in bfloat16."""

from __future__ import annotations

from typing import Any, Literal

import torch

from iclscope.core.errors import BadRequest, Refusal, require
from iclscope.models.run_model import has_bfloat16_gradients

PrecisionName = Literal["single", "double", "bfloat16"]
BFLOAT16: PrecisionName = "bfloat16"
"""Weights, prompts and sums in float32, but operands of products with a layer's matrices rounded; in training alone."""


def check_precision(precision: PrecisionName, model: type[Any], kind: str) -> None:
    """Refuse a precision in which models of a class are not trained anywhere.

    Args:
        precision: of the training.
        model: the class.
        kind: its name.

    Raises:
        BadRequest: naming the model.
    """
    fits = precision != BFLOAT16 or has_bfloat16_gradients(model)
    require(fits, "precision", precision, f"'single' or 'double' with the model {kind}")


def check_precision_here(precision: PrecisionName, device: torch.device | str) -> None:
    """Refuse a precision in which nothing is trained on a device of this machine.

    Args:
        precision: of the training.
        device: where it would be trained.

    Raises:
        BadRequest: saying what the device lacks.
    """
    if precision != BFLOAT16:
        return
    kind = torch.device(device).type
    require(kind == "cpu", "precision", precision, f"'single' or 'double' on the device {kind}, bfloat16 on a CPU")
    from iclscope.models.compiled.tiles import has_bfloat16  # imports a compiler

    lacking = "'single' or 'double' on this processor, which has no AVX512-BF16"
    require(has_bfloat16(), "precision", precision, lacking)


def no_bfloat16_of(model: object) -> BadRequest:
    """The refusal of a model of which there are no gradients in bfloat16."""
    allowed = "'single' with this model; bfloat16 is of GPT-2 in float32 with nothing changed, hooked or frozen"
    return BadRequest(Refusal("precision", f"{BFLOAT16!r} for a {type(model).__name__}", allowed))
