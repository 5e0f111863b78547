"""Any model, and its checkpoint whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from iclscope.errors import BadRequest, require
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.gpt2_config import GPT2TransformerConfig
from iclscope.models.pretrained import model_of_checkpoint
from iclscope.models.softmax_relu import SoftmaxReLUConfig, SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass, Task

Model = SoftmaxReLUTransformer | GPT2Transformer
ModelConfig = SoftmaxReLUConfig | GPT2TransformerConfig

_MODELS: dict[str, type[Model]] = {model.__name__: model for model in (SoftmaxReLUTransformer, GPT2Transformer)}


def stack_models(configs: Sequence[ModelConfig], seeds: Sequence[int], device: torch.device | str = "cpu") -> Model:
    """The untrained models of these configs, of one kind and size, along one run axis.

    Raises:
        BadRequest: if they are of different kinds or sizes.
    """
    one_layer = [config for config in configs if isinstance(config, SoftmaxReLUConfig)]
    gpt2 = [config for config in configs if isinstance(config, GPT2TransformerConfig)]
    require(not (one_layer and gpt2), "configs", len(configs), "configs of one kind of model")
    if one_layer:
        return SoftmaxReLUTransformer(configs=one_layer, seeds=seeds, device=device)
    require(len(set(gpt2)) == 1, "configs", len(configs), "configs of equal sizes")
    return GPT2Transformer(gpt2[0], seeds=seeds, device=device)


def check_task(model: Model, task: Task) -> None:
    """Refuse a task whose prompts the model cannot read.

    Raises:
        BadRequest: naming what does not fit.
    """
    model.check_dimensions(task.d_X, task.d_Y)
    functions, one_layer = isinstance(task, FunctionClass), isinstance(model, SoftmaxReLUTransformer)
    require(not (functions and one_layer), "task", task.kind, "patterns; functions need a GPT2Transformer")
    model.check_length(task.length_range[1])


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a checkpoint of any of our models.

    Raises:
        BadRequest: if the folder holds no checkpoint, a broken one, or one of a model that is not ours.
    """
    name = model_of_checkpoint(Path(folder))
    if name not in _MODELS:
        raise BadRequest(f"checkpoint = {str(folder)!r} is not allowed: it is of {name}, not of {' or '.join(_MODELS)}")
    return _MODELS[name].from_pretrained(folder, device)
