"""Hinge risk and classification error, always both: the theorems are about the first, the figures show the second."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.tasks.prompts import EVALUATION_PURPOSE as EVALUATION_PURPOSE  # of all that is tested
from iclscope.training.losses import hinge_loss


class Risks(NamedTuple):
    """How wrong each run is.

    Attributes:
        hinge_risk: mean of max{0, 1 − z·F}.
        classification_error: share of prompts with sign F ≠ z; F = 0 counts half, as a coin would.
    """

    hinge_risk: Float[Tensor, " run"]
    classification_error: Float[Tensor, " run"]


def risks_of(output: Float[Tensor, "run batch"], labels: Float[Tensor, "run batch"]) -> Risks:
    """Both risks of given outputs."""
    hinge = hinge_loss(output, labels).double().mean(dim=1)
    # The sign of NaN is 0 to PyTorch, which would look like chance.
    error = (0.5 * (1 - torch.sign(output * labels))).masked_fill(output.isnan(), torch.nan).double().mean(dim=1)
    return Risks(hinge, error)
