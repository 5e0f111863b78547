"""Which model it is: everything that decides an answer is seen, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from huggingface_hub import HfApi
from language_models.tiny_models import make_tiny, make_tiny_gguf
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.fingerprint import encoder_hash, model_fingerprint, tensors_hash, tokenizer_hash
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.pruning.pruned import pruned_model
from iclscope.language_models.settings import ModelSource, TextMeasurement

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

FEW = ("--queries", "4", "--draws", "1", "--shots", "0,2")


@pytest.fixture
def folder(tiny_llama_folder: Path, tmp_path: Path) -> Path:
    """A copy to edit."""
    return Path(shutil.copytree(tiny_llama_folder, tmp_path / "tiny-llama"))


def of(place: Path, **how: Any) -> dict[str, str]:
    return model_fingerprint(load_language_model(ModelSource(name=str(place), **how)))


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one | other if one.get(name) != other.get(name)}


def edit_json(file: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(change(content) or content), encoding="utf-8")


def edit_one_weight(folder: Path, name: str = "model.layers.1.mlp.down_proj.weight", column: int = 1) -> None:
    """One element, by its smallest amount; size and time of the file stay as they were."""
    file = folder / "model.safetensors"
    before = file.stat()
    tensors = load_file(file)
    flat = tensors[name][5, column : column + 1].view(torch.int32)
    flat += 1
    save_file(tensors, file, metadata={"format": "pt"})
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size


def test_a_copy_is_the_same(folder: Path, tmp_path: Path) -> None:
    first = of(folder)
    assert set(first) == {"weights", "config", "tokenizer"}
    assert of(Path(shutil.copytree(folder, tmp_path / "elsewhere" / "other"))) == first


@pytest.mark.parametrize(
    "name", ["README.md", ".gitattributes", "training_args.json", "optimizer.safetensors", "notes.txt"]
)
def test_what_decides_nothing_is_left_out(name: str, folder: Path) -> None:
    first = of(folder)
    for content in ("one", "two"):
        (folder / name).write_text(content, encoding="utf-8")
        assert of(folder) == first


def test_settings_of_generation_are_left_out(folder: Path) -> None:
    first = of(folder)
    edit_json(folder / "generation_config.json", lambda found: {**found, "max_new_tokens": 7})
    assert of(folder) == first


@pytest.mark.parametrize("column", [0, 1, 31])
def test_one_weight(column: int, folder: Path) -> None:
    first = of(folder)
    edit_one_weight(folder, column=column)
    assert differing(first, of(folder)) == {"weights"}


def test_weights_in_another_type(folder: Path) -> None:
    """Read in float32 both times."""
    first = of(folder)
    file = folder / "model.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    assert "weights" in differing(first, of(folder))


def test_the_type_that_is_asked_for(folder: Path) -> None:
    noted = [
        prepare(TextMeasurement(model=ModelSource(name=str(folder), dtype=dtype), queries=2)).noted()
        for dtype in ("float32", "bfloat16")
    ]
    assert [one["dtype"] for one in noted] == ["float32", "bfloat16"]


def swap_two_tokens(tokenizer: Any) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    one, other = list(vocabulary)[40:42]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]


def drop_a_merge(tokenizer: Any) -> None:
    tokenizer["model"]["merges"].pop()


def change_the_beginning(tokenizer: Any) -> None:
    tokenizer["pre_tokenizer"]["add_prefix_space"] = True


def add_a_token(tokenizer: Any) -> None:
    like = tokenizer["added_tokens"][0]
    tokenizer["added_tokens"].append({**like, "id": 319, "content": "horse", "special": False})


@pytest.mark.parametrize("change", [swap_two_tokens, drop_a_merge, change_the_beginning, add_a_token])
def test_the_tokenizer(change: Callable[[Any], None], folder: Path) -> None:
    first = of(folder)
    edit_json(folder / "tokenizer.json", change)
    assert differing(first, of(folder)) == {"tokenizer"}


@pytest.mark.parametrize("more", [{"chat_template": "{{ 1 }}"}, {"bos_token": "a"}, {"split_special_tokens": True}])
def test_settings_of_the_tokenizer(more: dict[str, Any], folder: Path) -> None:
    first = of(folder)
    edit_json(folder / "tokenizer_config.json", lambda found: {**found, **more})
    assert differing(first, of(folder)) == {"tokenizer"}


def test_the_chat_template_in_a_file_of_its_own(folder: Path) -> None:
    found = []
    for content in (None, "{{ messages }}", "{{ messages[0] }}"):
        if content is not None:
            (folder / "chat_template.jinja").write_text(content, encoding="utf-8")
        found.append(of(folder))
    assert differing(found[0], found[1]) == differing(found[1], found[2]) == {"tokenizer"}


def test_reading_texts_leaves_a_tokenizer_the_same(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first = tokenizer_hash(tokenizer)
    tokenizer(["a", "a longer text"], padding=True, truncation=True, max_length=3)
    assert tokenizer_hash(tokenizer) == first


def test_a_tokenizer_in_python(tmp_path: Path) -> None:
    """Its files are hashed as it writes them."""
    from transformers import CTRLTokenizer

    found = []
    for merges in ("#version\nh o\n", "#version\no r\n"):
        (tmp_path / "vocab.json").write_text(json.dumps({"h@@": 0, "o": 1, "r": 2, "<unk>": 3}), encoding="utf-8")
        (tmp_path / "merges.txt").write_text(merges, encoding="utf-8")
        found += [tokenizer_hash(CTRLTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")))] * 1
    again = tokenizer_hash(CTRLTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")))
    assert found[0] != found[1] == again


@pytest.mark.parametrize("more", [{"rope_theta": 5000.0}, {"rms_norm_eps": 1e-5}, {"hidden_act": "gelu"}])
def test_the_config(more: dict[str, Any], folder: Path) -> None:
    first = of(folder)

    def changed(found: dict[str, Any]) -> dict[str, Any]:
        if "rope_theta" in more:
            return {**found, "rope_parameters": {**found["rope_parameters"], **more}}
        return {**found, **more}

    edit_json(folder / "config.json", changed)
    assert differing(first, of(folder)) == {"config"}


def test_the_version_of_the_library_that_wrote_it(folder: Path) -> None:
    first = of(folder)
    edit_json(folder / "config.json", lambda found: {**found, "transformers_version": "4.0.0"})
    assert of(folder) == first


def test_a_checkpoint_in_several_files(folder: Path) -> None:
    whole = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    whole.save_pretrained(folder, max_shard_size="30KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    first = load_language_model(str(folder))
    assert first.read is not None
    assert set(shards) < set(first.read.files.paths)
    tensors = load_file(shards[-1])
    name = next(iter(tensors))
    tensors[name].view(-1)[1] += 1
    save_file(tensors, shards[-1], metadata={"format": "pt"})
    assert differing(model_fingerprint(load_language_model(str(folder))), of(folder)) == set()
    with pytest.raises(BadRequest, match="its files have changed since they were read"):
        model_fingerprint(first)


def test_a_file_that_goes_after_it_was_read(folder: Path) -> None:
    language_model = load_language_model(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadRequest, match="changed since they were read"):
        model_fingerprint(language_model)


def test_weights_changed_in_memory(folder: Path) -> None:
    """Then the files say nothing of what is computed with."""
    language_model = load_language_model(str(folder))
    first = model_fingerprint(language_model)
    with torch.no_grad():
        language_model.model.model.layers[0].mlp.down_proj.weight[5, 1] += 1
    second = model_fingerprint(language_model)
    with torch.no_grad():
        language_model.model.model.layers[0].mlp.down_proj.weight[5, 1] += 1
    assert len({one["weights"] for one in (first, second, model_fingerprint(language_model))}) == 3


def test_a_smaller_copy_is_another_model(tiny_llama: LanguageModel) -> None:
    kept = torch.ones(2, 48, dtype=torch.bool)
    kept[:, 0] = False
    found = {model_fingerprint(one)["weights"] for one in (tiny_llama, pruned_model(tiny_llama, kept))}
    assert len(found) == 2
    assert pruned_model(tiny_llama, kept).read is None


def test_tensors_are_told_apart_by_all_they_are() -> None:
    one = {"a": torch.arange(6.0), "b": torch.tensor(1.0)}
    others = [
        {**one, "a": torch.arange(6.0).double()},
        {**one, "a": torch.arange(6.0).view(2, 3)},
        {**one, "a": torch.tensor([0.0, 1, 2, 3, 4, 5.0000005])},
        {**one, "a": torch.tensor([-0.0, 1, 2, 3, 4, 5])},
        {"c": one["a"], "b": one["b"]},
        {"a": one["a"]},
    ]
    assert len({tensors_hash(tensors) for tensors in [one, *others]}) == 7
    assert tensors_hash(dict(reversed(one.items()))) == tensors_hash({"a": torch.arange(12.0)[::2] / 2, "b": one["b"]})


def test_a_gguf_file(tmp_path: Path) -> None:
    """Its folder and what lies beside it say nothing; its weights and its chat template do."""
    first = of(make_tiny_gguf(tmp_path / "tiny.gguf"))
    (tmp_path / "README.md").write_text("about", encoding="utf-8")
    assert of(tmp_path / "tiny.gguf") == first
    (tmp_path / "copy").mkdir()
    assert of(Path(shutil.copy(tmp_path / "tiny.gguf", tmp_path / "copy" / "tiny.gguf"))) == first
    content = bytearray((tmp_path / "tiny.gguf").read_bytes())
    content[-4 * 32 - 4 * 5] ^= 1  # the lowest bit of a weight
    (tmp_path / "tiny.gguf").write_bytes(content)
    assert differing(first, of(tmp_path / "tiny.gguf")) == {"weights"}
    assert "tokenizer" in differing(first, of(make_tiny_gguf(tmp_path / "tiny.gguf", chat_template="{{ 1 }}")))


def test_a_snapshot_of_the_hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links to blobs, in the folder that the hub's own library keeps; the network is away."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(HfApi, "model_info", partial(HfApi("http://127.0.0.1:9").model_info))
    kept, commit = tmp_path / "hub" / "models--owner--tiny-llama", "0" * 40
    snapshot = kept / "snapshots" / commit
    for path in (kept / "refs", kept / "blobs", snapshot):
        path.mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit, encoding="utf-8")
    for file in folder.iterdir():
        shutil.copy(file, kept / "blobs" / file.name)
        (snapshot / file.name).symlink_to(kept / "blobs" / file.name)
    fetched = load_language_model("owner/tiny-llama")
    assert fetched.read is not None
    assert fetched.read.files.paths == (snapshot / "model.safetensors",)
    assert model_fingerprint(fetched) == of(folder)
    edit_one_weight(kept / "blobs")
    assert differing(of(folder), model_fingerprint(load_language_model("owner/tiny-llama"))) == {"weights"}


def test_code_that_comes_with_a_model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    names = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    edit_json(folder / "config.json", lambda found: {**found, "model_type": "own-kind", "auto_map": names})
    code = (
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own-kind'\n"
        "class OwnModel(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    found = []
    for end in ("", "# changed\n"):
        (folder / "own.py").write_text(code + end, encoding="utf-8")
        found.append(of(folder, trust_remote_code=True))
    assert differing(*found) == {"code"}


def test_a_checkpoint_that_lacks_weights_is_refused(folder: Path) -> None:
    """Transformers would put random numbers in their place, others each time."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadRequest, match=r"with all weights.*; 1 are missing, .*\.mlp\.down_proj\.weight"):
        load_language_model(str(folder))


