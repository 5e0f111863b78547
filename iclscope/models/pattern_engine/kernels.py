"""The loops over context columns, compiled: sampling, softmax and sums in one pass, and their derivative.

Let T[p, r] be the score of dictionary row r for a query that is row p alone. A prompt's query is row j₀ plus κ₀ times
row k₀, so rows score g = T[j₀] + κ₀ T[k₀], and a column (j, k, κ, label s) scores g_j + κ g_k + s g_q. Its softmax
weight w enters everything that follows only through sums over the columns:

    by relevant pattern and label:           Σ w
    by relevant pattern, label, irrelevant:  Σ w κ
    by irrelevant pattern:                   Σ w κ²

A column is e = (1 at j, κ at k, s at q). The first two sums give the amounts c = Σ w e of all rows in the mixed column.
With u = ∂loss/∂c the softmax's derivative is ∂loss/∂g = Σ w e eᵀ u − c (cᵀu), and all entries of Σ w e eᵀ are among
these sums: no second pass over the columns, and nothing is kept of them.

Numbers come from the streams of `RandomStream`, in the places that `tasks.patterns.sampling.draw` gives them, with
the same operations in double precision: these are the prompts that `PatternSampler` writes out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

# What may be rounded otherwise than written: sums in another order, fused products. Infinities
# and NaN stay what they are.
_RELAXED = {"reassoc", "contract", "arcp", "nsz"}

_GAMMA, _MULTIPLIER_1, _MULTIPLIER_2 = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_SHIFTS = tuple(np.uint64(shift) for shift in (30, 27, 31, 11))
_UNIT_53 = 2.0**-53


def _compiled(function: Function) -> Function:
    """Compile, without the lock of Python; what checks shapes in tests is taken off, for it is not compiled."""
    return cast("Function", numba.njit(nogil=True, cache=True, fastmath=_RELAXED)(inspect.unwrap(function)))


@_compiled
def _uniform(key: Any, counter: Any) -> Any:
    """Number ``counter`` of a stream, from 0: SplitMix64, as in `RandomStream.uniform`."""
    bits = key + (counter + np.uint64(1)) * _GAMMA
    bits = ((bits >> _SHIFTS[0]) ^ bits) * _MULTIPLIER_1
    bits = ((bits >> _SHIFTS[1]) ^ bits) * _MULTIPLIER_2
    bits = (bits >> _SHIFTS[2]) ^ bits
    # As a signed number it converts in one instruction; 53 bits are never negative.
    return np.int64(bits >> _SHIFTS[3]) * _UNIT_53


@_compiled
def attend(
    keys: Any, alpha: Any, K: Any, tasks: Any, task_counts: Any, M1: Any, M2: Any, shortest: Any, longest: Any,
    exact: Any, first: Any, T: Any, queries: Any, query_kappa: Any, labels: Any, c: Any, by_label: Any, by_pair: Any,
    by_square: Any,
) -> None:  # fmt: skip
    """Draw every prompt and sum its columns by pattern, weighted by softmax attention.

    Args:
        keys: where each run's stream starts, uint64 [run].
        alpha: α of each run.
        K: range of κ of each run.
        tasks: each run's tasks (a, b), [run, tasks, 2], padded.
        task_counts: how many are real.
        M1: number of relevant patterns.
        M2: number of irrelevant patterns.
        shortest: the shortest context.
        longest: the longest context.
        exact: whether ⌈αl/2⌉ columns hold the query's pattern at random places, instead of independent columns.
        first: number of the first prompt in the batch.
        T: scores of rows (last axis) for rows as query, [run, n, n], n = M1 + M2 + 1.
        queries: written: the query's relevant and irrelevant row, [run, batch, 2].
        query_kappa: written: the query's κ, [run, batch].
        labels: written: the query's label, [run, batch].
        c: written: amounts of rows in the mixed column, [run, batch, n].
        by_label: written: Σ w by label (+, −) and relevant pattern, [run, batch, 2 M1].
        by_pair: written: Σ w κ by relevant and irrelevant pattern, of both labels, [run, batch, 2 M1, M2].
        by_square: written: Σ w κ² by irrelevant pattern, [run, batch, M2].
    """
    runs, batch, n = c.shape
    places = longest if exact else 0
    numbers = 3 + 2 * longest + places
    cell, other = np.empty(longest, np.int32), np.empty(longest, np.int32)
    kappa, weight = np.empty(longest, c.dtype), np.empty(longest, c.dtype)
    u, v, order = np.empty(longest), np.empty(longest), np.empty(longest)
    g = np.empty(n, c.dtype)
    g_cell = np.empty(2 * M1, c.dtype)
    others = max(M1 - 2, 1)
    for run in range(runs):
        key, level, reach = keys[run], alpha[run], K[run]
        rest = max(1 - level, 1e-300)
        for prompt in range(batch):
            start = np.uint64((first + prompt) * numbers)
            scaled = _uniform(key, start) * task_counts[run]
            pair = int(scaled)
            positive_label = scaled - pair < 0.5
            a, b = tasks[run, pair, 0], tasks[run, pair, 1]
            own, opposite = (a, b) if positive_label else (b, a)
            low, high = min(a, b), max(a, b)
            length = shortest + int(_uniform(key, start + np.uint64(1)) * (longest - shortest + 1))
            scaled = _uniform(key, start + np.uint64(2)) * M2
            k_query = int(scaled)
            kappa_query = c.dtype.type((2 * (scaled - k_query) - 1) * reach)
            labels[run, prompt] = 1 if positive_label else -1
            queries[run, prompt, 0], queries[run, prompt, 1] = own, M1 + k_query
            query_kappa[run, prompt] = kappa_query
            for row in range(n):
                g[row] = T[run, own, row] + kappa_query * T[run, M1 + k_query, row]
            for j in range(M1):
                g_cell[j], g_cell[M1 + j] = g[j] + g[n - 1], g[j] - g[n - 1]

            relevant_at, irrelevant_at = start + np.uint64(3), start + np.uint64(3 + longest)
            for s in range(length):
                u[s] = _uniform(key, relevant_at + np.uint64(s))
            for s in range(length):
                v[s] = _uniform(key, irrelevant_at + np.uint64(s)) * M2
            for s in range(length):
                other[s] = np.int32(v[s])
                kappa[s] = (2 * (v[s] - other[s]) - 1) * reach
            if exact:
                place_at = start + np.uint64(3 + 2 * longest)
                for s in range(length):
                    order[s] = _uniform(key, place_at + np.uint64(s))
                share = int(np.ceil(np.rint(level * length / 2 * 1e9) / 1e9))
                rank = np.argsort(np.argsort(order[:length]))
                for s in range(length):
                    # A task's pattern where the rank says so; the others' number is uniform already.
                    if rank[s] < share:
                        cell[s] = own if positive_label else M1 + own
                    elif rank[s] < 2 * share:
                        cell[s] = M1 + opposite if positive_label else opposite
                    else:
                        scaled = u[s] * others
                        j = int(scaled)
                        coin = scaled - j
                        j += j >= low
                        j += j >= high
                        cell[s] = j if coin < 0.5 else M1 + j
            else:
                for s in range(length):
                    scaled = min(max((u[s] - level) / rest, 0.0), 1 - _UNIT_53) * others
                    j = int(scaled)
                    coin = scaled - j
                    j += j >= low
                    j += j >= high
                    drawn = j if coin < 0.5 else M1 + j
                    cell[s] = a if u[s] < level / 2 else (M1 + b if u[s] < level else drawn)

            largest = c.dtype.type(-np.inf)
            for s in range(length):
                weight[s] = g_cell[cell[s]] + kappa[s] * g[M1 + other[s]]
            for s in range(length):
                largest = max(largest, weight[s])
            _sum_columns(
                weight[:length], largest, cell, other, kappa, c[run, prompt], by_label[run, prompt],
                by_pair[run, prompt], by_square[run, prompt],
            )  # fmt: skip


@_compiled
def _sum_columns(
    weight: Any, largest: Any, cell: Any, other: Any, kappa: Any, c: Any, by_label: Any, by_pair: Any, by_square: Any
) -> None:
    """Softmax of a prompt's scores, in place, and its sums; NaN everywhere if a score is not finite."""
    M1, M2, n = by_label.size // 2, by_square.size, c.size
    by_label[:] = 0
    by_pair[:] = 0
    by_square[:] = 0
    total = c.dtype.type(0)
    for s in range(weight.size):
        weight[s] = np.exp(weight[s] - largest)
    for s in range(weight.size):
        total += weight[s]
    inverse = 1 / total if weight.size else c.dtype.type(0)
    for s in range(weight.size):
        w = weight[s] * inverse
        moved = w * kappa[s]
        by_label[cell[s]] += w
        by_pair[cell[s], other[s]] += moved
        by_square[other[s]] += moved * kappa[s]
    label = c.dtype.type(0)
    for k in range(M2):
        c[M1 + k] = 0
    for j in range(M1):
        c[j] = by_label[j] + by_label[M1 + j]
        label += by_label[j] - by_label[M1 + j]
        for k in range(M2):
            c[M1 + k] += by_pair[j, k] + by_pair[M1 + j, k]
    c[n - 1] = label


