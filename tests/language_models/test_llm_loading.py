"""What is loaded, and what is refused in one line, before anything is computed."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import httpx2
import pytest
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel, _where, load_language_model
from iclscope.language_models.settings import ModelSource


def refusal(name: Path | str, **settings: object) -> str:
    with pytest.raises(BadRequest) as refused:
        load_language_model(ModelSource.model_validate({"name": str(name), **settings}))
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(("MODEL: expected ", "--device: expected "))
    return text


def test_a_folder_is_loaded_frozen_in_float32(tiny: LanguageModel, tiny_folder: Path) -> None:
    assert tiny.name == tiny_folder.name
    assert tiny.kind in ("gpt2", "llama")
    assert tiny.context_length == 512
    assert tiny.model.dtype == torch.float32
    assert not tiny.model.training
    assert not any(weights.requires_grad for weights in tiny.model.parameters())


def test_names_with_dots_stay_whole(tiny_llama_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama_folder, tmp_path / "Llama-1.5B")
    assert load_language_model(str(tmp_path / "Llama-1.5B")).name == "Llama-1.5B"


def test_no_model_there(tmp_path: Path) -> None:
    assert "a hub name, a folder or a GGUF file" in refusal("  ")
    assert "has no config.json" in refusal(tmp_path)
    assert "a GGUF file that exists" in refusal(tmp_path / "none.gguf")
    (tmp_path / "file.bin").write_bytes(b"")
    assert "ends in .gguf" in refusal(tmp_path / "file.bin")
    for name in (tmp_path / "none", "./none", "~/none", "../models/none"):
        assert "a folder or file that exists, or a hub name" in refusal(name)


@pytest.mark.parametrize("name", ["a.gguf", "a.GGUF", "b[1].Gguf"])
def test_a_gguf_file_by_its_ending_in_any_case(name: str, tmp_path: Path, tiny_llama_folder: Path) -> None:
    assert "a GGUF file that exists" in refusal(tmp_path / name)
    (tmp_path / name).touch()
    assert _where(ModelSource(name=str(tmp_path / name))) == (str(tmp_path), {"gguf_file": name})
    shutil.copytree(tiny_llama_folder, tmp_path / f"folder {name}")  # a folder may be called so
    assert load_language_model(str(tmp_path / f"folder {name}")).name == f"folder {name}"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing listens at the hub's address, and nothing was fetched before."""
    monkeypatch.setattr(HfApi, "model_info", partial(HfApi("http://127.0.0.1:9").model_info))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("no_network")
def test_the_hub_cannot_be_reached() -> None:
    assert "can be reached or was fetched before" in refusal("nobody-here/no-such-model")
    assert "as owner/model" in refusal("no/such/name")


@pytest.mark.parametrize(("error", "words"), [("not-found", "hf auth login"), ("revision", "--revision: .* 'old'")])
def test_what_the_hub_does_not_have(error: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx2.Response(404, request=httpx2.Request("GET", "http://hub"))
    kinds = {"not-found": RepositoryNotFoundError, "revision": RevisionNotFoundError}

    def refuse(*_: object, **__: object) -> None:
        raise kinds[error]("no", response=answer)

    monkeypatch.setattr(HfApi, "model_info", refuse)
    with pytest.raises(BadRequest, match=words):
        load_language_model(ModelSource(name="nobody-here/no-such-model", revision="old"))


def test_a_broken_checkpoint(tiny_llama_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_llama_folder, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    assert "a causal language model that transformers can load" in refusal(broken)
    (broken / "config.json").write_text("{}", encoding="utf-8")
    assert "MODEL" in refusal(broken)
    (tmp_path / "empty.gguf").write_bytes(b"")
    assert "MODEL" in refusal(tmp_path / "empty.gguf")


def test_pickled_weights_are_not_loaded(tiny_llama_folder: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_llama_folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert "pickled weights are never loaded" in refusal(pickled)


def test_foreign_code_is_not_run(tiny_llama_folder: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(tiny_llama_folder, foreign)
    config = json.loads((foreign / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "own-kind", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (foreign / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (foreign / "own.py").write_text("raise SystemExit('foreign code was run')\n", encoding="utf-8")
    assert "--trust-remote-code" in refusal(foreign)


def test_no_gpu_here(tiny_llama_folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert "there is no GPU here" in refusal(tiny_llama_folder, device="cuda")
