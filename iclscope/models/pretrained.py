"""A checkpoint on disk: ``config.json`` beside ``model.safetensors``. No pickle is ever written or read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from iclscope.core.errors import require, unusable
from iclscope.core.files import atomic_write, write_text

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors so that the file is either the old one or the whole new one, never half of it."""
    with atomic_write(path) as temporary:
        save_file(
            {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
            temporary,
            dict(metadata),
        )


def write_pretrained(folder: Path, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
    """Write a checkpoint; the config also travels inside the weights file, so that a mix of two is noticed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, indent=2)
    write_safetensors(folder / WEIGHTS, weights, {"config": json.dumps(config)})
    write_text(folder / CONFIG, text + "\n")


def model_of_checkpoint(folder: Path) -> tuple[str, str | None]:
    """The name of the model whose checkpoint a folder holds, and its kind if that is told.

    Raises:
        BadRequest: if it holds none, or its config cannot be read.
    """
    for name in (CONFIG, WEIGHTS):
        require((folder / name).is_file(), "checkpoint", str(folder), f"a folder with {CONFIG} and {WEIGHTS}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise unusable("checkpoint", str(folder), f"it cannot be read ({error})") from error
    noted = config if isinstance(config, dict) else {}
    runs = noted.get("runs") or [noted.get("config")]  # one for all up to version 0.3
    first = runs[0] if isinstance(runs, list) else None
    return str(noted.get("model")), first.get("kind") if isinstance(first, dict) else None


def load_pretrained(
    folder: Path, model: str, device: torch.device | str
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read a checkpoint of the named model.

    Raises:
        BadRequest: if there is none, it is broken, or it is of another model.
    """
    for name in (CONFIG, WEIGHTS):
        require((folder / name).is_file(), "checkpoint", str(folder), f"a folder with {CONFIG} and {WEIGHTS}")
    try:
        with safe_open(folder / WEIGHTS, framework="pt", device=str(device)) as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            inside = json.loads((file.metadata() or {}).get("config", "null"))
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (SafetensorError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise unusable("checkpoint", str(folder), f"it cannot be read ({error})") from error
    found = config.get("model") if isinstance(config, dict) else None
    require(found == model, "checkpoint", str(folder), f"one of {model}, this is one of {found}")
    # A save that died between its two files leaves weights of one model beside the config of another.
    together = inside is None or inside == config
    require(together, "checkpoint", str(folder), f"{CONFIG} as it was saved with {WEIGHTS}, this is another")
    return config, weights
