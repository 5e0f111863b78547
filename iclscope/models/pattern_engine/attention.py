"""Softmax attention over the columns of one prompt, compiled, and its derivative without a second pass.

Let T[p, r] be the score of dictionary row r for a query that is row p alone. A prompt's query is row j₀ plus κ₀ times
row k₀, so rows score g = T[j₀] + κ₀ T[k₀], and a column (j, k, κ, label s) scores g_j + κ g_k + s g_q. Its softmax
weight w enters everything that follows only through sums over the columns:

    by relevant pattern and label:           Σ w
    by relevant pattern, label, irrelevant:  Σ w κ
    by irrelevant pattern:                   Σ w κ²

A column is e = (1 at j, κ at k, s at q). The first two sums give the amounts c = Σ w e of all rows in the mixed column.
With u = ∂loss/∂c the softmax's derivative is ∂loss/∂g = Σ w e eᵀ u − c (cᵀu), and all entries of Σ w e eᵀ are among
these sums. Only the columns of a block of prompts are kept, and only until it is done.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from iclscope.models.compiled.compiling import compiled, inlined
from iclscope.models.compiled.exponential import exponential


class Block(NamedTuple):
    """Room for some prompts, as many as stay in the cache: their queries, columns and sums.

    Attributes:
        numbers: uniform numbers of a few of them.
        label: the query's label z, ±1.
        own: the query's relevant row.
        irrelevant: the query's irrelevant row.
        kappa_query: the query's κ.
        length: of the context.
        cell: relevant pattern j and label of each column: j for +, M1 + j for −, [prompt, column].
        other: irrelevant pattern k of each column, from 0.
        kappa: κ of each column.
        weight: scores, then softmax weights; 0 behind the context's end.
        g: scores of rows, and of relevant patterns by label, of one prompt, [n + 2 M1].
        amounts: c, amounts of rows in the mixed column, [prompt, n].
        by_label: Σ w by label (+, −) and relevant pattern, [prompt, 2 M1].
    """

    numbers: Any
    label: Any
    own: Any
    irrelevant: Any
    kappa_query: Any
    length: Any
    cell: Any
    other: Any
    kappa: Any
    weight: Any
    g: Any
    amounts: Any
    by_label: Any


class Slopes(NamedTuple):
    """Room for what only the derivative of one prompt needs.

    Attributes:
        u: ∂loss/∂c, [n].
        d: ∂loss/∂g of rows, [n].
        by_pair: Σ w κ by relevant pattern and label, then irrelevant pattern, [2 M1 · M2].
        by_square: Σ w κ² by irrelevant pattern, [M2].
    """

    u: Any
    d: Any
    by_pair: Any
    by_square: Any


@compiled
def block_of(size: Any, source: Any, numbers: Any, like: Any) -> Any:
    """Room for ``size`` prompts of a source in the precision of an array, and for so many uniform numbers."""
    dtype, M1, longest = like.dtype, source.M1, source.longest
    n = M1 + source.M2 + 1
    return Block(
        np.empty(numbers), np.empty(size, dtype), np.empty(size, np.int64), np.empty(size, np.int64),
        np.empty(size, dtype), np.empty(size, np.int64), np.empty((size, longest), np.int32),
        np.empty((size, longest), np.int32), np.empty((size, longest), dtype), np.empty((size, longest), dtype),
        np.empty(n + 2 * M1, dtype), np.empty((size, n), dtype), np.empty((size, 2 * M1), dtype),
    )  # fmt: skip


@compiled
def slopes_of(M1: Any, M2: Any, like: Any) -> Any:
    """Room for the derivative of a prompt, in the precision of an array."""
    n, dtype = M1 + M2 + 1, like.dtype
    return Slopes(np.empty(n, dtype), np.empty(n, dtype), np.empty(2 * M1 * M2, dtype), np.empty(M2, dtype))


@inlined
def score(T: Any, i: Any, block: Any) -> None:
    """Write the scores of one prompt's columns below the largest one, and −∞ behind them.

    Args:
        T: the run's scores of rows (last axis) for rows as query, [n, n].
        i: which prompt of the block.
        block: its query and columns.
    """
    n, M1 = T.shape[0], block.by_label.shape[1] // 2
    g, cell, other, kappa, weight = block.g, block.cell, block.other, block.kappa, block.weight
    own, irrelevant, kappa_query, length = block.own[i], block.irrelevant[i], block.kappa_query[i], block.length[i]
    least = T.dtype.type(-np.inf)
    for row in range(n):
        g[row] = T[own, row] + kappa_query * T[irrelevant, row]
    for j in range(M1):
        g[n + j], g[n + M1 + j] = g[j] + g[n - 1], g[j] - g[n - 1]
    for s in range(length):
        weight[i, s] = g[n + cell[i, s]] + kappa[i, s] * g[M1 + other[i, s]]
    largest = least
    for s in range(length):
        largest = max(largest, weight[i, s])
    for s in range(length):
        weight[i, s] -= largest
    for s in range(length, weight.shape[1]):
        weight[i, s] = least


@inlined
def exponentials(weight: Any, count: Any) -> None:
    """Replace the scores of the first prompts of a block by their exponentials, in one loop over all of them."""
    flat = weight.reshape(weight.size)
    for s in range(count * weight.shape[1]):
        flat[s] = exponential(flat[s])


@inlined
def mix(i: Any, block: Any) -> None:
    """Divide one prompt's weights by their sum, and write its amounts and its sums by label."""
    cell, other, kappa, weight = block.cell, block.other, block.kappa, block.weight
    amounts, by_label, length = block.amounts, block.by_label, block.length[i]
    n, M1 = amounts.shape[1], by_label.shape[1] // 2
    zero = amounts.dtype.type(0)
    total = zero
    for s in range(length):
        total += weight[i, s]
    inverse = 1 / total if length else zero
    for s in range(length):
        weight[i, s] *= inverse
    for row in range(n):
        amounts[i, row] = zero
    for j in range(2 * M1):
        by_label[i, j] = zero
    for s in range(length):
        by_label[i, cell[i, s]] += weight[i, s]
        amounts[i, M1 + other[i, s]] += weight[i, s] * kappa[i, s]
    label = zero
    for j in range(M1):
        amounts[i, j] = by_label[i, j] + by_label[i, M1 + j]
        label += by_label[i, j] - by_label[i, M1 + j]
    amounts[i, n - 1] = label


