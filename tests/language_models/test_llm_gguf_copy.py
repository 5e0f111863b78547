"""GGUF files are unpacked once, into the user's cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from language_models.tiny_models import make_tiny_gguf

from iclscope.language_models.models import gguf_copy
from iclscope.language_models.models.fingerprint import model_fingerprint
from iclscope.language_models.models.loading import load_language_model
from iclscope.language_models.settings import ModelSource


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GGUF file, and nothing in the cache."""
    monkeypatch.setenv("ICLSCOPE_CACHE", str(tmp_path / "cache"))
    made: Path = make_tiny_gguf(tmp_path / "tiny.gguf")
    return made


def kept() -> list[Path]:
    return sorted(gguf_copy.copies().iterdir())


def test_a_file_is_unpacked_once_and_a_copy_of_it_not_at_all(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_language_model(str(file))
    (copy,) = kept()
    monkeypatch.setattr(gguf_copy, "_make", None)
    elsewhere = load_language_model(str(shutil.copy(file, tmp_path / "other.gguf")))
    assert kept() == [copy]
    assert first.name == "tiny"
    assert model_fingerprint(first) == model_fingerprint(elsewhere)
    for name, weights in first.model.state_dict().items():
        assert torch.equal(weights, elsewhere.model.state_dict()[name])


def test_without_a_cache_it_is_the_same_model(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_copy = load_language_model(str(file))
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("ICLSCOPE_CACHE", str(tmp_path / "no folder"))
    without = load_language_model(str(file))
    assert model_fingerprint(with_copy) == model_fingerprint(without)
    text = "the horse <|endoftext|> é"
    assert with_copy.reader.read([text])[0].ids == without.reader.read([text])[0].ids
    for name, weights in with_copy.model.state_dict().items():
        assert torch.equal(weights, without.model.state_dict()[name])


def test_weights_are_rounded_from_the_float32_of_the_copy(file: Path) -> None:
    exact, small = (load_language_model(ModelSource(name=str(file), dtype=kind)) for kind in ("float32", "bfloat16"))
    for name, weights in exact.model.state_dict().items():
        assert torch.equal(weights.bfloat16(), small.model.state_dict()[name])


def test_a_damaged_copy_is_made_anew(file: Path) -> None:
    load_language_model(str(file))
    (copy,) = kept()
    weights = copy / "model.safetensors"
    size = weights.stat().st_size
    weights.write_bytes(b"half")
    load_language_model(str(file))
    assert weights.stat().st_size == size
    assert kept() == [copy]


def test_few_copies_are_kept(file: Path, tmp_path: Path) -> None:
    for seed in range(gguf_copy.MOST + 2):
        load_language_model(str(make_tiny_gguf(tmp_path / f"{seed}.gguf", seed=seed + 1)))
    assert len(kept()) == gguf_copy.MOST
