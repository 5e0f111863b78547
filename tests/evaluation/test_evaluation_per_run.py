"""A result gives each run's mean by one call, whatever its task is judged by."""

from __future__ import annotations

import pytest
import torch

import iclscope as icl
from iclscope.core.errors import BadRequest


def test_squared_errors_and_risks_are_read_alike() -> None:
    patterns = icl.tasks.PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
    one_layer = icl.models.SoftmaxReLUTransformer(seeds=2, d_X=5, d_Y=2, width=4)
    risks = icl.evaluate(one_layer, patterns, prompts=8)
    assert risks.per_run().shape == (2, 1)
    assert torch.equal(risks.per_run(), risks.mean("hinge_risk"))
    assert torch.equal(risks.per_run("classification_error"), risks.values["classification_error"].double().mean(dim=1))
    with pytest.raises(BadRequest, match=r"^metric: expected one of hinge_risk, classification_error, got 'error'$"):
        risks.per_run("error")


def test_of_squared_errors_it_is_the_mean() -> None:
    task = icl.tasks.LinearRegression(d_X=2, length=4)
    errors = icl.evaluate(icl.models.LinearAttention(d_X=2, seeds=3), task, prompts=8)
    assert torch.equal(errors.per_run(), errors.mean)
    assert torch.equal(errors.per_run("squared_error"), errors.values["squared_error"].double().mean(dim=1))
