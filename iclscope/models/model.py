"""Any model, and its checkpoint whichever it is.

A model's config has a ``kind``, ``shape``, ``described()``, ``check_task``, and says how many runs train together and
what a prompt costs; its class is ``stacked`` from many configs. A new model is entered in `Model`, `ModelConfig` and
``_MODEL_OF`` below; nothing else needs to know its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from iclscope.core.errors import BadRequest, require
from iclscope.core.files import user_path
from iclscope.models.feature_attention import FeatureAttention, FeatureAttentionConfig
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.gpt2_config import GPT2TransformerConfig
from iclscope.models.interleaved_attention import InterleavedAttention, InterleavedAttentionConfig
from iclscope.models.linear_attention import LinearAttention, LinearAttentionConfig
from iclscope.models.pretrained import model_of_checkpoint
from iclscope.models.softmax_attention import SoftmaxAttention, SoftmaxAttentionConfig
from iclscope.models.softmax_relu import SoftmaxReLUConfig, SoftmaxReLUTransformer

Model = (
    SoftmaxReLUTransformer
    | GPT2Transformer
    | LinearAttention
    | SoftmaxAttention
    | InterleavedAttention
    | FeatureAttention
)
ModelConfig = (
    SoftmaxReLUConfig
    | GPT2TransformerConfig
    | LinearAttentionConfig
    | SoftmaxAttentionConfig
    | InterleavedAttentionConfig
    | FeatureAttentionConfig
)

_MODEL_OF: dict[type[ModelConfig], type[Model]] = {
    SoftmaxReLUConfig: SoftmaxReLUTransformer,
    GPT2TransformerConfig: GPT2Transformer,
    LinearAttentionConfig: LinearAttention,
    SoftmaxAttentionConfig: SoftmaxAttention,
    InterleavedAttentionConfig: InterleavedAttention,
    FeatureAttentionConfig: FeatureAttention,
}
_MODELS: dict[str, type[Model]] = {model.__name__: model for model in _MODEL_OF.values()}


def is_told_by_settings(config: object) -> bool:
    """Whether a model's settings say all of it; they do not say what a class derived from ours does otherwise."""
    return type(config) in _MODEL_OF


def stack_models(
    configs: Sequence[ModelConfig],
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Model:
    """The untrained models of these configs, of one kind and size, along one run axis.

    Raises:
        BadRequest: if they are of different kinds or sizes.
    """
    require(len({config.kind for config in configs}) == 1, "configs", len(configs), "configs of one kind of model")
    stacked: Callable[..., Model] = _MODEL_OF[type(configs[0])].stacked
    return stacked(configs, seeds, dtype=dtype, device=device)


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a checkpoint of any of our models.

    Raises:
        BadRequest: if the folder holds no checkpoint, a broken one, or one of a model that is not ours.
    """
    name = model_of_checkpoint(user_path(folder, "checkpoint"))
    if name not in _MODELS:
        raise BadRequest(f"checkpoint = {str(folder)!r} is not allowed: it is of {name}, not of {' or '.join(_MODELS)}")
    return _MODELS[name].from_pretrained(folder, device)
