"""Models by their kind: many of them along one run axis, and a checkpoint whichever it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from iclscope.core.errors import require, unusable
from iclscope.core.files import user_path
from iclscope.core.registry import MODELS
from iclscope.models.pretrained import model_of_checkpoint
from iclscope.models.run_model import ModelConfig, RunModel

Model = RunModel[Any]
"""Any model."""


def config_from_settings(settings: Any) -> ModelConfig:
    """The config that ``settings`` (its ``model_dump``) describe.

    Raises:
        BadRequest: if they are no mapping, there is no model of that kind, or a setting is not allowed.
    """
    require(isinstance(settings, Mapping), "settings of a model", settings, "a mapping")
    model: type[Model] = MODELS.get(settings.get("kind"))
    found: ModelConfig = model.config_type(**settings)
    return found


def is_defined_by_settings(config: object) -> bool:
    """Whether a model's settings say all of it; they do not say what a class derived from a known one does else."""
    kind = getattr(config, "kind", None)
    return kind in MODELS and type(config) is MODELS.get(kind).config_type


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
    model: type[Model] = MODELS.get(configs[0].kind)
    return model.stacked(configs, seeds, dtype=dtype, device=device)


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a checkpoint of any model that is known.

    Raises:
        BadRequest: if the folder holds no checkpoint, a broken one, or one of a model that is not known.
    """
    name, kind = model_of_checkpoint(user_path(folder, "checkpoint"))
    model: type[Model] | None = MODELS.get(kind) if kind in MODELS else None
    if model is None or model.__name__ != name:
        known = " or ".join(MODELS.entry(kind).value.rpartition(":")[2] for kind in MODELS.names())
        raise unusable("checkpoint", str(folder), f"it is of {name}, not of {known}")
    return model.from_pretrained(folder, device)
