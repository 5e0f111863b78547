"""A batch of one run forward, and backward: blocks of prompts, one layer after the other.

Tokens that no prediction is read from matter to others only up to the last attention; behind it they are left out.
"""

from __future__ import annotations

from typing import Any

from iclscope.models.compiled.compiling import compiled, inlined
from iclscope.models.compiled.products import multiply, pack, panel_width
from iclscope.models.compiled.tiles import size_of
from iclscope.models.gpt2_engine.attention import attend, attend_backward
from iclscope.models.gpt2_engine.elementwise import (
    add_bias,
    add_bias_backward,
    add_sum_of_rows,
    add_to_rows,
    gelu,
    gelu_alone,
    gelu_backward,
    normalise,
    normalise_backward,
)
from iclscope.models.gpt2_engine.matrices import add_slope, by_packed, pack_matrix

# Places of weights, in the order of `layout.NAMES`: three before the layers, twelve of each, four behind, or two where
# no norm comes before the read-out.
_READ_IN, _READ_IN_BIAS, _POSITIONS, _BEFORE, _PER_LAYER = 0, 1, 2, 3, 12
_GAIN, _SHIFT, _QKV, _QKV_BIAS, _PROJECTION, _PROJECTION_BIAS = range(6)
_MLP_GAIN, _MLP_SHIFT, _IN, _IN_BIAS, _OUT, _OUT_BIAS = range(6, 12)
_LAST_GAIN, _LAST_SHIFT = range(2)
_READ_OUT, _READ_OUT_BIAS = range(2)


@compiled
def pack_weights(plan: Any, weights: Any, packed: Any, backward: Any) -> None:
    """Write one run's matrices in panels, for both ways if wanted; stored are [in, out] (the read-in [out, in])."""
    D = plan.width
    pack(weights[plan.starts[_READ_IN] :], 1, plan.inputs, plan.inputs, D, packed.read_in)
    for layer in range(plan.layers):
        first = _BEFORE + _PER_LAYER * layer
        for which in range(4):
            name = _QKV if which == 0 else (_PROJECTION if which == 1 else (_IN if which == 2 else _OUT))
            k, n = (4 * D if which == 3 else D), (3 * D if which == 0 else (4 * D if which == 2 else D))
            source = weights[plan.starts[first + name] :]
            pack_matrix(source, n, 1, k, n, packed.layers[plan.places[layer, which] :])
            if backward:
                pack_matrix(source, 1, n, n, k, packed.layers[plan.places[layer, 4 + which] :])


@inlined
def _forward(plan: Any, weights: Any, packed: Any, room: Any, values: Any, read: Any, keeps: Any) -> None:
    """Read one block of prompts; ``room.output`` is written."""
    D = plan.width
    prompts, tokens = values.shape[0], values.shape[1]
    reads, M = read.shape[1], prompts * tokens
    R = prompts * reads
    h = room.h
    epsilon = weights.dtype.type(plan.epsilon)
    positions = weights[plan.starts[_POSITIONS] : plan.starts[_POSITIONS] + tokens * D].reshape(tokens, D)
    for i in range(M):
        for j in range(D):
            h[i, j] = positions[i % tokens, j]
    for b in range(prompts):
        for r in range(reads):
            room.rows[b * reads + r] = b * tokens + read[b, r]
    like = weights[0]
    wide = panel_width(like)
    multiply(M, D, plan.inputs, values.ctypes.data, plan.inputs, 1, packed.read_in.ctypes.data, wide,
             plan.inputs * wide, 1, h.ctypes.data, D, like)  # fmt: skip
    bias = weights[plan.starts[_READ_IN_BIAS] : plan.starts[_READ_IN_BIAS] + D]
    for layer in range(plan.layers):
        slot = layer if keeps else 0
        at = plan.starts[_BEFORE + _PER_LAYER * layer :]
        gain, shift = weights[at[_GAIN] : at[_GAIN] + D], weights[at[_SHIFT] : at[_SHIFT] + D]
        normalise(h, M, bias, gain, shift, epsilon, room.scaled[2 * slot], room.inverse[2 * slot],
                  room.before_attention[slot])  # fmt: skip
        qkv = room.qkv[slot]
        by_packed(room.before_attention[slot], M, D, 3 * D, packed.layers, plan.places[layer, 0], 0, qkv, room.left)
        add_to_rows(qkv, M, weights[at[_QKV_BIAS] : at[_QKV_BIAS] + 3 * D])
        attend(qkv, prompts, tokens, room.turned, room.attention[slot], room.mixed[slot])
        rows, mixed = M, room.mixed[slot]
        if layer == plan.layers - 1:
            rows, mixed, h = R, room.mixed_read, room.h_read
            for r in range(R):
                for j in range(D):
                    mixed[r, j] = room.mixed[slot][room.rows[r], j]
                for j in range(D):
                    h[r, j] = room.h[room.rows[r], j]
        by_packed(mixed, rows, D, D, packed.layers, plan.places[layer, 1], 1, h, room.left)
        bias = weights[at[_PROJECTION_BIAS] : at[_PROJECTION_BIAS] + D]
        gain, shift = weights[at[_MLP_GAIN] : at[_MLP_GAIN] + D], weights[at[_MLP_SHIFT] : at[_MLP_SHIFT] + D]
        normalise(h, rows, bias, gain, shift, epsilon, room.scaled[2 * slot + 1], room.inverse[2 * slot + 1],
                  room.before_mlp[slot])  # fmt: skip
        u = room.derivative[slot]
        by_packed(room.before_mlp[slot], rows, D, 4 * D, packed.layers, plan.places[layer, 2], 0, u, room.left)
        in_bias = weights[at[_IN_BIAS] : at[_IN_BIAS] + 4 * D]
        if keeps:
            gelu(u, rows, in_bias, room.hidden[slot])
        else:
            gelu_alone(u, rows, in_bias, room.hidden[slot])
        by_packed(room.hidden[slot], rows, 4 * D, D, packed.layers, plan.places[layer, 3], 1, h, room.left)
        bias = weights[at[_OUT_BIAS] : at[_OUT_BIAS] + D]
    behind = _BEFORE + _PER_LAYER * plan.layers
    if plan.final_norm:
        last = room.scaled.shape[0] - 1
        at = plan.starts[behind:]
        gain, shift = weights[at[_LAST_GAIN] : at[_LAST_GAIN] + D], weights[at[_LAST_SHIFT] : at[_LAST_SHIFT] + D]
        normalise(h, R, bias, gain, shift, epsilon, room.scaled[last], room.inverse[last], room.top)
    else:
        add_bias(h, R, bias, room.top)
    at = plan.starts[behind + (2 if plan.final_norm else 0) :]
    for r in range(R):
        said = weights[at[_READ_OUT_BIAS]]
        for j in range(D):
            said += room.top[r, j] * weights[at[_READ_OUT] + j]
        room.output[r] = said


