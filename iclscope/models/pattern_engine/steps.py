"""Whole batches of many runs, compiled: outputs, and the hinge loss with its gradients by hand.

With the images of all rows, P = W_Q Dᵀ, R = W_K Dᵀ and V = W_V Dᵀ, a prompt's scores come from T = Pᵀ R, its mixed
column is Dᵀ c with n amounts c (`attention`), and F = a · ReLU(H c) with H = W_O V. Runs are taken one after the other
and their prompts a few at a time, so that a product finds its factors in the cache. Prompts without loss have no
derivative, and take no part in the products backwards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from iclscope.models.compiled.compiling import compiled, inlined
from iclscope.models.compiled.products import add_product, panel_width, turned_product
from iclscope.models.pattern_engine.attention import (
    attend_backward,
    block_of,
    exponentials,
    mix,
    score,
    slopes_of,
)
from iclscope.models.pattern_engine.drawing import draw_numbers, draw_prompt, numbers_of_prompt

# Prompts at a time: as many as a panel has columns, fewer where their columns would not stay in the cache.
_AT_A_TIME, _LEAST_AT_A_TIME, _COLUMNS = 64, 8, 16384
# Uniform numbers drawn in one loop: the longer, the better for vectors, as long as they stay in the first cache.
_NUMBERS = 2048


class Images(NamedTuple):
    """What one run's weights make of all rows, and room for products.

    Attributes:
        queries: P = W_Q Dᵀ.
        keys: R = W_K Dᵀ.
        values: V = W_V Dᵀ.
        neurons: H = W_O V, [m, n].
        scores: T = Pᵀ R, [n, n].
        panels: a factor as a product reads it.
        amounts: amounts of a block's prompts, turned: [n, prompt].
        hidden: H c of a block, [m, prompt].
        output: F of a block, [prompt].
    """

    queries: Any
    keys: Any
    values: Any
    neurons: Any
    scores: Any
    panels: Any
    amounts: Any
    hidden: Any
    output: Any


class Backward(NamedTuple):
    """Room for the way back of one run.

    Attributes:
        with_loss: which prompts of a block have loss.
        slope: ∂loss/∂F of those.
        amounts: their amounts, [prompt, n].
        hidden: ∂loss/∂(H c) of those, [m, prompt].
        u: ∂loss/∂c of those, [n, prompt].
        dH: ∂loss/∂H.
        dT: ∂loss/∂T.
        of_rows: ∂loss/∂P, then ∂loss/∂R.
        of_values: ∂loss/∂V.
    """

    with_loss: Any
    slope: Any
    amounts: Any
    hidden: Any
    u: Any
    dH: Any
    dT: Any
    of_rows: Any
    of_values: Any


@inlined
def _at_a_time(longest: Any) -> Any:
    """Prompts of a block."""
    return max(_LEAST_AT_A_TIME, min(_AT_A_TIME, _COLUMNS // max(longest, 1)))


@compiled
def _images_like(W_Q: Any, W_V: Any, W_O: Any, D: Any, prompts: Any) -> Any:
    """Room for the images of one run and the forward products of so many prompts."""
    n, dtype, v = D.shape[1], D.dtype, W_V.shape[1]
    wide = panel_width(dtype.type(0))
    # Whole panels of n and of v columns.
    columns = max((n + wide - 1) // wide, (v + wide - 1) // wide) * wide
    return Images(
        np.empty((W_Q.shape[1], n), dtype), np.empty((W_Q.shape[1], n), dtype), np.empty((v, n), dtype),
        np.empty((W_O.shape[1], n), dtype), np.empty((n, n), dtype), np.empty(max(n, D.shape[2]) * columns, dtype),
        np.empty((n, prompts), dtype), np.empty((W_O.shape[1], prompts), dtype), np.empty(prompts, dtype),
    )  # fmt: skip


@compiled
def _backward_like(images: Any) -> Any:
    """Room for the way back."""
    m, prompts = images.hidden.shape
    n, dtype = images.scores.shape[0], images.scores.dtype
    return Backward(
        np.empty(prompts, np.int64), np.empty(prompts, dtype), np.empty((prompts, n), dtype),
        np.empty((m, prompts), dtype), np.empty((n, prompts), dtype), np.empty((m, n), dtype),
        np.empty((n, n), dtype), np.empty_like(images.queries), np.empty_like(images.values),
    )  # fmt: skip


@compiled
def _map_rows(W_Q: Any, W_K: Any, W_V: Any, W_O: Any, D: Any, images: Any) -> None:
    """Write the images of one run."""
    turned_product(W_Q, D, images.panels, images.queries)
    turned_product(W_K, D, images.panels, images.keys)
    turned_product(W_V, D, images.panels, images.values)
    add_product(W_O, images.values, 0, images.neurons)
    add_product(images.queries.T, images.keys, 0, images.scores)


@compiled
def _forward(source: Any, run: Any, begin: Any, size: Any, a: Any, images: Any, block: Any) -> None:
    """Answer prompts ``begin`` and following of a run: ``block`` and ``images.output`` are written."""
    labels, owns, irrelevants, kappas, lengths = (
        block.label, block.own, block.irrelevant, block.kappa_query, block.length,
    )  # fmt: skip
    numbers, cell, other, kappa = block.numbers, block.cell, block.other, block.kappa
    each = numbers_of_prompt(source)
    together = numbers.size // each
    for i in range(size):
        if i % together == 0:
            draw_numbers(source.keys[run], (begin + i) * each, min(together, size - i) * each, numbers)
        length, positive, own, k_query, kappa_query = draw_prompt(
            source, run, numbers, i % together * each, i, cell, other, kappa
        )
        labels[i] = 1 if positive else -1
        owns[i], irrelevants[i], kappas[i], lengths[i] = own, source.M1 + k_query, kappa_query, length
    for i in range(size):
        score(images.scores, i, block)
    exponentials(block.weight, size)
    for i in range(size):
        mix(i, block)
    amounts, turned, hidden, output = block.amounts, images.amounts, images.hidden, images.output
    for row in range(turned.shape[0]):
        for i in range(size):
            turned[row, i] = amounts[i, row]
    add_product(images.neurons, turned[:, :size], 0, hidden)
    zero = a.dtype.type(0)
    for i in range(size):
        output[i] = zero
    for j in range(a.size):
        for i in range(size):
            # NaN stays NaN.
            output[i] += (zero if hidden[j, i] <= zero else hidden[j, i]) * a[j]


@compiled
def outputs(source: Any, W_Q: Any, W_K: Any, W_V: Any, W_O: Any, a: Any, D: Any, output: Any, labels: Any) -> None:
    """Answer prompts of every run; all arrays have their numbers one after the other.

    Args:
        source: which prompts.
        W_Q: weights, [run, …], and so the following.
        W_K: keys.
        W_V: values.
        W_O: neurons.
        a: output signs, 0 for a neuron that is pruned.
        D: the rows that columns are made of, [run, n, d].
        output: written: F(Ψ; P), [run, batch].
        labels: written: the query's label z, [run, batch].
    """
    runs, batch = output.shape
    at_a_time = _at_a_time(source.longest)
    images = _images_like(W_Q, W_V, W_O, D, at_a_time)
    block = block_of(at_a_time, source, max(_NUMBERS, numbers_of_prompt(source)), D)
    for run in range(runs):
        _map_rows(W_Q[run], W_K[run], W_V[run], W_O[run], D[run], images)
        for begin in range(0, batch, at_a_time):
            size = min(at_a_time, batch - begin)
            _forward(source, run, begin, size, a[run], images, block)
            for i in range(size):
                output[run, begin + i] = images.output[i]
                labels[run, begin + i] = block.label[i]


@compiled
def _add_slopes(count: Any, size: Any, a: Any, images: Any, block: Any, slopes: Any, back: Any) -> None:
    """Add ∂loss/∂H and ∂loss/∂T of those prompts of a block that have loss."""
    hidden, d_hidden, with_loss, slope = images.hidden, back.hidden, back.with_loss, back.slope
    amounts, own_amounts, u, own_u = block.amounts, back.amounts, back.u, slopes.u
    n, zero = amounts.shape[1], a.dtype.type(0)
    for j in range(a.size):
        if count == size:
            for c in range(count):
                d_hidden[j, c] = zero if hidden[j, c] <= zero else slope[c] * a[j]
        else:
            for c in range(count):
                d_hidden[j, c] = zero if hidden[j, with_loss[c]] <= zero else slope[c] * a[j]
    for c in range(count):
        for row in range(n):
            own_amounts[c, row] = amounts[with_loss[c], row]
    add_product(images.neurons.T, d_hidden[:, :count], 0, u)
    add_product(d_hidden[:, :count], own_amounts[:count], 1, back.dH)
    for c in range(count):
        for row in range(n):
            own_u[row] = u[row, c]
        attend_backward(with_loss[c], block, slopes, back.dT)


@compiled
def _add_weight_slopes(
    W_O: Any, D: Any, images: Any, back: Any, dW_Q: Any, dW_K: Any, dW_V: Any, dW_O: Any
) -> None:  # fmt: skip
    """Write one run's gradients from ∂loss/∂H and ∂loss/∂T."""
    turned_product(images.keys, back.dT, images.panels, back.of_rows)
    add_product(back.of_rows, D, 0, dW_Q)
    add_product(images.queries, back.dT, 0, back.of_rows)
    add_product(back.of_rows, D, 0, dW_K)
    add_product(W_O.T, back.dH, 0, back.of_values)
    add_product(back.of_values, D, 0, dW_V)
    turned_product(back.dH, images.values, images.panels, dW_O)


