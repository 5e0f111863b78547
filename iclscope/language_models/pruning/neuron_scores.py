"""How much each MLP neuron of a language model matters, by rules that need no label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from iclscope.core.errors import one_of_these, refused, require
from iclscope.language_models.models.finite import not_numbers
from iclscope.language_models.models.halving import in_halves
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.mlp_layout import MLPLayout, incoming_weights, mlp_layout, outgoing_weights
from iclscope.language_models.models.mlp_parts import LayerMLP
from iclscope.language_models.models.padded import PaddedBatch, halves_of, padded_batches
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.settings import NORMS


def magnitudes(language_model: LanguageModel, norm: str = "auto") -> Float[Tensor, "layer neuron"]:
    """The norm of each neuron's weights: the paper's rule, carried over.

    Li et al. 2024, Section 3.4, prune the neurons i of the smallest ‖W_O(i,·)‖, the weights by which a neuron reads;
    what it writes has the same norm for all neurons there. A language model's neurons differ in both, so the rule may
    mean

    - ``incoming``: ‖w_in‖; of a gated MLP √(‖w_gate‖² + ‖w_up‖²),
    - ``outgoing``: ‖w_out‖, the norm of a column of the down-projection,
    - ``product``: ‖w_in‖·‖w_out‖, of a gated MLP ‖w_gate‖·‖w_up‖·‖w_out‖, which no rescaling between the factors
      changes as long as the activation is positively homogeneous.

    ``auto`` is ``incoming``, the paper's own, where an MLP is plain as the paper's (GPT-2, OPT, GPT-NeoX, Phi,
    Starcoder2, …), and ``outgoing`` where it is gated (Llama, Mistral, Qwen, Gemma, Phi-3, …): the gate divides what a
    neuron reads into two vectors, and only the down-projection holds one vector per neuron. Biases are left out.

    Args:
        language_model: the model.
        norm: which norm, of `NORMS`.

    Raises:
        BadRequest: if there is no such norm, the model's MLPs are of no known layout, or a norm is no number.
    """
    require(norm in NORMS, "--norm", norm, one_of_these(NORMS))
    layout = mlp_layout(language_model)
    chosen = resolved_norm(layout, norm)
    return _finite(language_model, torch.stack([_NORMS[chosen](mlp) for mlp in layout.mlps]).cpu())


def _finite(language_model: LanguageModel, scores: Float[Tensor, "layer neuron"]) -> Float[Tensor, "layer neuron"]:
    """The scores, if all of them can be put in order.

    Raises:
        BadRequest: naming the first layer where one is no number.
    """
    layers = (~scores.isfinite()).any(dim=1).nonzero().flatten().tolist()
    if layers:
        holder = mlp_layout(language_model).mlps[layers[0]].holder
        name = next(name for name, module in language_model.model.named_modules() if module is holder)
        count = int((~scores[layers[0]].isfinite()).sum())
        raise refused(
            "MODEL",
            language_model.name,
            (
                f"a model whose neurons can be put in order; in layer {name} the weights or the activity "
                f"of {count:,} of {scores.shape[1]:,} are no finite numbers"
            ),
        )
    return scores


def resolved_norm(layout: MLPLayout, norm: str) -> str:
    """Which norm ``auto`` stands for in a model."""
    if norm != "auto":
        return norm
    return "outgoing" if layout.family.gated else "incoming"


def _incoming(mlp: LayerMLP) -> Float[Tensor, " neuron"]:
    norms: Tensor = incoming_weights(mlp).float().norm(dim=2).norm(dim=0)
    return norms


def _outgoing(mlp: LayerMLP) -> Float[Tensor, " neuron"]:
    norms: Tensor = outgoing_weights(mlp).float().norm(dim=1)
    return norms


def _product(mlp: LayerMLP) -> Float[Tensor, " neuron"]:
    norms: Tensor = incoming_weights(mlp).float().norm(dim=2).prod(dim=0) * _outgoing(mlp)
    return norms


_NORMS: dict[str, Callable[[LayerMLP], Float[Tensor, " neuron"]]] = {
    "incoming": _incoming,
    "outgoing": _outgoing,
    "product": _product,
}


def activity(
    language_model: LanguageModel, tokens: Sequence[Sequence[int]], *, on_progress: OnProgress | None = None
) -> Float64[Tensor, "layer neuron"]:
    """How much each neuron writes on given prompts: root mean square of its activation times ‖w_out‖.

    The square is the mean, over all tokens of the prompts, of the squared length of what the neuron adds to the
    residual stream: what is lost if it alone is removed. (For single weights this is the rule of Sun et al., "A simple
    and effective pruning approach for large language models", 2023.)

    Args:
        language_model: the model.
        tokens: of prompts; none may be empty. Padding is left out of the mean.
        on_progress: called with the number of prompts read.

    Raises:
        BadRequest: if the model's MLPs are of no known layout, or what they give are no numbers.
    """
    mlps = mlp_layout(language_model).mlps
    model: Any = language_model.model
    sums = torch.zeros(len(mlps), mlp_layout(language_model).width, dtype=torch.float64, device=model.device)
    total = torch.zeros_like(sums)
    mask: Bool[Tensor, " token"] = torch.zeros(0, dtype=torch.bool)

    def adding(layer: int) -> Any:
        def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            # Some models flatten texts and tokens before their MLPs, so both are flattened here.
            seen = arguments[0].flatten(0, -2)[mask]
            sums[layer] += seen.float().square().sum(dim=0)

        return add

    with torch.inference_mode(), ExitStack() as hooks:
        for layer, mlp in enumerate(mlps):
            hooks.callback(mlp.output.register_forward_pre_hook(adding(layer)).remove)

        def read(batch: PaddedBatch) -> Tensor:
            nonlocal mask
            mask = batch.mask.flatten()
            sums.zero_()  # what a batch left that did not fit
            # Without the head: nobody asks for the next token.
            model.base_model(input_ids=batch.ids, attention_mask=batch.mask.long(), use_cache=False)
            return sums.clone()

        batches = padded_batches(tokens, model.device)
        for batch, added in (one for whole in batches for one in in_halves(language_model, whole, read, halves_of)):
            total += added
            if on_progress is not None:
                on_progress(len(batch.ids))
    count = sum(len(row) for row in tokens)
    norms = torch.stack([_outgoing(mlp) for mlp in mlps])
    if not total.isfinite().all():
        raise not_numbers(language_model, tokens, what="activations")
    found: Float64[Tensor, "layer neuron"] = (total / count).sqrt() * norms
    return _finite(language_model, found.cpu())
