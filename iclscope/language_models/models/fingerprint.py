"""Which model it is, whatever its name and wherever it lies: hashes of all bytes that decide an answer."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from iclscope.core.errors import refused
from iclscope.language_models.models.file_hashes import file_hash
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.weight_files import WeightFiles, memory_state

_DIGITS = 32

# What a tokenizer was told of where it lies; a copy elsewhere is the same tokenizer.
_PLACES = {
    "name_or_path",
    "vocab_file",
    "tokenizer_file",
    "merges_file",
    "is_local",
    "local_files_only",
    "token",
    "gguf_file",
}
_OF_THE_LIBRARY = {"transformers_version", "_name_or_path", "_commit_hash"}


def model_fingerprint(language_model: LanguageModel) -> dict[str, str]:
    """Hashes of weights, config, tokenizer (its chat template included) and, if it brings some, Python code.

    A copy in another folder has the same. Whatever decides no answer, such as a model card or settings of generation,
    is left out. In which type the weights are computed with is for the caller to note beside it.

    Raises:
        BadRequest: if the files of the weights have changed since they were read.
    """
    model, tokenizer = language_model.model, language_model.tokenizer
    found = {
        "weights": weights_hash(language_model),
        "config": config_hash(model),
        "tokenizer": tokenizer_hash(tokenizer),
    }
    code = code_hash([type(model), type(model.config), type(tokenizer)])
    return found if code is None else {**found, "code": code}


def weights_hash(language_model: LanguageModel) -> str:
    """A hash of the files that the weights were read from; of the weights themselves where there are none.

    The latter holds for a model that was changed after it had been read, or was made in Python.

    Raises:
        BadRequest: if the files have changed since they were read.
    """
    read = language_model.read
    if read is None or read.state != memory_state(language_model.model):
        return tensors_hash(language_model.model.state_dict())
    found = hashlib.sha256(b"files")
    try:
        hashes = [file_hash(path) for path in read.files.paths]
        unchanged = WeightFiles.of(read.files.paths) == read.files
    except OSError:
        unchanged = False
    if not unchanged:
        raise refused(
            "MODEL",
            language_model.source.name,
            "a model that nobody writes to; its files have changed since they were read: try again",
        )
    for one in hashes:
        found.update(one.encode())
    return found.hexdigest()[:_DIGITS]


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, types, shapes and all bytes."""
    found = hashlib.sha256(b"tensors")
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found.update(content.numpy().data)
    return found.hexdigest()[:_DIGITS]


def config_hash(model: PreTrainedModel) -> str:
    """A hash of the architecture and its sizes."""
    settings = json.loads(model.config.to_json_string(use_diff=True))
    return _hash_of({name: value for name, value in settings.items() if name not in _OF_THE_LIBRARY})


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of all that a tokenizer does: vocabulary, merges, added and special tokens, settings, chat template."""
    names = _PLACES | set(tokenizer.vocab_files_names)
    settings = {name: value for name, value in tokenizer.init_kwargs.items() if name not in names}
    found = {
        "class": type(tokenizer).__name__,
        "settings": {name: value for name, value in settings.items() if not name.startswith("_")},
        "special tokens": tokenizer.special_tokens_map,
        "added tokens": {token: str(number) for token, number in tokenizer.get_added_vocab().items()},
        "chat template": tokenizer.chat_template,
        "content": _content(tokenizer),
    }
    return _hash_of(found)


def encoder_hash(encoder: Any) -> str:
    """A hash of a model of ``sentence-transformers``: weights, tokenizer, how it pools, what it puts before texts."""
    found = {
        "weights": tensors_hash(encoder.state_dict()),
        "tokenizer": tokenizer_hash(encoder.tokenizer) if hasattr(encoder.tokenizer, "init_kwargs") else None,
        "modules": str(encoder),
        "settings": [encoder.max_seq_length, encoder.truncate_dim, encoder.prompts, encoder.default_prompt_name],
    }
    return _hash_of(found)


def code_hash(kinds: Sequence[type]) -> str | None:
    """A hash of the Python files that came with a model; None where all is transformers' own."""
    modules = [sys.modules[kind.__module__] for kind in kinds if kind.__module__.startswith("transformers_modules")]
    folders = {Path(module.__file__).parent for module in modules if module.__file__}
    if not folders:
        return None
    files = sorted({(file.name, file.read_bytes()) for folder in folders for file in folder.glob("*.py")})
    return _hash_of([[name, hashlib.sha256(content).hexdigest()] for name, content in files])


def _content(tokenizer: Any) -> Any:
    """What the tokenizer itself holds; how texts are cut or padded is decided by each call."""
    if tokenizer.is_fast:
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        return {name: value for name, value in whole.items() if name not in ("truncation", "padding")}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_vocabulary(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        content = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
    return [content, sorted(tokenizer.get_vocab().items())]


def _hash_of(what: Any) -> str:
    text = json.dumps(what, sort_keys=True, ensure_ascii=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
