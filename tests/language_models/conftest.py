"""Tiny language models, made here; and, where it is, SmolLM2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from language_models.tiny_models import make_tiny

from iclscope.language_models.loading import LanguageModel, load_language_model

GGUF = "ICLSCOPE_SMOLLM2"
"""The environment variable with the path of SmolLM2's GGUF file (`make smollm2` fetches it)."""


@pytest.fixture(scope="session", params=["gpt2", "llama"])
def tiny_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny checkpoint, of GPT-2 and of Llama in turn."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / f"tiny-{request.param}", request.param)


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> LanguageModel:
    """A tiny model, of GPT-2 and of Llama in turn."""
    return load_language_model(str(tiny_folder))


@pytest.fixture(scope="session")
def tiny_llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Llama."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "tiny-llama", "llama")


@pytest.fixture(scope="session")
def tiny_llama(tiny_llama_folder: Path) -> LanguageModel:
    """A tiny Llama."""
    return load_language_model(str(tiny_llama_folder))


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    """SmolLM2-135M-Instruct as GGUF."""
    path = os.environ.get(GGUF, "")
    if not path:
        pytest.skip(f"{GGUF} does not say where SmolLM2 is; make smollm2 fetches it")
    return Path(path)


@pytest.fixture(scope="session")
def smollm2(smollm2_file: Path) -> LanguageModel:
    """SmolLM2-135M-Instruct in float32 on the CPU."""
    return load_language_model(str(smollm2_file))
