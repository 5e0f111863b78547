"""Tiny language models, made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_models.tiny_models import make_tiny

from iclscope.language_models.models.loading import LanguageModel, load_language_model


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
