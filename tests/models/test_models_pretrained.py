"""Checkpoints: bit-exact, whole or not at all, and refused in one line when they are not ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from iclscope.core.errors import BadRequest
from iclscope.models import SoftmaxReLUConfig, SoftmaxReLUTransformer, pretrained

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def trained_like(seeds: tuple[int, ...] = (3, 4), dtype: torch.dtype = torch.float32) -> SoftmaxReLUTransformer:
    configs = [SoftmaxReLUConfig(d_X=4, d_Y=2, width=5, m_a=3, m_b=7, delta=0.1 + 0.01 * seed) for seed in seeds]
    model = SoftmaxReLUTransformer(seeds=seeds, configs=configs, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.linspace(-1, 1, weight.numel(), dtype=dtype).reshape(weight.shape))
    return model


def assert_same(model: SoftmaxReLUTransformer, other: SoftmaxReLUTransformer) -> None:
    assert (model.seeds, model.configs) == (other.seeds, other.configs)
    assert model.state_dict().keys() == other.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert other.state_dict()[name].dtype == weight.dtype
        assert torch.equal(other.state_dict()[name], weight), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_round_trip_is_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    model = trained_like(dtype=dtype)
    model.save_pretrained(tmp_path / "made" / "for it")
    assert_same(model, SoftmaxReLUTransformer.from_pretrained(tmp_path / "made" / "for it"))
    model.run(1).save_pretrained(str(tmp_path / "text"))
    assert_same(model.run(1), SoftmaxReLUTransformer.from_pretrained(str(tmp_path / "text")))


def test_the_files_are_json_and_safetensors_and_nothing_is_left_over(tmp_path: Path) -> None:
    trained_like().save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG, WEIGHTS]
    config = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    assert config["model"] == "SoftmaxReLUTransformer"
    assert config["seeds"] == [3, 4]
    assert config["runs"][0]["delta"] == pytest.approx(0.13)
    assert set(load_file(tmp_path / WEIGHTS)) == {"W_Q", "W_K", "W_V", "W_O", "a"}


def test_a_loaded_model_goes_back_to_the_same_initial_values(tmp_path: Path) -> None:
    model = trained_like()
    model.save_pretrained(tmp_path)
    assert_same(model.untrained(), SoftmaxReLUTransformer.from_pretrained(tmp_path).untrained())


def _without_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def _without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _half_the_weights(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def _empty_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"")


def _half_the_config(folder: Path) -> None:
    (folder / CONFIG).write_text((folder / CONFIG).read_text(encoding="utf-8")[:40], encoding="utf-8")


def _config_of_bytes(folder: Path) -> None:
    (folder / CONFIG).write_bytes(b"\xff\xfe\x00")


def _config_is_a_list(folder: Path) -> None:
    (folder / CONFIG).write_text("[]", encoding="utf-8")


def _config_of_another_model(folder: Path) -> None:
    (folder / CONFIG).write_text('{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}', encoding="utf-8")


def _weights_of_another_model(folder: Path) -> None:
    save_file({"transformer.wte.weight": torch.zeros(3, 4)}, folder / WEIGHTS)


def _weights_of_other_sizes(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({**tensors, "W_O": torch.zeros(2, 9, 7)}, folder / WEIGHTS)


def _config_without_runs(folder: Path) -> None:
    (folder / CONFIG).write_text('{"model": "SoftmaxReLUTransformer"}', encoding="utf-8")


def _config_of_impossible_sizes(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["runs"][0]["d_X"] = "many"
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    "spoil",
    [
        _without_config,
        _without_weights,
        _half_the_weights,
        _empty_weights,
        _half_the_config,
        _config_of_bytes,
        _config_is_a_list,
        _config_of_another_model,
        _weights_of_another_model,
        _weights_of_other_sizes,
        _config_without_runs,
        _config_of_impossible_sizes,
    ],
)
def test_a_spoilt_checkpoint_is_refused_in_one_line(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    trained_like().save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(BadRequest, match="checkpoint") as refusal:
        SoftmaxReLUTransformer.from_pretrained(tmp_path)
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="nowhere"):
        SoftmaxReLUTransformer.from_pretrained(tmp_path / "nowhere")


def test_an_older_checkpoint_survives_a_save_that_fails_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = trained_like()
    old.save_pretrained(tmp_path)

    def disk_full(tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half of the new weights")
        raise OSError("No space left on device")

    monkeypatch.setattr(pretrained, "save_file", disk_full)
    with pytest.raises(OSError, match="No space"):
        trained_like((8, 9)).save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG, WEIGHTS]
    assert_same(old, SoftmaxReLUTransformer.from_pretrained(tmp_path))


def test_weights_and_config_of_different_saves_are_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that dies between its two files leaves the old model, the new one or a refusal, not half of each."""
    old, new = trained_like(), trained_like((8, 9))
    old.save_pretrained(tmp_path)

    def killed(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrained, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        new.save_pretrained(tmp_path)
    try:
        found = SoftmaxReLUTransformer.from_pretrained(tmp_path)
    except BadRequest:
        return
    assert_same(old if found.seeds == old.seeds else new, found)
