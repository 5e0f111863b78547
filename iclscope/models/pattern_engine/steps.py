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
from iclscope.models.pattern_engine.attention import attend, attend_backward, block_of, sum_pairs
from iclscope.models.pattern_engine.drawing import columns_of_length, draw_prompt

# Prompts at a time; measured: 64 and 128 alike, 32 and 256 up to a fifth slower.
_AT_A_TIME = 64


class Images(NamedTuple):
    """What one run's weights make of all rows.

    Attributes:
        queries: P = W_Q Dᵀ.
        keys: R = W_K Dᵀ.
        values: V = W_V Dᵀ.
        neurons: H = W_O V, [m, n].
        scores: T = Pᵀ R, [n, n].
    """

    queries: Any
    keys: Any
    values: Any
    neurons: Any
    scores: Any


@compiled
def _images_like(W_Q: Any, W_V: Any, W_O: Any, D: Any) -> Any:
    """Room for the images of one run."""
    n, dtype = D.shape[1], D.dtype
    return Images(
        np.empty((W_Q.shape[1], n), dtype), np.empty((W_Q.shape[1], n), dtype), np.empty((W_V.shape[1], n), dtype),
        np.empty((W_O.shape[1], n), dtype), np.empty((n, n), dtype),
    )  # fmt: skip


@compiled
def _map_rows(W_Q: Any, W_K: Any, W_V: Any, W_O: Any, D: Any, images: Any) -> None:
    """Write the images of one run."""
    np.dot(W_Q, D.T, images.queries)
    np.dot(W_K, D.T, images.keys)
    np.dot(W_V, D.T, images.values)
    np.dot(W_O, images.values, images.neurons)
    np.dot(images.queries.T, images.keys, images.scores)


@inlined
def _output(hidden: Any, at: Any, a: Any) -> Any:
    """F = a · ReLU(hidden) of one prompt."""
    zero = a.dtype.type(0)
    output = zero
    for i in range(a.size):
        # NaN stays NaN.
        output += (zero if hidden[at, i] <= zero else hidden[at, i]) * a[i]
    return output


@inlined
def _attend_all(
    source: Any, run: Any, begin: Any, size: Any, T: Any, g: Any, columns: Any, block: Any, with_sums: Any
) -> None:
    """Draw prompts ``begin`` and following of a run, and write their queries, amounts and, if wanted, all sums."""
    cell, other, kappa, weight = columns.cell, columns.other, columns.kappa, columns.weight
    u, v, order = columns.relevant_draw, columns.irrelevant_draw, columns.order
    labels, owns, irrelevants, kappas = block.label, block.own, block.irrelevant, block.kappa
    amounts, by_label, by_pair, by_square = block.amounts, block.by_label, block.by_pair, block.by_square
    for i in range(size):
        length, positive, own, k_query, kappa_query = draw_prompt(
            source, run, begin + i, u, v, order, cell, other, kappa
        )
        labels[i] = 1 if positive else -1
        owns[i], irrelevants[i], kappas[i] = own, source.M1 + k_query, kappa_query
        attend(T, own, irrelevants[i], kappas[i], length, cell, other, kappa, weight, g, i, amounts, by_label)
        if with_sums:
            sum_pairs(length, cell, other, kappa, weight, i, by_pair, by_square)


@inlined
def _attention_backward(count: Any, with_loss: Any, u: Any, block: Any, d: Any, dT: Any) -> None:
    """Add ∂loss/∂T of the prompts with loss."""
    owns, irrelevants, kappas = block.own, block.irrelevant, block.kappa
    amounts, by_label, by_pair, by_square = block.amounts, block.by_label, block.by_pair, block.by_square
    for at in range(count):
        i = with_loss[at]
        attend_backward(u, at, owns[i], irrelevants[i], kappas[i], i, amounts, by_label, by_pair, by_square, d, dT)


