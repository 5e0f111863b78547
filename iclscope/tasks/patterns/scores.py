"""How answers about patterns are scored, always both ways: theorems speak of the first, figures show the second."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.tasks.task import Metric

HINGE_RISK = Metric("hinge_risk", "hinge risk")
CLASSIFICATION_ERROR = Metric("classification_error", "classification error", high=1.0, is_rate=True)


def pattern_scores(
    output: Float[Tensor, "run batch"], labels: Float[Tensor, "run batch"]
) -> dict[str, Float[Tensor, "run batch 1"]]:
    """The hinge loss max{0, 1 − z·F}, and whether the sign is wrong: 0 counts half, as a coin would."""
    margin = labels * output
    # The sign of NaN is 0 to PyTorch, which would look like chance.
    wrong = (0.5 * (1 - margin.sign())).masked_fill(output.isnan(), torch.nan)
    return {HINGE_RISK.name: (1 - margin).relu()[..., None], CLASSIFICATION_ERROR.name: wrong[..., None]}
