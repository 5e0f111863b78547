"""A language model without some of its MLP neurons: masked where it is, or as a smaller model of its own."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from iclscope.core.errors import refused, require
from iclscope.core.files import storage_failures, write_text
from iclscope.language_models.models.loading import LanguageModel, quiet_transformers
from iclscope.language_models.models.mlp_layout import MLPLayout, mlp_layout
from iclscope.language_models.models.mlp_parts import LayerMLP, Projection, mlps_of
from iclscope.language_models.pruning.save import check_empty

NOTE = "pruning.json"
"""The file beside a pruned checkpoint that says what was removed; transformers passes over it."""


@contextmanager
def without_neurons(language_model: LanguageModel, kept: Bool[Tensor, "layer neuron"]) -> Iterator[None]:
    """Within the block the neurons that are not kept give zero; weights are not touched.

    Args:
        language_model: the model.
        kept: which neurons of each layer go on as they are; layers may keep different numbers.

    Raises:
        BadRequest: if the model's MLPs are of no known layout.
    """
    mlps = _checked(language_model, kept).mlps
    with ExitStack() as hooks:
        for mlp, stay in zip(mlps, kept.to(language_model.device), strict=True):
            handle = mlp.output.register_forward_pre_hook(_silencing(~stay))
            hooks.callback(handle.remove)
        yield


def _silencing(gone: Bool[Tensor, " neuron"]) -> Any:
    def silence(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (arguments[0].masked_fill(gone, 0.0), *arguments[1:])

    return silence


def pruned_model(language_model: LanguageModel, kept: Bool[Tensor, "layer neuron"]) -> LanguageModel:
    """A smaller copy: rows of the projections into the neurons, and columns of the one out of them, are cut.

    Only the config's number of neurons differs; tied embeddings stay tied; the model itself is left as it is.

    Args:
        language_model: the model.
        kept: which neurons stay, equally many in each layer.

    Raises:
        BadRequest: if the model's MLPs are of no known layout, or no neuron is left.
    """
    layout = _checked(language_model, kept)
    counts = set(kept.sum(dim=1).tolist())
    require(len(counts) == 1, "kept", sorted(counts), "equally many neurons in each layer")
    width = int(counts.pop())
    require(width >= 1, "kept", width, "at least one neuron in each layer")
    model: PreTrainedModel = copy.deepcopy(language_model.model)
    for mlp, stay in zip(mlps_of(model, layout.family), kept, strict=True):
        _cut(mlp, stay.nonzero()[:, 0].to(model.device), layout)
        for name in {layout.family.size, "intermediate_size"} & set(vars(mlp.holder)):
            setattr(mlp.holder, name, width)
    setattr(model.config.get_text_config(), layout.family.size, width)
    # Weights of a GGUF file were unpacked when it was loaded, but transformers would not save what it takes for packed.
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None:
        quantizer.remove_quantization_config(model)
    return replace(language_model, model=model, name=f"{language_model.name}-pruned", read=None)


def _checked(language_model: LanguageModel, kept: Bool[Tensor, "layer neuron"]) -> MLPLayout:
    layout = mlp_layout(language_model)
    shape = (len(layout.mlps), layout.width)
    require(tuple(kept.shape) == shape, "kept", tuple(kept.shape), f"a mask of {shape[0]} layers × {shape[1]} neurons")
    return layout


def _cut(mlp: LayerMLP, stay: Int64[Tensor, " kept"], layout: MLPLayout) -> None:
    """Leave the neurons ``stay`` only, in modules that nobody else uses."""
    for projection in mlp.inputs:
        outputs = projection.weight.shape[1] if isinstance(projection, Conv1D) else projection.weight.shape[0]
        parts = outputs // layout.width  # two where gate and up-projection are one
        rows = torch.cat([stay + part * layout.width for part in range(parts)])
        _choose(projection, rows, of_outputs=True)
    _choose(mlp.output, stay, of_outputs=False)


def _choose(projection: Projection, rows: Int64[Tensor, " chosen"], *, of_outputs: bool) -> None:
    """Leave some outputs, or some inputs, of a projection."""
    is_conv = isinstance(projection, Conv1D)  # whose weight is transposed
    axis = int(of_outputs) if is_conv else int(not of_outputs)
    projection.weight = nn.Parameter(projection.weight.index_select(axis, rows), requires_grad=False)
    if of_outputs and projection.bias is not None:
        projection.bias = nn.Parameter(projection.bias.index_select(0, rows), requires_grad=False)
    name = {(True, True): "nf", (True, False): "nx", (False, True): "out_features", (False, False): "in_features"}
    setattr(projection, name[is_conv, of_outputs], len(rows))


def check_saveable(language_model: LanguageModel, option: str = "--save") -> None:
    """Refuse a model of which transformers would not write all but the weights, before anything is computed.

    It loads settings of generation that contradict each other, and may then not save them. What it writes is tried in a
    folder that goes again.

    Raises:
        BadRequest: naming the option and what transformers says.
    """
    model = language_model.model
    doing = "config"
    try:
        with tempfile.TemporaryDirectory() as folder, quiet_transformers():
            model.config.save_pretrained(folder)
            doing = "generation_config"
            if model.can_generate():
                model.generation_config.save_pretrained(folder)
            doing = "tokenizer"
            language_model.tokenizer.save_pretrained(folder)
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        expected = f"a model that transformers saves, for {option}; it refuses its {doing}: {why[:300]}"
        raise refused("MODEL", language_model.source.name, expected) from error


def save_checkpoint(language_model: LanguageModel, folder: Path, note: Mapping[str, Any] | None = None) -> int:
    """Write model and tokenizer as a checkpoint of transformers, in safetensors.

    ``AutoModelForCausalLM.from_pretrained`` loads it as any other.

    Args:
        language_model: what to write.
        folder: a new or an empty one.
        note: what to write into ``pruning.json`` beside it.

    Returns:
        Bytes of the weights on disk.

    Raises:
        BadRequest: if the folder is not empty, or transformers does not save such a model.
        StorageFailed: if it cannot be written.
    """
    check_empty(folder)
    check_saveable(language_model)
    with storage_failures(f"writing to {folder}"), quiet_transformers():
        folder.mkdir(parents=True, exist_ok=True)
        language_model.model.save_pretrained(folder)
        language_model.tokenizer.save_pretrained(folder)
        if note is not None:
            write_text(folder / NOTE, json.dumps(dict(note), indent=2, ensure_ascii=False) + "\n")
        return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
