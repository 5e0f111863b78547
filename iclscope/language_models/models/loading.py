"""A causal language model with its tokenizer, from a hub name, a folder or a GGUF file."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from jaxtyping import Float64
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from iclscope.core.addresses import without_secrets
from iclscope.core.errors import BadRequest, refused, require
from iclscope.core.files import user_path
from iclscope.language_models.models.gguf_copy import safetensors_copy
from iclscope.language_models.models.hub import is_only_cached
from iclscope.language_models.models.precision import usual_dtype
from iclscope.language_models.models.weight_files import LoadedWeights, WeightFiles, weight_files
from iclscope.language_models.prompts.plain_text import TextReader
from iclscope.language_models.settings import ModelSource

_GPU = "cuda"


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model, ready to score.

    Attributes:
        model: transformers' own; its weights are never changed in place.
        tokenizer: of the model.
        source: where it came from.
        name: for titles and folders.
        context_length: the most tokens that it reads; None if it says nothing.
        read: what files the weights were read from; None if the model was made or changed in Python.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: ModelSource
    name: str
    context_length: int | None
    read: LoadedWeights | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def kind(self) -> str:
        """The architecture, as transformers calls it, such as ``llama`` or ``gpt2``."""
        return str(self.model.config.model_type)

    def score(self, prompts: str | Sequence[str], answers: Sequence[str]) -> Float64[np.ndarray, "prompt answer"]:
        """Log-likelihood of each answer after each prompt; as `iclscope.language_models.score`."""
        from iclscope.language_models.in_memory import score

        return score(self, prompts, answers)

    def evaluate(self, data: Any = "words", **asked: Any) -> Any:
        """Accuracy against the number of demonstrations; as `iclscope.language_models.evaluate`."""
        from iclscope.language_models.api import evaluate

        return evaluate(self, data, **asked)

    def __repr__(self) -> str:
        count = sum(weight.numel() for weight in self.model.parameters())
        return f"LanguageModel({self.name!r}, {self.kind}, {count / 1e6:.1f} million weights)"

    @cached_property
    def said(self) -> set[str]:
        """What has been said of reading with this model, so that it is said once."""
        return set()

    @cached_property
    def too_large(self) -> dict[str, int]:
        """By what reads: how many prompts or texts at a time did not fit into memory."""
        return {}

    @cached_property
    def why_copied(self) -> list[str]:
        """Why prompts get copies of what they share, once that has been found out; ``""`` if they need none."""
        return []

    @cached_property
    def reader(self) -> TextReader:
        """What turns texts into the model's tokens; no text is a command to it."""
        embedding: Any = self.model.get_input_embeddings()
        return TextReader(self.tokenizer, self.name, len(embedding.weight))


def load_language_model(source: ModelSource | str) -> LanguageModel:
    """Load a model for scoring, in evaluation mode.

    Args:
        source: which model; a name alone stands for its defaults.

    Raises:
        BadRequest: if there is no such model, it cannot be reached, needs code of its own that is not trusted, has no
            safetensors, lacks weights, is no causal language model, or knows fewer tokens than its tokenizer.
    """
    source = ModelSource(name=source) if isinstance(source, str) else source
    require(source.name.strip() != "", "MODEL", source.name, "a hub name, a folder or a GGUF file")
    has_gpu = torch.cuda.is_available()
    require(source.device != _GPU or has_gpu, "--device", source.device, "auto or cpu; there is no GPU here")
    device = (_GPU if has_gpu else "cpu") if source.device == "auto" else source.device
    dtype = usual_dtype(device) if source.dtype == "auto" else source.dtype
    where, arguments = _where(source)
    files = _local_files(where, arguments)  # as they are before they are read
    with quiet_transformers(), _one_line(source):
        if "gguf_file" in arguments:
            model, tokenizer = _from_gguf(source, Path(where) / arguments["gguf_file"], getattr(torch, dtype))
        else:
            shared = {"revision": source.revision, "trust_remote_code": source.trust_remote_code, **arguments}
            shared = {name: value for name, value in shared.items() if value is not None}
            model, tokenizer = _read(source, where, dtype=getattr(torch, dtype), use_safetensors=True, **shared)
    files = files or _fetched_files(source, model)
    model = model.to(device).eval().requires_grad_(False)
    broken = _no_numbers(model)
    require(broken is None, "MODEL", source.name, f"a model whose weights are numbers; those of {broken} are not")
    read = None if files is None else LoadedWeights.of(files, model)
    language_model = LanguageModel(model, tokenizer, source, model_name(source), _context_length(model.config), read)
    language_model.reader.check_vocabulary()
    return language_model


def model_name(source: ModelSource) -> str:
    """What a model is called in titles and folders."""
    path = user_path(source.name, "MODEL")
    return path.stem if _is_gguf(path) else path.resolve().name if path.is_dir() else path.name


def _read(source: ModelSource, where: str, **arguments: Any) -> tuple[Any, Any]:
    """Model and tokenizer as transformers reads them.

    Raises:
        BadRequest: if weights are missing: transformers would put random numbers in their place.
    """
    tokenizer = AutoTokenizer.from_pretrained(
        where, **{name: value for name, value in arguments.items() if name not in ("dtype", "use_safetensors")}
    )
    loaded: Any = AutoModelForCausalLM.from_pretrained(where, output_loading_info=True, **arguments)
    model, told = loaded
    lacking = sorted(told["missing_keys"])
    allowed = f"a checkpoint with all weights; {len(lacking)} are missing, {' '.join(lacking[:1])} the first of them"
    require(not lacking, "MODEL", source.name, allowed)
    return model, tokenizer