@compiled
def outputs(source: Any, W_Q: Any, W_K: Any, W_V: Any, W_O: Any, a: Any, D: Any, output: Any, labels: Any) -> None:
    """Answer prompts of every run.

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
    n, m = D.shape[1], W_O.shape[1]
    images = _images_like(W_Q, W_V, W_O, D)
    hidden = np.empty((_AT_A_TIME, m), D.dtype)
    columns, block = columns_of_length(source.longest, D), block_of(_AT_A_TIME, source.M1, source.M2, D)
    g = np.empty(n + 2 * source.M1, D.dtype)
    for run in range(runs):
        _map_rows(W_Q[run], W_K[run], W_V[run], W_O[run], D[run], images)
        signs = a[run]
        for begin in range(0, batch, _AT_A_TIME):
            size = min(_AT_A_TIME, batch - begin)
            _attend_all(source, run, begin, size, images.scores, g, columns, block, False)
            np.dot(block.amounts[:size], images.neurons.T, hidden[:size])
            for i in range(size):
                output[run, begin + i] = _output(hidden, i, signs)
                labels[run, begin + i] = block.label[i]


@compiled
def hinge_step(
    source: Any, batch: Any, W_Q: Any, W_K: Any, W_V: Any, W_O: Any, a: Any, D: Any, losses: Any, dW_Q: Any, dW_K: Any,
    dW_V: Any, dW_O: Any,
) -> None:  # fmt: skip
    """Mean hinge loss of a batch of every run, and its gradients.

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
    n, m = D.shape[1], W_O.shape[1]
    images = _images_like(W_Q, W_V, W_O, D)
    dH, dH_part, dT = np.empty_like(images.neurons), np.empty_like(images.neurons), np.empty_like(images.scores)
    dV, dP = np.empty_like(images.values), np.empty_like(images.queries)
    u, d = np.empty((_AT_A_TIME, n), D.dtype), np.empty(n, D.dtype)
    hidden, d_hidden = np.empty((_AT_A_TIME, m), D.dtype), np.empty((_AT_A_TIME, m), D.dtype)
    with_loss, amounts = np.empty(_AT_A_TIME, np.int64), np.empty((_AT_A_TIME, n), D.dtype)
    columns, block = columns_of_length(source.longest, D), block_of(_AT_A_TIME, source.M1, source.M2, D)
    g = np.empty(n + 2 * source.M1, D.dtype)
    zero = D.dtype.type(0)
    for run in range(losses.size):
        _map_rows(W_Q[run], W_K[run], W_V[run], W_O[run], D[run], images)
        signs = a[run]
        dH[:] = 0
        dT[:] = 0
        loss, any_loss = 0.0, False
        for begin in range(0, batch, _AT_A_TIME):
            size = min(_AT_A_TIME, batch - begin)
            _attend_all(source, run, begin, size, images.scores, g, columns, block, True)
            np.dot(block.amounts[:size], images.neurons.T, hidden[:size])
            count = 0
            for i in range(size):
                short_of_margin = 1 - block.label[i] * _output(hidden, i, signs)
                if short_of_margin <= zero:
                    continue
                loss += short_of_margin
                d_output = D.dtype.type(-block.label[i] / batch)
                for j in range(m):
                    d_hidden[count, j] = zero if hidden[i, j] <= zero else d_output * signs[j]
                for row in range(n):
                    amounts[count, row] = block.amounts[i, row]
                with_loss[count] = i
                count += 1
            if count == 0:
                continue
            any_loss = True
            np.dot(d_hidden[:count], images.neurons, u[:count])
            np.dot(d_hidden[:count].T, amounts[:count], dH_part)
            for j in range(m):
                for row in range(n):
                    dH[j, row] += dH_part[j, row]
            _attention_backward(count, with_loss, u, block, d, dT)
        losses[run] = loss / batch
        if not any_loss:
            dW_Q[run], dW_K[run], dW_V[run], dW_O[run] = zero, zero, zero, zero
            continue
        np.dot(images.keys, dT.T, dP)
        np.dot(dP, D[run], dW_Q[run])
        np.dot(images.queries, dT, dP)
        np.dot(dP, D[run], dW_K[run])
        np.dot(W_O[run].T, dH, dV)
        np.dot(dV, D[run], dW_V[run])
        np.dot(dH, images.values.T, dW_O[run])
