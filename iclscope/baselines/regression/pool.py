"""Fits by libraries that take one data set at a time, shared out among processes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from joblib import Parallel, delayed
from numpy.typing import NDArray
from torch import Tensor

from iclscope.core.errors import require

Array = NDArray[np.float64]
Fit = Callable[[Array, Array, Array], Array]
"""From inputs [prompt, k, d], targets [prompt, k] and queries [prompt, d] to answers [answer, prompt]."""

_PROMPTS_PER_JOB = 64


def fit_each_prompt(
    fit: Fit,
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    *,
    answers: int,
    processes: int,
) -> Float[Tensor, "answers *batch"]:  # noqa: F821 (a shape)
    """Fit on each prompt's examples and answer its query, on the CPU and in float64.

    Args:
        fit: fits and answers some prompts; a function that other processes can import.
        inputs: each prompt's examples.
        targets: their values.
        query: the input to answer.
        answers: how many answers ``fit`` gives per prompt.
        processes: how many to fit in at a time, at least 1. Starting them takes seconds, which pays for thousands of
            prompts; a few dozen are always fitted in this process.

    Returns:
        The answers, on the targets' device and in their precision; 0 where k = 0.

    Raises:
        BadRequest: if ``processes`` is below 1.
    """
    require(processes >= 1, "processes", processes, "an integer from 1")
    batch = targets.shape[:-1]
    k, d = inputs.shape[-2:]
    prompts = math.prod(batch)
    if k == 0 or prompts == 0:
        return targets.new_zeros(answers, *batch)
    # Copies, so that no library can write into the caller's tensors.
    x, y, queries = (
        tensor.detach().to("cpu", torch.float64, copy=True).reshape(shape).numpy()
        for tensor, shape in ((inputs, (prompts, k, d)), (targets, (prompts, k)), (query, (prompts, d)))
    )
    parts = [slice(start, start + _PROMPTS_PER_JOB) for start in range(0, prompts, _PROMPTS_PER_JOB)]
    # No memory maps (max_nbytes): they are read-only, and a part is small enough to send.
    pool = Parallel(n_jobs=min(processes, len(parts)), max_nbytes=None)
    found = pool(delayed(fit)(x[part], y[part], queries[part]) for part in parts)
    joined = torch.from_numpy(np.concatenate(found, axis=1)).to(targets)
    return joined.reshape(answers, *batch)
