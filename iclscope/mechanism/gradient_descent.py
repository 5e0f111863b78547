"""How close a trained linear-attention model is to gradient descent (von Oswald et al. 2023, Section 3).

Four measures over test tasks: the distance of the predictions, the cosine similarity and the distance of the
sensitivities ∂ŷ/∂x_query, and the loss of a model halfway between the trained and the constructed weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.gradient_mode import gradients_enabled
from iclscope.models.expected import expect_model_of
from iclscope.models.linear_attention import LinearAttention
from iclscope.tasks.function_classes import FunctionPrompts

Predictor = Callable[[FunctionPrompts], Tensor]
"""Prompts → predictions at the queries [run, batch]."""


class Alignment(NamedTuple):
    """How similar two predictors are; means over prompts.

    Attributes:
        prediction_distance: |ŷ − ŷ'|.
        sensitivity_cosine: cosine similarity of ∂ŷ/∂x_query and ∂ŷ'/∂x_query.
        sensitivity_distance: ‖∂ŷ/∂x_query − ∂ŷ'/∂x_query‖.
    """

    prediction_distance: Float[Tensor, " run"]
    sensitivity_cosine: Float[Tensor, " run"]
    sensitivity_distance: Float[Tensor, " run"]


class Answers(NamedTuple):
    """Predictions and their sensitivities to the query.

    Attributes:
        predictions: ŷ.
        sensitivities: ∂ŷ/∂x_query.
    """

    predictions: Float[Tensor, "run batch"]
    sensitivities: Float[Tensor, "run batch d_X"]


def answers_of(predict: Predictor, prompts: FunctionPrompts) -> Answers:
    """Predictions and sensitivities, by automatic differentiation.

    Args:
        predict: reads each prompt by itself, differentiably.
        prompts: prompts that end in their query.
    """
    with gradients_enabled():
        inputs = prompts.inputs.detach().clone().requires_grad_()
        predictions = predict(replace(prompts, inputs=inputs))
        # A prediction depends on its own prompt only, so the sum's gradient holds every prompt's own.
        (gradient,) = torch.autograd.grad(predictions.sum(), inputs)
    return Answers(predictions.detach(), gradient[:, :, -1])


def alignment(one: Answers, other: Answers) -> Alignment:
    """The first three measures, for two predictors' answers to the same prompts."""
    distance = (one.predictions - other.predictions).abs()
    cosine = torch.cosine_similarity(one.sensitivities, other.sensitivities, dim=2)
    apart = (one.sensitivities - other.sensitivities).norm(dim=2)
    return Alignment(distance.mean(dim=1), cosine.mean(dim=1), apart.mean(dim=1))


def rescaled(model: LinearAttention) -> LinearAttention:
    """The same function with W_KQ divided by β and W_PV times β; β: mean of the diagonal of W_KQ's input block.

    A layer reads the product of the two only, so that two models can be compared once the free factor is fixed. Each
    layer has a β of its own (ours: the paper states it for one layer). Where β is 0 the weights are left alone.
    """
    expect_model_of(LinearAttention, model)
    d_X = model.config.d_X
    beta = model.W_KQ.detach().diagonal(dim1=2, dim2=3)[:, :, :d_X].mean(dim=2)[..., None, None]
    beta = torch.where(beta == 0, torch.ones_like(beta), beta)
    return model.with_weights(model.W_KQ.detach() / beta, model.W_PV.detach() * beta)


def interpolated(model: LinearAttention, constructed: LinearAttention, share: float = 0.5) -> LinearAttention:
    """Rescale both models by their β, then average their weights.

    Args:
        model: trained weights.
        constructed: those of gradient descent.
        share: the share of the constructed weights; 1/2 in the paper.
    """
    expect_model_of(LinearAttention, model)
    expect_model_of(LinearAttention, constructed, "constructed")
    one, other = rescaled(model), rescaled(constructed)
    W_KQ = (1 - share) * one.W_KQ.detach() + share * other.W_KQ.detach()
    W_PV = (1 - share) * one.W_PV.detach() + share * other.W_PV.detach()
    return model.with_weights(W_KQ, W_PV)