@inlined
def _backward(plan: Any, weights: Any, packed: Any, room: Any, values: Any, count: Any, slopes: Any) -> None:
    """Add the gradients of one block, from those of its outputs, which stand in ``room.output``; count: R."""
    D, like = plan.width, weights[0]
    zero = weights.dtype.type(0)
    prompts, tokens = values.shape[0], values.shape[1]
    M, R = prompts * tokens, count
    behind = _BEFORE + _PER_LAYER * plan.layers
    at = plan.starts[behind + (2 if plan.final_norm else 0) :]
    d_h, d_read, d_narrow = room.d_h, room.d_read, room.d_narrow
    out = weights[at[_READ_OUT] : at[_READ_OUT] + D]
    d_out = slopes[at[_READ_OUT] : at[_READ_OUT] + D]
    for r in range(R):
        slope = room.output[r]
        slopes[at[_READ_OUT_BIAS]] += slope
        for j in range(D):
            d_out[j] += slope * room.top[r, j]
        for j in range(D):
            d_narrow[r, j] = slope * out[j]
        for j in range(D):
            d_read[r, j] = zero
    below = plan.starts[_BEFORE + _PER_LAYER * (plan.layers - 1) + _OUT_BIAS]
    if plan.final_norm:
        last = room.scaled.shape[0] - 1
        at = plan.starts[behind:]
        normalise_backward(
            d_narrow, R, room.scaled[last], room.inverse[last], weights[at[_LAST_GAIN] : at[_LAST_GAIN] + D],
            slopes[at[_LAST_GAIN] : at[_LAST_GAIN] + D], slopes[at[_LAST_SHIFT] : at[_LAST_SHIFT] + D], d_read,
            slopes[below : below + D],
        )  # fmt: skip
    else:
        add_bias_backward(d_narrow, R, d_read, slopes[below : below + D])
    for back in range(plan.layers):
        layer = plan.layers - 1 - back
        at = plan.starts[_BEFORE + _PER_LAYER * layer :]
        rows, d_stream, mixed = (R, d_read, room.mixed_read) if back == 0 else (M, d_h, room.mixed[layer])
        add_slope(room.hidden[layer], d_stream, rows, 4 * D, D, room.left, room.panels, slopes, at[_OUT])
        by_packed(d_stream, rows, D, 4 * D, packed.layers, plan.places[layer, 7], 0, room.d_wide, room.left)
        gelu_backward(room.d_wide, rows, room.derivative[layer], slopes[at[_IN_BIAS] : at[_IN_BIAS] + 4 * D])
        add_slope(room.before_mlp[layer], room.d_wide, rows, D, 4 * D, room.left, room.panels, slopes, at[_IN])
        by_packed(room.d_wide, rows, 4 * D, D, packed.layers, plan.places[layer, 6], 0, d_narrow, room.left)
        normalise_backward(
            d_narrow, rows, room.scaled[2 * layer + 1], room.inverse[2 * layer + 1],
            weights[at[_MLP_GAIN] : at[_MLP_GAIN] + D], slopes[at[_MLP_GAIN] : at[_MLP_GAIN] + D],
            slopes[at[_MLP_SHIFT] : at[_MLP_SHIFT] + D], d_stream,
            slopes[at[_PROJECTION_BIAS] : at[_PROJECTION_BIAS] + D],
        )  # fmt: skip
        add_slope(mixed, d_stream, rows, D, D, room.left, room.panels, slopes, at[_PROJECTION])
        d_mixed = d_narrow
        if back == 0:
            d_mixed = room.mixed[layer]  # not needed any more
            by_packed(d_read, R, D, D, packed.layers, plan.places[layer, 5], 0, d_narrow, room.left)
            for i in range(M):
                for j in range(D):
                    d_mixed[i, j] = zero
                for j in range(D):
                    d_h[i, j] = zero
            for r in range(R):
                for j in range(D):
                    d_mixed[room.rows[r], j] += d_narrow[r, j]
                for j in range(D):
                    d_h[room.rows[r], j] += d_read[r, j]
        else:
            by_packed(d_h, M, D, D, packed.layers, plan.places[layer, 5], 0, d_mixed, room.left)
        attend_backward(d_mixed, room.qkv[layer], room.attention[layer], prompts, tokens, room.turned,
                        room.slopes, room.d_qkv)  # fmt: skip
        add_sum_of_rows(room.d_qkv, M, slopes[at[_QKV_BIAS] : at[_QKV_BIAS] + 3 * D])
        add_slope(room.before_attention[layer], room.d_qkv, M, D, 3 * D, room.left, room.panels, slopes, at[_QKV])
        by_packed(room.d_qkv, M, 3 * D, D, packed.layers, plan.places[layer, 4], 0, d_narrow, room.left)
        below = (
            plan.starts[_READ_IN_BIAS] if layer == 0 else plan.starts[_BEFORE + _PER_LAYER * (layer - 1) + _OUT_BIAS]
        )
        normalise_backward(
            d_narrow, M, room.scaled[2 * layer], room.inverse[2 * layer], weights[at[_GAIN] : at[_GAIN] + D],
            slopes[at[_GAIN] : at[_GAIN] + D], slopes[at[_SHIFT] : at[_SHIFT] + D], d_h, slopes[below : below + D],
        )  # fmt: skip
    # Stored as [out, in]: D rows.
    multiply(D, plan.inputs, M, d_h.ctypes.data, 1, D, values.ctypes.data, plan.inputs, panel_width(like), 1,
             slopes.ctypes.data + size_of(like) * plan.starts[_READ_IN], plan.inputs, like)  # fmt: skip
    positions = slopes[plan.starts[_POSITIONS] : plan.starts[_POSITIONS] + tokens * D].reshape(tokens, D)
    for i in range(M):
        for j in range(D):
            positions[i % tokens, j] += d_h[i, j]


