"""GPT-2 as an in-context learner, the slow way: prompts token by token, one run at a time, on transformers' own model.

Nothing here is taken from the package: tokens are lists made by a loop, the backbone is transformers' `GPT2Model` with
its default activation, the read-in and the read-out are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import transformers
from torch import Tensor


class Tokens(NamedTuple):
    """One prompt as a list of tokens, and at which of them a prediction is read."""

    vectors: list[list[float]]
    read_at: list[int]


def columns(inputs: list[list[float]], answers: list[list[float]], query: int) -> Tokens:
    """[x; y] per point, zeros for y at the query."""
    vectors = []
    for point, (x, y) in enumerate(zip(inputs, answers, strict=True)):
        vectors.append([*x, *([0.0] * len(y) if point == query else y)])
    return Tokens(vectors, [query])


def alternating(inputs: list[list[float]], answers: list[list[float]], query: int | None) -> Tokens:
    """x_1, y_1, x_2, …, x_n, the shorter of the two padded with zeros; None: every x is a query."""
    width = max(len(inputs[0]), len(answers[0]))
    vectors, read_at = [], []
    for point, (x, y) in enumerate(zip(inputs, answers, strict=True)):
        if query is None or point == query:
            read_at.append(len(vectors))
        vectors.append([*x, *[0.0] * (width - len(x))])
        if point + 1 < len(inputs):
            vectors.append([*y, *[0.0] * (width - len(y))])
    return Tokens(vectors, read_at)


class Answer(NamedTuple):
    """What the model says of one prompt: a number at every token, and what happened inside."""

    output: Tensor
    attention: Tensor
    hidden: Tensor


class PlainGPT2:
    """One run, on transformers' own model at its defaults."""

    def __init__(self, weights: Mapping[str, Tensor], run: int, heads: int) -> None:
        own = {name: tensor[run].detach().clone() for name, tensor in weights.items()}
        self.read_in = own["network.read_in.weight"], own["network.read_in.bias"]
        self.read_out = own["network.read_out.weight"], own["network.read_out.bias"]
        backbone = {name.split(".", 2)[2]: w for name, w in own.items() if name.startswith("network.backbone.")}
        positions, embedding = backbone["wpe.weight"].shape
        layers = 1 + max(int(name.split(".")[1]) for name in backbone if name.startswith("h."))
        config = transformers.GPT2Config(
            vocab_size=1, bos_token_id=None, eos_token_id=None, n_positions=positions, n_embd=embedding, n_layer=layers,
            n_head=heads, attn_implementation="eager",
        )  # fmt: skip
        assert config.activation_function == "gelu_new"
        self.backbone = transformers.GPT2Model(config).to(self.read_in[0].dtype).eval()
        if "ln_f.weight" not in backbone:
            self.backbone.ln_f = torch.nn.Identity()
        unused = self.backbone.load_state_dict(backbone, strict=False)
        assert unused.missing_keys == ["wte.weight"]
        assert unused.unexpected_keys == []

    def read(self, vectors: list[list[float]]) -> Answer:
        """Read one prompt."""
        weight, bias = self.read_in
        embedded = torch.stack([weight @ torch.tensor(v, dtype=weight.dtype) + bias for v in vectors])
        hidden: list[Tensor] = []
        hooks = [h.mlp.act.register_forward_hook(lambda _m, _i, out: hidden.append(out[0])) for h in self.backbone.h]
        with torch.no_grad():
            found = self.backbone(inputs_embeds=embedded[None], output_attentions=True)
        for hook in hooks:
            hook.remove()
        weight, bias = self.read_out
        output = torch.stack([(weight @ state + bias)[0] for state in found.last_hidden_state[0]])
        return Answer(output, torch.stack([layer[0] for layer in found.attentions]), torch.stack(hidden))
