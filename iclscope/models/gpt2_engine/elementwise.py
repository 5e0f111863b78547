"""What a layer does number by number, each in one pass: normalisation, GELU, biases, and sums that a neighbour needs.

Rows of the residual stream come without the bias of the product before: the next normalisation adds it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iclscope.models.compiled.compiling import compiled
from iclscope.models.compiled.exponential import exponential

# Of GELU by tanh: 2 √(2/π), and the weight of the cube.
_SLOPE, _CUBIC = 1.5957691216057308, 0.044715


@compiled
def add_to_rows(rows: Any, count: Any, bias: Any) -> None:
    """Add a bias to the first rows of a matrix."""
    for i in range(count):
        for j in range(bias.size):
            rows[i, j] += bias[j]


@compiled
def add_sum_of_rows(rows: Any, count: Any, total: Any) -> None:
    """Add the first rows of a matrix to a vector."""
    for i in range(count):
        for j in range(total.size):
            total[j] += rows[i, j]


@compiled
def normalise(
    h: Any, count: Any, bias: Any, gain: Any, shift: Any, epsilon: Any, scaled: Any, inverse: Any, out: Any
) -> None:
    """Layer norm of the first rows: h ← h + bias, out ← gain · scaled + shift.

    Args:
        h: the residual stream; changed.
        count: how many rows.
        bias: of the product whose result was added to ``h`` last.
        gain: γ.
        shift: β.
        epsilon: added to the variance.
        scaled: written: (h − mean) · inverse.
        inverse: written: 1/√(variance + ε) of each row.
        out: written.
    """
    width, zero = gain.size, gain.dtype.type(0)
    share = gain.dtype.type(1.0 / width)
    one = gain.dtype.type(1)
    for i in range(count):
        total = zero
        for j in range(width):
            moved = h[i, j] + bias[j]
            h[i, j] = moved
            total += moved
        mean = total * share
        total = zero
        for j in range(width):
            apart = h[i, j] - mean
            total += apart * apart
        factor = one / np.sqrt(total * share + epsilon)
        inverse[i] = factor
        for j in range(width):
            apart = (h[i, j] - mean) * factor
            scaled[i, j] = apart
            out[i, j] = apart * gain[j] + shift[j]


@compiled
def normalise_backward(
    d_out: Any, count: Any, scaled: Any, inverse: Any, gain: Any, d_gain: Any, d_shift: Any, d_h: Any, d_bias: Any
) -> None:
    """Backward through `normalise`: adds to ``d_h``, ``d_gain``, ``d_shift`` and ``d_bias``; ``d_out`` is used up."""
    width, zero = gain.size, gain.dtype.type(0)
    share = gain.dtype.type(1.0 / width)
    for i in range(count):
        # Few arrays per loop: the compiler checks whether they overlap, and gives up where there are many.
        for j in range(width):
            d_gain[j] += d_out[i, j] * scaled[i, j]
        for j in range(width):
            d_shift[j] += d_out[i, j]
        total, along = zero, zero
        for j in range(width):
            slope = d_out[i, j] * gain[j]
            total += slope
            along += slope * scaled[i, j]
        total *= share
        along *= share
        factor = inverse[i]
        for j in range(width):
            d_out[i, j] = factor * (d_out[i, j] * gain[j] - total - scaled[i, j] * along)
        for j in range(width):
            moved = d_h[i, j] + d_out[i, j]
            d_h[i, j] = moved
            d_bias[j] += moved


@compiled
def add_bias(h: Any, count: Any, bias: Any, out: Any) -> None:
    """What stands in place of `normalise` where there is no norm: out ← h + bias of the first rows."""
    for i in range(count):
        for j in range(bias.size):
            out[i, j] = h[i, j] + bias[j]


@compiled
def add_bias_backward(d_out: Any, count: Any, d_h: Any, d_bias: Any) -> None:
    """Backward through `add_bias`: adds to ``d_h`` and ``d_bias``."""
    for i in range(count):
        for j in range(d_bias.size):
            moved = d_h[i, j] + d_out[i, j]
            d_h[i, j] = moved
            d_bias[j] += moved


@compiled
def gelu(u: Any, count: Any, bias: Any, out: Any) -> None:
    """GPT-2's GELU (by tanh) of u + bias; ``u`` is replaced by the derivative.

    u Φ(u) ≈ u s with the logistic function s of w = 2 √(2/π) (u + 0.044715 u³).
    """
    kind = bias.dtype
    one, slope, cubic = kind.type(1), kind.type(_SLOPE), kind.type(_CUBIC)
    cubic_slope = kind.type(3 * _CUBIC)
    for i in range(count):
        for j in range(bias.size):
            x = u[i, j] + bias[j]
            square = x * x
            s = one / (one + exponential(-slope * x * (one + cubic * square)))
            value = x * s
            out[i, j] = value
            u[i, j] = s + value * (one - s) * slope * (one + cubic_slope * square)


@compiled
def gelu_alone(u: Any, count: Any, bias: Any, out: Any) -> None:
    """The same without the derivative; ``u`` stays."""
    kind = bias.dtype
    one, slope, cubic = kind.type(1), kind.type(_SLOPE), kind.type(_CUBIC)
    for i in range(count):
        for j in range(bias.size):
            x = u[i, j] + bias[j]
            out[i, j] = x / (one + exponential(-slope * x * (one + cubic * x * x)))


@compiled
def gelu_backward(d_out: Any, count: Any, derivative: Any, d_bias: Any) -> None:
    """Backward through `gelu`: ``d_out`` becomes the gradient of u, and its sum is added to ``d_bias``."""
    for i in range(count):
        for j in range(d_bias.size):
            moved = d_out[i, j] * derivative[i, j]
            d_out[i, j] = moved
            d_bias[j] += moved
