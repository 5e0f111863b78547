"""Li 2024 written out token by token, in float64: slow, plain, and without a line in common with the package.

The formula (Section 2 of the paper):

    F(Ψ; P) = Σ_{i=1..m} a_i · ReLU( W_O(i,·) · Σ_{s=1..l} W_V p_s · attn(Ψ; P, s) )
    attn(Ψ; P, s) = softmax_s( (W_K p_s)ᵀ W_Q p_query )        over the context columns

Every column is projected with W_K and W_V, as the formula says, and every sum is a loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

NAMES = ("W_Q", "W_K", "W_V", "W_O")


class Answer(NamedTuple):
    """What one model says of one prompt; scalars and lists of scalars, differentiable."""

    output: Tensor
    attention: list[Tensor]
    hidden: list[Tensor]


def read_prompt(
    weights: Mapping[str, Tensor], columns: Sequence[Tensor], query: Tensor, exists: Sequence[bool]
) -> Answer:
    """Read one prompt with one model."""
    projected_query = weights["W_Q"] @ query
    scores: dict[int, Tensor] = {}
    for s, column in enumerate(columns):
        if exists[s]:
            scores[s] = torch.dot(weights["W_K"] @ column, projected_query)
    largest = max(float(score.detach()) for score in scores.values())
    total = torch.zeros((), dtype=torch.float64)
    for score in scores.values():
        total = total + torch.exp(score - largest)
    attention = [torch.zeros((), dtype=torch.float64) for _ in columns]
    for s, score in scores.items():
        attention[s] = torch.exp(score - largest) / total

    mixed = torch.zeros(weights["W_V"].shape[0], dtype=torch.float64)
    for s in scores:
        mixed = mixed + attention[s] * (weights["W_V"] @ columns[s])

    output = torch.zeros((), dtype=torch.float64)
    hidden = []
    for i in range(weights["W_O"].shape[0]):
        before = torch.dot(weights["W_O"][i], mixed)
        after = before if float(before.detach()) > 0 else 0 * before
        hidden.append(after)
        output = output + weights["a"][i] * after
    return Answer(output, attention, hidden)


class Batch(NamedTuple):
    """Prompts of every run, written out: [run, prompt, column, d] and so on."""

    columns: Tensor
    query: Tensor
    labels: Tensor
    mask: Tensor | None


def predict(weights: Mapping[str, Tensor], batch: Batch) -> list[list[Answer]]:
    """Every run's answer to each of its prompts."""
    answers = []
    for run in range(batch.columns.shape[0]):
        own = {name: tensor[run] for name, tensor in weights.items()}
        of_run = []
        for prompt in range(batch.columns.shape[1]):
            columns = [batch.columns[run, prompt, s] for s in range(batch.columns.shape[2])]
            exists = [True] * len(columns) if batch.mask is None else batch.mask[run, prompt].tolist()
            of_run.append(read_prompt(own, columns, batch.query[run, prompt], exists))
        answers.append(of_run)
    return answers


def hinge_risk(weights: Mapping[str, Tensor], batch: Batch) -> list[Tensor]:
    """Mean over each run's prompts of max{0, 1 − z·F}."""
    risks = []
    for run, answers in enumerate(predict(weights, batch)):
        risk = torch.zeros((), dtype=torch.float64)
        for prompt, answer in enumerate(answers):
            margin = 1 - batch.labels[run, prompt] * answer.output
            if float(margin.detach()) > 0:
                risk = risk + margin / len(answers)
        risks.append(risk)
    return risks


def gradients(weights: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Gradient of every run's hinge risk with respect to its own W_Q, W_K, W_V and W_O."""
    leaves = {name: weights[name].detach().clone().requires_grad_(name in NAMES) for name in (*NAMES, "a")}
    total = torch.zeros((), dtype=torch.float64)
    for risk in hinge_risk(leaves, batch):
        total = total + risk
    trained = [leaves[name] for name in NAMES]
    return dict(zip(NAMES, torch.autograd.grad(total, trained), strict=True))


def exact_share(alpha: float, length: int) -> int:
    """⌈α'l/2⌉ in exact decimal arithmetic: how many columns of a testing prompt hold the query's pattern."""
    numerator = round(alpha * 10_000) * length
    return math.ceil(numerator / 20_000) if numerator % 20_000 else numerator // 20_000
