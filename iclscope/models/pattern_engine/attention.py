"""Softmax attention over the columns of one prompt, compiled, and its derivative without a second pass.

Let T[p, r] be the score of dictionary row r for a query that is row p alone. A prompt's query is row j₀ plus κ₀ times
row k₀, so rows score g = T[j₀] + κ₀ T[k₀], and a column (j, k, κ, label s) scores g_j + κ g_k + s g_q. Its softmax
weight w enters everything that follows only through sums over the columns:

    by relevant pattern and label:           Σ w
    by relevant pattern, label, irrelevant:  Σ w κ
    by irrelevant pattern:                   Σ w κ²

A column is e = (1 at j, κ at k, s at q). The first two sums give the amounts c = Σ w e of all rows in the mixed column.
With u = ∂loss/∂c the softmax's derivative is ∂loss/∂g = Σ w e eᵀ u − c (cᵀu), and all entries of Σ w e eᵀ are among
these sums: nothing is kept of the columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from iclscope.models.pattern_engine.compiled import compiled
from iclscope.models.pattern_engine.drawing import draw_prompt


class Block(NamedTuple):
    """Room for some prompts, as many as stay in the cache: their queries, amounts and sums.

    Attributes:
        label: the query's label z, ±1.
        own: the query's relevant row.
        irrelevant: the query's irrelevant row.
        kappa: the query's κ.
        amounts: c, amounts of rows in the mixed column, [prompt, n].
        by_label: Σ w by label (+, −) and relevant pattern, [prompt, 2 M1].
        by_pair: Σ w κ by relevant pattern and label, then irrelevant pattern, [prompt, 2 M1 · M2].
        by_square: Σ w κ² by irrelevant pattern, [prompt, M2].
    """

    label: Any
    own: Any
    irrelevant: Any
    kappa: Any
    amounts: Any
    by_label: Any
    by_pair: Any
    by_square: Any


@compiled
def block_of(size: Any, M1: Any, M2: Any, like: Any) -> Any:
    """Room for ``size`` prompts, in the precision of an array."""
    dtype = like.dtype
    return Block(
        np.empty(size, dtype), np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, dtype),
        np.empty((size, M1 + M2 + 1), dtype), np.empty((size, 2 * M1), dtype), np.empty((size, 2 * M1 * M2), dtype),
        np.empty((size, M2), dtype),
    )  # fmt: skip


@compiled
def attend(
    source: Any, run: Any, number: Any, T: Any, g: Any, columns: Any, block: Any, place: Any, with_sums: Any
) -> None:
    """Draw a prompt, attend, and write its amounts.

    Args:
        source: which prompts.
        run: of which run.
        number: which of its prompts.
        T: the run's scores of rows (last axis) for rows as query, [n, n].
        g: room for scores of rows and of relevant patterns by label, [n + 2 M1].
        columns: room for its context.
        block: where its query, amounts and sums are written.
        place: at which place of the block.
        with_sums: whether the sums that only the derivative needs are wanted too.
    """
    length, positive_label, own, k_query, kappa_query = draw_prompt(source, run, number, columns)
    M1, n = source.M1, T.shape[0]
    cell, other, kappa, weight = columns.cell, columns.other, columns.kappa, columns.weight
    kappa_0 = T.dtype.type(kappa_query)
    block.label[place] = 1 if positive_label else -1
    block.own[place], block.irrelevant[place], block.kappa[place] = own, M1 + k_query, kappa_0
    for row in range(n):
        g[row] = T[own, row] + kappa_0 * T[M1 + k_query, row]
    for j in range(M1):
        g[n + j], g[n + M1 + j] = g[j] + g[n - 1], g[j] - g[n - 1]
    for s in range(length):
        weight[s] = g[n + cell[s]] + kappa[s] * g[M1 + other[s]]
    largest = T.dtype.type(-np.inf)
    for s in range(length):
        largest = max(largest, weight[s])
    total = T.dtype.type(0)
    for s in range(length):
        weight[s] = np.exp(weight[s] - largest)
    for s in range(length):
        total += weight[s]
    inverse = 1 / total if length else total
    c, by_label = block.amounts[place], block.by_label[place]
    c[:] = 0
    by_label[:] = 0
    if with_sums:
        _sum_columns(length, inverse, columns, c, by_label, block.by_pair[place], block.by_square[place], M1)
    else:
        for s in range(length):
            w = weight[s] * inverse
            by_label[cell[s]] += w
            c[M1 + other[s]] += w * kappa[s]
    label = T.dtype.type(0)
    for j in range(M1):
        c[j] = by_label[j] + by_label[M1 + j]
        label += by_label[j] - by_label[M1 + j]
    c[n - 1] = label


@compiled
def _sum_columns(
    length: Any, inverse: Any, columns: Any, c: Any, by_label: Any, by_pair: Any, by_square: Any, M1: Any
) -> None:
    """All sums over a prompt's columns, and the irrelevant patterns' amounts."""
    cell, other, kappa, weight = columns.cell, columns.other, columns.kappa, columns.weight
    by_pair[:] = 0
    by_square[:] = 0
    for s in range(length):
        j, k, w = cell[s], other[s], weight[s] * inverse
        moved = w * kappa[s]
        by_label[j] += w
        by_pair[j * by_square.size + k] += moved
        by_square[k] += moved * kappa[s]
        c[M1 + k] += moved


@compiled
def attend_backward(u: Any, block: Any, place: Any, d: Any, dT: Any) -> None:
    """Add one prompt's ∂loss/∂T.

    Args:
        u: ∂loss/∂c, [n].
        block: what `attend` wrote, with all sums.
        place: at which place.
        d: room for ∂loss/∂g, [n].
        dT: added to, [n, n].
    """
    c, by_label, by_pair, by_square = (
        block.amounts[place], block.by_label[place], block.by_pair[place], block.by_square[place],
    )  # fmt: skip
    n, M1, M2 = u.size, by_label.size // 2, by_square.size
    mean, on_q = u.dtype.type(0), u[n - 1]
    total, label = u.dtype.type(0), u.dtype.type(0)
    for row in range(n):
        mean += u[row] * c[row]
    for k in range(M2):
        d[M1 + k] = by_square[k] * u[M1 + k] - mean * c[M1 + k]
    for j in range(M1):
        plus, minus = by_label[j], by_label[M1 + j]
        here, there = u[j] + on_q, u[j] - on_q
        on_plus, on_minus = u.dtype.type(0), u.dtype.type(0)
        for k in range(M2):
            of_plus, of_minus = by_pair[j * M2 + k], by_pair[(M1 + j) * M2 + k]
            d[M1 + k] += of_plus * here + of_minus * there
            on_plus += of_plus * u[M1 + k]
            on_minus += of_minus * u[M1 + k]
        d[j] = plus * here + minus * there + on_plus + on_minus - mean * c[j]
        total += plus + minus
        label += (plus - minus) * u[j] + on_plus - on_minus
    d[n - 1] = label + total * on_q - mean * c[n - 1]
    own, irrelevant, kappa = block.own[place], block.irrelevant[place], block.kappa[place]
    for row in range(n):
        dT[own, row] += d[row]
        dT[irrelevant, row] += kappa * d[row]
