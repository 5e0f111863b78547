"""Training one model the way people write it: every column projected, autograd, one run at a time, dense prompts."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

import iclscope as icl

BATCH = 256
Step = Callable[[int], object]


def plain_step(task: icl.tasks.PatternClassification, width: int) -> Callable[[int], float]:
    """One step of one model, written without any of the library's ideas; it returns the batch's mean hinge loss."""
    d, M1, M2 = task.d, task.M1, task.M2
    patterns = torch.linalg.qr(torch.randn(task.d_X, M1 + M2)).Q.T * task.beta
    q = torch.randn(task.d_Y)
    q = q / q.norm() * task.q_norm
    W_Q, W_K = torch.zeros(d, d), torch.zeros(d, d)
    for i in range(task.d_X):
        W_Q[i, i] = W_K[i, i] = 0.175
    W_V, W_O = 0.175 * torch.eye(d), 0.02 * torch.randn(width, d)
    a = torch.where(torch.rand(width) < 0.5, 1.0, -1.0) / width**0.5
    weights = [weight.requires_grad_() for weight in (W_Q, W_K, W_V, W_O)]
    optimizer = torch.optim.SGD(weights, lr=1.0)
    length = task.length_range[1]

    def step(_number: int) -> float:
        first = torch.randint(M1, (BATCH,))
        second = (first + 1) % M1
        z = torch.where(torch.rand(BATCH) < 0.5, 1.0, -1.0)
        u = torch.rand(BATCH, length)
        other = torch.randint(M1 - 2, (BATCH, length))
        other = other + (other >= torch.minimum(first, second)[:, None])
        other = other + (other >= torch.maximum(first, second)[:, None])
        pattern = torch.where(u < 0.4, first[:, None], torch.where(u < 0.8, second[:, None], other))
        sign = torch.where(u < 0.4, 1.0, torch.where(u < 0.8, -1.0, torch.where(torch.rand(u.shape) < 0.5, 1.0, -1.0)))
        kappa = torch.rand(BATCH, length, 1) - 0.5
        x = patterns[pattern] + kappa * patterns[M1 + torch.randint(M2, (BATCH, length))]
        context = torch.cat([x, sign[..., None] * q], dim=2)
        query = patterns[torch.where(z > 0, first, second)]
        query = query + (torch.rand(BATCH, 1) - 0.5) * patterns[M1 + torch.randint(M2, (BATCH,))]
        query = torch.cat([query, torch.zeros(BATCH, task.d_Y)], dim=1)
        scores = ((context @ W_K.T) @ (query @ W_Q.T)[..., None])[..., 0]
        mixed = (scores.softmax(dim=1)[..., None] * (context @ W_V.T)).sum(dim=1)
        output = torch.relu(mixed @ W_O.T) @ a
        loss = (1 - z * output).clamp_min(0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def seconds(step: Step, count: int) -> float:
    """Mean time of a step."""
    started = time.perf_counter()
    for number in range(count):
        step(number)
    return (time.perf_counter() - started) / count