@inlined
def attend_backward(i: Any, block: Any, slopes: Any, dT: Any) -> None:
    """Add one prompt's ∂loss/∂T, from its ∂loss/∂c, which stands in ``slopes.u``; the rest of ``slopes`` is room.

    Args:
        i: which prompt of the block.
        block: as `mix` wrote it.
        slopes: see `Slopes`.
        dT: added to, [n, n].
    """
    cell, other, kappa, weight = block.cell, block.other, block.kappa, block.weight
    amounts, by_label = block.amounts, block.by_label
    u, d, by_pair, by_square = slopes.u, slopes.d, slopes.by_pair, slopes.by_square
    n, M1, M2 = u.size, by_label.shape[1] // 2, by_square.size
    zero = u.dtype.type(0)
    for pair in range(by_pair.size):
        by_pair[pair] = zero
    for k in range(M2):
        by_square[k] = zero
    for s in range(block.length[i]):
        moved = weight[i, s] * kappa[i, s]
        by_pair[cell[i, s] * M2 + other[i, s]] += moved
        by_square[other[i, s]] += moved * kappa[i, s]
    mean, on_q = zero, u[n - 1]
    total, label = zero, zero
    for row in range(n):
        mean += u[row] * amounts[i, row]
    for k in range(M2):
        d[M1 + k] = by_square[k] * u[M1 + k] - mean * amounts[i, M1 + k]
    for j in range(M1):
        plus, minus = by_label[i, j], by_label[i, M1 + j]
        here, there = u[j] + on_q, u[j] - on_q
        on_plus, on_minus = zero, zero
        for k in range(M2):
            of_plus, of_minus = by_pair[j * M2 + k], by_pair[(M1 + j) * M2 + k]
            d[M1 + k] += of_plus * here + of_minus * there
            on_plus += of_plus * u[M1 + k]
            on_minus += of_minus * u[M1 + k]
        d[j] = plus * here + minus * there + on_plus + on_minus - mean * amounts[i, j]
        total += plus + minus
        label += (plus - minus) * u[j] + on_plus - on_minus
    d[n - 1] = label + total * on_q - mean * amounts[i, n - 1]
    own, irrelevant, kappa_query = block.own[i], block.irrelevant[i], block.kappa_query[i]
    for row in range(n):
        dT[own, row] += d[row]
        dT[irrelevant, row] += kappa_query * d[row]
