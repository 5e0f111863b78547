"""The same training step of GPT-2 in JAX: one compiled function of weights, Adam's state and a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def jax_step(model: Any, sampler: Any, batch: int) -> Callable[[int], None]:
    """One step after the other on the prompts that the sampler draws, from a model's weights of its first run."""
    weights = {name: jnp.asarray(value[0].numpy()) for name, value in model.state_dict().items()}
    layers, heads = model.config.layers, model.config.heads

    def loss(weights: dict[str, Any], tokens: Any, read_at: Any, labels: Any) -> Any:
        said = jnp.take_along_axis(_read(weights, tokens, layers, heads), read_at, axis=1)
        return jnp.mean((said - labels) ** 2)

    @jax.jit
    def step(state: Any, number: Any, tokens: Any, read_at: Any, labels: Any) -> Any:
        weights, first, second = state
        slopes = jax.grad(loss)(weights, tokens, read_at, labels)
        first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, slopes)
        second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, slopes)
        scale = jnp.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
        moved = jax.tree.map(
            lambda w, m, v: w - RATE * scale * m / (jnp.sqrt(v) + EPSILON), weights, first, second
        )  # fmt: skip
        return moved, first, second

    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = [(weights, zeros, zeros)]

    def take(number: int) -> None:
        prompts = sampler.prompts(batch, purpose="training", step=number)
        tokens = model.tokens_of(prompts)
        given = (tokens.values[0].numpy(), tokens.read_at[0].numpy(), prompts.labels[0].reshape(batch, -1).numpy())
        state[0] = jax.block_until_ready(step(state[0], float(number + 1), *given))

    return take


def _normalised(x: Any, gain: Any, shift: Any) -> Any:
    apart = x - x.mean(-1, keepdims=True)
    return apart / jnp.sqrt((apart**2).mean(-1, keepdims=True) + 1e-5) * gain + shift


def _read(weights: dict[str, Any], tokens: Any, layers: int, heads: int) -> Any:
    """GPT-2 between two linear layers, as transformers defines it: a number at every token."""
    prompts, length, _ = tokens.shape
    part = {name.removeprefix("network."): value for name, value in weights.items()}
    h = tokens @ part["read_in.weight"].T + part["read_in.bias"] + part["backbone.wpe.weight"][:length]
    width = h.shape[-1]
    seen = jnp.tril(jnp.ones((length, length), bool))
    for layer in range(layers):
        at = f"backbone.h.{layer}."
        x = _normalised(h, part[at + "ln_1.weight"], part[at + "ln_1.bias"])
        qkv = (x @ part[at + "attn.c_attn.weight"] + part[at + "attn.c_attn.bias"]).reshape(
            prompts, length, 3, heads, width // heads
        )
        scores = jnp.einsum("bihd,bjhd->bhij", qkv[:, :, 0], qkv[:, :, 1]) / math.sqrt(width // heads)
        attention = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
        mixed = jnp.einsum("bhij,bjhd->bihd", attention, qkv[:, :, 2]).reshape(prompts, length, width)
        h = h + mixed @ part[at + "attn.c_proj.weight"] + part[at + "attn.c_proj.bias"]
        x = _normalised(h, part[at + "ln_2.weight"], part[at + "ln_2.bias"])
        hidden = jax.nn.gelu(x @ part[at + "mlp.c_fc.weight"] + part[at + "mlp.c_fc.bias"], approximate=True)
        h = h + hidden @ part[at + "mlp.c_proj.weight"] + part[at + "mlp.c_proj.bias"]
    h = _normalised(h, part["backbone.ln_f.weight"], part["backbone.ln_f.bias"])
    return (h @ part["read_out.weight"].T + part["read_out.bias"])[..., 0]