@compiled
def hinge_step(
    source: Any, batch: Any, W_Q: Any, W_K: Any, W_V: Any, W_O: Any, a: Any, D: Any, losses: Any, dW_Q: Any, dW_K: Any,
    dW_V: Any, dW_O: Any,
) -> None:  # fmt: skip
    """Mean hinge loss of a batch of every run, and its gradients; all arrays have their numbers one after the other.

    Args:
        source: which prompts.
        batch: prompts per run.
        W_Q: weights, [run, …], and so the following.
        W_K: keys.
        W_V: values.
        W_O: neurons.
        a: output signs.
        D: the rows that columns are made of, [run, n, d].
        losses: written, [run].
        dW_Q: written: gradient of ``W_Q``, and so the following.
        dW_K: of the keys.
        dW_V: of the values.
        dW_O: of the neurons.
    """
    at_a_time = _at_a_time(source.longest)
    images = _images_like(W_Q, W_V, W_O, D, at_a_time)
    back, slopes = _backward_like(images), slopes_of(source.M1, source.M2, D)
    block = block_of(at_a_time, source, max(_NUMBERS, numbers_of_prompt(source)), D)
    zero = D.dtype.type(0)
    for run in range(losses.size):
        _map_rows(W_Q[run], W_K[run], W_V[run], W_O[run], D[run], images)
        back.dH[:] = zero
        back.dT[:] = zero
        loss, any_loss = 0.0, False
        for begin in range(0, batch, at_a_time):
            size = min(at_a_time, batch - begin)
            _forward(source, run, begin, size, a[run], images, block)
            count = 0
            for i in range(size):
                short_of_margin = 1 - block.label[i] * images.output[i]
                if short_of_margin <= zero:
                    continue
                loss += short_of_margin
                back.slope[count] = D.dtype.type(-block.label[i] / batch)
                back.with_loss[count] = i
                count += 1
            if count:
                any_loss = True
                _add_slopes(count, size, a[run], images, block, slopes, back)
        losses[run] = loss / batch
        if any_loss:
            _add_weight_slopes(W_O[run], D[run], images, back, dW_Q[run], dW_K[run], dW_V[run], dW_O[run])
        else:
            dW_Q[run], dW_K[run], dW_V[run], dW_O[run] = zero, zero, zero, zero