@_compiled
def scores_backward(
    u: Any, queries: Any, query_kappa: Any, c: Any, by_label: Any, by_pair: Any, by_square: Any, active: Any, dT: Any
) -> None:
    """Add every prompt's ∂loss/∂T, from u = ∂loss/∂c and the sums of `attend`.

    Args:
        u: ∂loss/∂c, [run, batch, n].
        queries: as `attend` wrote it, and so the following.
        query_kappa: the query's κ.
        c: amounts of rows in the mixed column.
        by_label: Σ w.
        by_pair: Σ w κ.
        by_square: Σ w κ².
        active: which prompts have a derivative at all, [run, batch].
        dT: added to, [run, n, n].
    """
    runs, batch, n = u.shape
    M1, M2 = by_label.shape[2] // 2, by_square.shape[2]
    d = np.empty(n, u.dtype)
    for run in range(runs):
        for prompt in range(batch):
            if not active[run, prompt]:
                continue
            up, amounts = u[run, prompt], c[run, prompt]
            weights, pairs, squares = by_label[run, prompt], by_pair[run, prompt], by_square[run, prompt]
            mean, on_q = u.dtype.type(0), up[n - 1]
            total, label = u.dtype.type(0), u.dtype.type(0)
            for row in range(n):
                mean += up[row] * amounts[row]
            for k in range(M2):
                d[M1 + k] = squares[k] * up[M1 + k] - mean * amounts[M1 + k]
            for j in range(M1):
                plus, minus = weights[j], weights[M1 + j]
                here, there = up[j] + on_q, up[j] - on_q
                on_plus, on_minus = u.dtype.type(0), u.dtype.type(0)
                for k in range(M2):
                    d[M1 + k] += pairs[j, k] * here + pairs[M1 + j, k] * there
                    on_plus += pairs[j, k] * up[M1 + k]
                    on_minus += pairs[M1 + j, k] * up[M1 + k]
                d[j] = plus * here + minus * there + on_plus + on_minus - mean * amounts[j]
                total += plus + minus
                label += (plus - minus) * up[j] + on_plus - on_minus
            d[n - 1] = label + total * on_q - mean * amounts[n - 1]
            own, irrelevant, kappa = queries[run, prompt, 0], queries[run, prompt, 1], query_kappa[run, prompt]
            for row in range(n):
                dT[run, own, row] += d[row]
                dT[run, irrelevant, row] += kappa * d[row]