def test_tied_weights_are_not_missed(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "tied", "llama", tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    load_language_model(str(folder))


def made_encoder(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def test_a_model_of_sentence_embeddings(folder: Path) -> None:
    encoder = made_encoder(folder)
    first = encoder_hash(encoder)
    assert encoder_hash(made_encoder(folder)) == first
    edit_one_weight(folder, "model.layers.1.mlp.down_proj.weight")
    second = encoder_hash(made_encoder(folder))
    edit_json(folder / "tokenizer.json", swap_two_tokens)
    third = encoder_hash(made_encoder(folder))
    encoder.max_seq_length = 3
    assert len({first, second, third, encoder_hash(encoder)}) == 4


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    return told.err


@pytest.mark.parametrize("changed", ["weights", "tokenizer"])
def test_old_rows_are_not_taken_for_those_of_an_edited_model(
    changed: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("llm", "evaluate", str(folder), "words", *FEW, "--out", str(tmp_path / "out"))
    assert main(list(asked)) == 0
    assert main(list(asked)) == 0
    capsys.readouterr()
    if changed == "weights":
        edit_one_weight(folder)
    else:
        edit_json(folder / "tokenizer.json", swap_two_tokens)
    assert f"it has another model: other {changed} (there: " in refused(capsys, *asked)
    assert main([*asked, "--force"]) == 0


def test_old_rows_are_not_taken_for_those_of_other_embeddings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_encoder(folder).save(str(tmp_path / "encoder"))
    asked = ["llm", "select", str(folder), "words", "--selector", "similarity", "--patterns", "2", *FEW[:4]]
    asked += ["--shots", "2", "--embeddings", str(tmp_path / "encoder"), "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    assert main(asked) == 0
    capsys.readouterr()
    edit_one_weight(next((tmp_path / "encoder").rglob("model.safetensors")).parent, "layers.1.mlp.down_proj.weight")
    assert "it has another embeddings (there: " in refused(capsys, *asked)


def test_a_folder_of_an_earlier_version_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("llm", "evaluate", str(folder), "words", *FEW, "--out", str(tmp_path / "out"))
    assert main(list(asked)) == 0
    capsys.readouterr()

    def earlier(note: dict[str, Any]) -> dict[str, Any]:
        model = {"name": "tiny-llama", "weights": "0123456789abcdef"}
        return {**note, "format": 1, "settings": {**note["settings"], "model": model}}

    edit_json(tmp_path / "out" / "run.json", earlier)
    told = refused(capsys, *asked)
    assert "of layout 1, of an earlier version that noted neither all weights nor the tokenizer" in told
    assert "choose another folder, or recompute with --force" in told
    assert main([*asked, "--force"]) == 0


def test_a_model_made_in_python_has_its_tensors_hashed(tiny_llama: LanguageModel) -> None:
    made = replace(tiny_llama, read=None)
    assert model_fingerprint(made)["weights"] == tensors_hash(made.model.state_dict())
