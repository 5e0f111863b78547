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

from iclscope.models.compiled.compiling import compiled, inlined


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


@inlined
def attend(
    T: Any, own: Any, irrelevant: Any, kappa_query: Any, length: Any, cell: Any, other: Any, kappa: Any, weight: Any,
    g: Any, place: Any, amounts: Any, by_label: Any,
) -> None:  # fmt: skip
    """Attend from one prompt's query to its columns, and write its amounts.

    Args:
        T: the run's scores of rows (last axis) for rows as query, [n, n].
        own: the query's relevant row.
        irrelevant: the query's irrelevant row.
        kappa_query: the query's κ.
        length: how many columns there are.
        cell: their relevant patterns and labels, as in `Columns`.
        other: their irrelevant patterns.
        kappa: their κ.
        weight: written: their softmax weights.
        g: room for scores of rows and of relevant patterns by label, [n + 2 M1].
        place: where in the block the prompt stands.
        amounts: written there, as in `Block`.
        by_label: written there.
    """
    n, M1 = T.shape[0], by_label.shape[1] // 2
    zero = T.dtype.type(0)
    for row in range(n):
        g[row] = T[own, row] + kappa_query * T[irrelevant, row]
    for j in range(M1):
        g[n + j], g[n + M1 + j] = g[j] + g[n - 1], g[j] - g[n - 1]
    for s in range(length):
        weight[s] = g[n + cell[s]] + kappa[s] * g[M1 + other[s]]
    largest = T.dtype.type(-np.inf)
    for s in range(length):
        largest = max(largest, weight[s])
    total = zero
    for s in range(length):
        weight[s] = np.exp(weight[s] - largest)
    for s in range(length):
        total += weight[s]
    inverse = 1 / total if length else zero
    for s in range(length):
        weight[s] *= inverse
    for row in range(n):
        amounts[place, row] = zero
    for j in range(2 * M1):
        by_label[place, j] = zero
    for s in range(length):
        by_label[place, cell[s]] += weight[s]
        amounts[place, M1 + other[s]] += weight[s] * kappa[s]
    label = zero
    for j in range(M1):
        amounts[place, j] = by_label[place, j] + by_label[place, M1 + j]
        label += by_label[place, j] - by_label[place, M1 + j]
    amounts[place, n - 1] = label


@inlined
def sum_pairs(
    length: Any, cell: Any, other: Any, kappa: Any, weight: Any, place: Any, by_pair: Any, by_square: Any
) -> None:
    """Write the sums that only the derivative needs; the arguments are those of `attend`, and of `Block`."""
    M2 = by_square.shape[1]
    for pair in range(by_pair.shape[1]):
        by_pair[place, pair] = 0
    for k in range(M2):
        by_square[place, k] = 0
    for s in range(length):
        moved = weight[s] * kappa[s]
        by_pair[place, cell[s] * M2 + other[s]] += moved
        by_square[place, other[s]] += moved * kappa[s]


@inlined
def attend_backward(
    u: Any, at: Any, own: Any, irrelevant: Any, kappa_query: Any, place: Any, amounts: Any, by_label: Any, by_pair: Any,
    by_square: Any, d: Any, dT: Any,
) -> None:  # fmt: skip
    """Add one prompt's ∂loss/∂T.

    Args:
        u: ∂loss/∂c of prompts with loss, [prompt, n].
        at: which of them this is.
        own: the query's relevant row.
        irrelevant: the query's irrelevant row.
        kappa_query: the query's κ.
        place: where in the block the prompt stands.
        amounts: as `attend` wrote them.
        by_label: likewise.
        by_pair: as `sum_pairs` wrote them.
        by_square: likewise.
        d: room for ∂loss/∂g, [n].
        dT: added to, [n, n].
    """
    n, M1, M2 = u.shape[1], by_label.shape[1] // 2, by_square.shape[1]
    zero = u.dtype.type(0)
    mean, on_q = zero, u[at, n - 1]
    total, label = zero, zero
    for row in range(n):
        mean += u[at, row] * amounts[place, row]
    for k in range(M2):
        d[M1 + k] = by_square[place, k] * u[at, M1 + k] - mean * amounts[place, M1 + k]
    for j in range(M1):
        plus, minus = by_label[place, j], by_label[place, M1 + j]
        here, there = u[at, j] + on_q, u[at, j] - on_q
        on_plus, on_minus = zero, zero
        for k in range(M2):
            of_plus, of_minus = by_pair[place, j * M2 + k], by_pair[place, (M1 + j) * M2 + k]
            d[M1 + k] += of_plus * here + of_minus * there
            on_plus += of_plus * u[at, M1 + k]
            on_minus += of_minus * u[at, M1 + k]
        d[j] = plus * here + minus * there + on_plus + on_minus - mean * amounts[place, j]
        total += plus + minus
        label += (plus - minus) * u[at, j] + on_plus - on_minus
    d[n - 1] = label + total * on_q - mean * amounts[place, n - 1]
    for row in range(n):
        dT[own, row] += d[row]
        dT[irrelevant, row] += kappa_query * d[row]
