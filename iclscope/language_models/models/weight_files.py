"""The files that the weights of a language model were read from, and whether they are still as they were."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedModel

from iclscope.language_models.models.file_hashes import Stamp, stamp_of


class WeightFiles(NamedTuple):
    """The files that weights were read from.

    Attributes:
        paths: of safetensors, with the index where there are several; or of one GGUF file.
        stamps: what the file system said of each before it was read.
    """

    paths: tuple[Path, ...]
    stamps: tuple[Stamp, ...]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> WeightFiles:
        """Files as they are now.

        Raises:
            OSError: if there is no such file.
        """
        found = tuple(paths)
        return cls(found, tuple(stamp_of(path) for path in found))


class LoadedWeights(NamedTuple):
    """Weights as they were when they had been read.

    Attributes:
        files: where from.
        state: of each tensor in memory, its address and how often PyTorch knows that it was written to.
    """

    files: WeightFiles
    state: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, files: WeightFiles, model: PreTrainedModel) -> LoadedWeights:
        """What a model holds now was read from these files."""
        return cls(files, memory_state(model))


def weight_files(folder: Path) -> WeightFiles | None:
    """The files that transformers reads weights from in a folder; None where it is not clear which.

    These are what the config names, else ``model.safetensors``, else what ``model.safetensors.index.json`` names, and,
    where ``peft`` is installed, an adapter that lies beside them.
    """
    try:
        named = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("transformers_weights")
        first = folder / (named or "model.safetensors")
        if not first.is_file() and not named:
            first = folder / "model.safetensors.index.json"
        paths = [first]
        if first.suffix == ".json":
            of_index = json.loads(first.read_text(encoding="utf-8"))["weight_map"].values()
            paths += [folder / name for name in sorted(set(of_index))]
        if (folder / "adapter_config.json").is_file() and importlib.util.find_spec("peft") is not None:
            paths += [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
        return WeightFiles.of(paths)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def memory_state(model: PreTrainedModel) -> tuple[tuple[int, int], ...]:
    """Of each tensor its address, and how often PyTorch knows that it was written to (not through ``.data``)."""
    return tuple((tensor.data_ptr(), tensor._version) for tensor in model.state_dict().values())
