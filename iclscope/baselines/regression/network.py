"""A two-layer network trained from scratch on each prompt, all prompts at once."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream


def two_layer_network(
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    *,
    width: int = 100,
    steps: int = 1000,
    learning_rate: float = 5e-3,
    batch_size: int = 10,
    seed: int = 0,
) -> Float[Tensor, "*batch"]:
    """Answer with a two-layer ReLU network trained by Adam on each prompt's examples.

    Every prompt has a network of its own, with biases and PyTorch's default initial values. A step minimizes the
    mean squared error of min(k, batch_size) examples, redrawn for every prompt and step. A prompt's network
    depends on ``seed`` and on the prompt's place in the batch, not on the other prompts.
    Baseline of Garg et al. 2022 (arXiv 2208.01066), Section 5.

    Args:
        inputs: each prompt's examples; training runs on their device and in their precision.
        targets: their values.
        query: the input to answer.
        width: hidden units, at least 1.
        steps: steps of Adam, at least 0.
        learning_rate: Adam's, positive; its other settings are PyTorch's.
        batch_size: examples per step, at least 1; all there are if there are fewer.
        seed: where initial values and minibatches come from.

    Returns:
        One answer per prompt; 0 where k = 0.

    Raises:
        BadRequest: if an argument is outside its range.
    """
    for option, value, lowest in (("width", width, 1), ("steps", steps, 0), ("batch_size", batch_size, 1)):
        require(value >= lowest, option, value, f"an integer from {lowest}")
    require_finite([("learning_rate", learning_rate)])
    require(learning_rate > 0, "learning_rate", learning_rate, "a positive number")
    batch = targets.shape[:-1]
    k, d = inputs.shape[-2:]
    prompts = math.prod(batch)
    if k == 0 or prompts == 0:
        return targets.new_zeros(batch)
    draws = RandomStream.from_seeds([seed], "two-layer network, minibatches", inputs.device)
    # The caller may have switched gradients off; copies, because tensors of inference mode cannot enter a gradient.
    with torch.inference_mode(False), torch.enable_grad():
        x, y, queries = (tensor.detach().clone() for tensor in (inputs, targets, query))
        x, y = x.reshape(prompts, k, d), y.reshape(prompts, k)
        parameters = [value.requires_grad_() for value in initial_parameters(seed, prompts, width, x)]
        adam = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
        for step in range(steps):
            chosen = minibatch(draws.at(step), prompts, k, batch_size)
            drawn = x.gather(1, chosen[..., None].expand(-1, -1, d))
            errors = network_outputs(parameters, drawn) - y.gather(1, chosen)
            adam.zero_grad()
            # Summed over prompts, so that a prompt's gradient does not depend on how many there are.
            errors.square().mean(1).sum().backward()  # type: ignore[no-untyped-call]
            adam.step()
        return network_outputs(parameters, queries.reshape(prompts, 1, d)).detach().reshape(batch).to(targets.dtype)


def network_outputs(parameters: list[Tensor], inputs: Float[Tensor, "prompt point d"]) -> Float[Tensor, "prompt point"]:
    """What every prompt's network makes of its inputs.

    Args:
        parameters: as `initial_parameters` gives them.
        inputs: as many points for each prompt.
    """
    first, first_bias, second, second_bias = parameters
    hidden = torch.baddbmm(first_bias, inputs, first).relu()
    return torch.baddbmm(second_bias, hidden, second)[..., 0]


def initial_parameters(seed: int, prompts: int, width: int, like: Float[Tensor, "... d"]) -> list[Tensor]:
    """Initial values as in ``torch.nn.Linear``: uniform on ±1/√n in a layer of n inputs, biases too.

    Args:
        seed: where the numbers come from.
        prompts: how many networks.
        width: hidden units.
        like: a tensor whose last axis is the network's input; says device and precision.

    Returns:
        First weights [prompt, d, width] and biases [prompt, 1, width], second weights [prompt, width, 1] and biases
        [prompt, 1, 1].
    """
    d = like.shape[-1]
    stream = RandomStream.from_seeds([seed], "two-layer network, initial values", like.device)
    shapes = ((d, width, d), (1, width, d), (width, 1, width), (1, 1, width))
    return [
        ((2 * stream.at(part).uniform(prompts, rows, columns)[0] - 1) / math.sqrt(fan_in)).to(like.dtype)
        for part, (rows, columns, fan_in) in enumerate(shapes)
    ]


def minibatch(draws: RandomStream, prompts: int, k: int, batch_size: int) -> Int64[Tensor, "prompt drawn"]:
    """Draw min(k, batch_size) different examples for each prompt.

    Args:
        draws: the stream of one step.
        prompts: how many prompts.
        k: how many examples there are.
        batch_size: how many are wanted.

    Returns:
        Their indices, from 0 to k − 1.
    """
    return draws.uniform(prompts, k)[0].argsort(dim=-1)[:, :batch_size]