def _from_gguf(source: ModelSource, file: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and tokenizer of a GGUF file, by way of its copy in safetensors; where none can be kept, once for all."""

    def unpacked(kind: torch.dtype = torch.float32) -> tuple[Any, Any]:
        model, tokenizer = _read(source, str(file.parent), gguf_file=file.name, dtype=kind)
        # Its weights were unpacked; transformers would not save what it takes for packed.
        model.hf_quantizer.remove_quantization_config(model)
        return model, tokenizer

    def unpack(folder: Path) -> None:
        for part in unpacked():
            part.save_pretrained(folder)

    copy = safetensors_copy(file, unpack)
    if copy is not None:
        return _read(source, str(copy), dtype=dtype, use_safetensors=True)
    model, tokenizer = unpacked(dtype)
    model.config.architectures = [type(model).__name__]  # as it is written into a copy
    with tempfile.TemporaryDirectory() as folder:  # the same tokenizer as from a copy, to the last setting
        tokenizer.save_pretrained(folder)
        return model, AutoTokenizer.from_pretrained(folder)


def _is_gguf(path: Path) -> bool:
    """Whether a name is that of a GGUF file; a folder may be called anything."""
    return path.suffix.lower() == ".gguf" and not path.is_dir()


def _where(source: ModelSource) -> tuple[str, dict[str, Any]]:
    """What transformers is asked for: a name or folder, and the GGUF file in it if it is one."""
    path = user_path(source.name, "MODEL")
    if _is_gguf(path):
        require(path.is_file(), "MODEL", source.name, "a GGUF file that exists")
        known = all(importlib.util.find_spec(package) for package in ("gguf", "accelerate"))
        require(known, "MODEL", source.name, "a GGUF file, once pip install 'iclscope[llm]' was run")
        return str(path.parent), {"gguf_file": path.name}
    if path.is_dir():
        has_config = (path / "config.json").is_file()
        require(has_config, "MODEL", source.name, "a folder with a checkpoint; this one has no config.json")
    elif path.is_file():
        require(False, "MODEL", source.name, "a hub name, a folder with a checkpoint, or a file that ends in .gguf")
    elif path.is_absolute() or source.name.startswith((".", "~")):  # no hub name
        require(False, "MODEL", source.name, "a folder or file that exists, or a hub name")
    elif is_only_cached(source.name, source.revision):
        return source.name, {"local_files_only": True}
    return str(path) if path.is_dir() else source.name, {}


def _local_files(where: str, arguments: dict[str, Any]) -> WeightFiles | None:
    """The files of the weights, of a folder or a GGUF file; None of a model of the hub."""
    if "gguf_file" in arguments:
        return WeightFiles.of([Path(where) / arguments["gguf_file"]])
    return weight_files(Path(where)) if Path(where).is_dir() else None


def _fetched_files(source: ModelSource, model: PreTrainedModel) -> WeightFiles | None:
    """The files of the weights of a model of the hub, in its local snapshot; None if it cannot be told."""
    if user_path(source.name, "MODEL").exists():
        return None
    commit = getattr(model.config, "_commit_hash", None) or source.revision
    config = try_to_load_from_cache(source.name, "config.json", revision=commit)
    return weight_files(Path(config).parent) if isinstance(config, str) else None


_OF_ATTENTION = re.compile(r"(^|\.)(self_)?(attn|attention)\.")


def _no_numbers(model: PreTrainedModel) -> str | None:
    """The first weights of attention of which some are no numbers.

    Attention may pass over keys that are no numbers and give finite scores all the same, so that to look at what comes
    out is not enough. Of all other weights it is, and there what is of no consequence does no harm (`finite`).
    """
    named = ((place, weights) for place, weights in model.named_parameters() if _OF_ATTENTION.search(place))
    return next((place for place, weights in named if bool(weights.isnan().any())), None)


def _context_length(config: Any) -> int | None:
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        found = getattr(config.get_text_config(), name, None)
        if isinstance(found, int) and found > 0:
            return found
    return None


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """No bars and no advice of transformers in the block; what was set before is set again.

    The bar of GGUF files is not transformers' own and cannot be switched off: it is written to nowhere.
    """
    had_bars = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _one_line(source: ModelSource) -> Iterator[None]:
    """What transformers refuses, in one line of ours."""
    try:
        yield
    except BadRequest:
        raise
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        text = without_secrets(" ".join(str(error).split()), source.name)
        if "trust_remote_code" in text:
            allowed = "a model without Python code of its own, or --trust-remote-code if you trust who wrote it"
        elif "safetensors" in text:
            allowed = "a checkpoint in safetensors; pickled weights are never loaded"
        elif "gated" in text.lower():
            allowed = "a model that you may read; this one is gated: ask for access on its page, then hf auth login"
        else:
            allowed = f"a causal language model that transformers can load: {text[:200]}"
        raise refused("MODEL", source.name, allowed) from error