@compiled
def outputs(
    plan: Any,
    weights: Any,
    packed: Any,
    room: Any,
    values: Any,
    read: Any,
    at_once: Any,
    said: Any,
) -> None:
    """Predictions of one run.

    Args:
        plan: sizes and places of the model's weights.
        weights: of the run, flat.
        packed: as `pack_weights` wrote them.
        room: for ``at_once`` prompts.
        values: tokens, [prompt, token, width].
        read: where predictions are read, [prompt, read].
        at_once: prompts in a block.
        said: written, [prompt, read].
    """
    reads = read.shape[1]
    for begin in range(0, values.shape[0], at_once):
        end = min(values.shape[0], begin + at_once)
        _forward(plan, weights, packed, room, values[begin:end], read[begin:end], False)
        for b in range(begin, end):
            for r in range(reads):
                said[b, r] = room.output[(b - begin) * reads + r]


@compiled
def loss_and_gradients(
    plan: Any, weights: Any, packed: Any, room: Any, values: Any, read: Any, at_once: Any, labels: Any,
    shares: Any, hinge: Any, slopes: Any,
) -> Any:  # fmt: skip
    """Some prompts' part of a run's loss, and its gradients; the arguments are those of `outputs`, and these.

    Args:
        plan: see there, and so on.
        weights: see there.
        packed: for the way back too.
        room: likewise.
        values: see there.
        read: see there.
        at_once: see there.
        labels: what should have been said, [prompt, read].
        shares: of each prediction of a prompt in the loss, [prompt].
        hinge: max{0, 1 − label · output}; else (output − label)².
        slopes: written: the gradients, where ``weights`` has its weights.
    """
    zero, one, two = weights.dtype.type(0), weights.dtype.type(1), weights.dtype.type(2)
    slopes[:] = zero
    reads, loss = read.shape[1], 0.0
    for begin in range(0, values.shape[0], at_once):
        end = min(values.shape[0], begin + at_once)
        _forward(plan, weights, packed, room, values[begin:end], read[begin:end], True)
        for b in range(begin, end):
            for r in range(reads):
                said, label, share = room.output[(b - begin) * reads + r], labels[b, r], shares[b]
                if hinge:
                    short = one - label * said
                    met = short <= zero  # NaN is not
                    part, slope = (zero, zero) if met else (short, -label)
                else:
                    short = said - label
                    part, slope = short * short, two * short
                loss += share * part
                room.output[(b - begin) * reads + r] = share * slope
        _backward(plan, weights, packed, room, values[begin:end], (end - begin) * reads, slopes)
    return loss
