"""Masks, smaller models and their checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from language_models.tiny_models import make_tiny
from transformers import AutoTokenizer, GenerationConfig

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.prompts.tokens import encode_texts
from iclscope.language_models.pruning.cost import cost_rows, weight_bytes, without_first
from iclscope.language_models.pruning.pruned import check_saveable, pruned_model, save_checkpoint, without_neurons
from iclscope.language_models.pruning.save import check_empty
from iclscope.pruning import kept_neurons

TEXTS = ["Review: a good film\nSentiment: positive", "Review: bad\nSentiment:"]


def _logits(language_model: LanguageModel, text: str = TEXTS[0]) -> torch.Tensor:
    model: Any = language_model.model
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.tensor(encode_texts(language_model, [text]))).logits
    return found


def _half(language_model: LanguageModel) -> torch.Tensor:
    layout = mlp_layout(language_model)
    scores = torch.rand(len(layout.mlps), layout.width, generator=torch.Generator().manual_seed(3))
    return kept_neurons(scores, 0.5, "smallest")


def test_masks_end_with_their_block_also_after_an_error(tiny: LanguageModel) -> None:
    whole = _logits(tiny)
    seen = []

    def interrupted() -> None:
        with without_neurons(tiny, _half(tiny)):
            seen.append(_logits(tiny))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        interrupted()
    assert not torch.equal(seen[0], whole)
    assert torch.equal(_logits(tiny), whole)
    assert not any(mlp.output._forward_pre_hooks for mlp in mlp_layout(tiny).mlps)


def test_a_mask_that_keeps_all_changes_nothing(tiny: LanguageModel) -> None:
    layout = mlp_layout(tiny)
    with without_neurons(tiny, torch.ones(len(layout.mlps), layout.width, dtype=torch.bool)):
        masked = _logits(tiny)
    assert torch.equal(masked, _logits(tiny))


def test_masked_neurons_may_overflow(tiny_llama: LanguageModel) -> None:
    """A neuron that gives infinity is gone when it is removed: it is set to zero, not multiplied by it."""
    layout = mlp_layout(tiny_llama)
    kept = torch.ones(len(layout.mlps), layout.width, dtype=torch.bool)
    kept[0, 2] = False
    up: Any = layout.mlps[0].inputs[1]
    before = up.weight[2].clone()
    try:
        up.weight[2] = torch.inf
        with without_neurons(tiny_llama, kept):
            assert torch.isfinite(_logits(tiny_llama)).all()
    finally:
        up.weight[2] = before


@pytest.mark.parametrize("wrong", ["shape", "unequal", "none"])
def test_masks_that_fit_no_smaller_model_are_refused(tiny: LanguageModel, wrong: str) -> None:
    kept = _half(tiny)
    if wrong == "shape":
        kept = kept[:, 1:]
    elif wrong == "unequal":
        kept[0, kept[0].nonzero()[0]] = False
    else:
        kept = torch.zeros_like(kept)
    allowed = {"shape": "mask of 2 layers", "unequal": "equally many", "none": "at least one neuron"}[wrong]
    with pytest.raises(BadRequest, match=allowed):
        pruned_model(tiny, kept)


def test_a_checkpoint_loads_with_its_tokenizer(tiny: LanguageModel, tmp_path: Path) -> None:
    small = pruned_model(tiny, _half(tiny))
    size = save_checkpoint(small, tmp_path / "new" / "folder", {"rate": 0.5})
    assert size == pytest.approx(weight_bytes(small), rel=0.05)
    assert size < weight_bytes(tiny)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new" / "folder")
    assert tokenizer(TEXTS)["input_ids"] == tiny.tokenizer(TEXTS)["input_ids"]
    again = load_language_model(str(tmp_path / "new" / "folder"))
    torch.testing.assert_close(_logits(again), _logits(small), rtol=0, atol=0)
    once_more = pruned_model(again, _half(again))
    assert mlp_layout(once_more).width == mlp_layout(again).width // 2


def test_a_folder_that_is_not_empty_is_refused(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadRequest, match="--save: expected a new or an empty folder"):
        check_empty(tmp_path)
    with pytest.raises(BadRequest, match="--save"):
        save_checkpoint(tiny_llama, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_costs_count_what_is_cut(tiny: LanguageModel) -> None:
    layout = mlp_layout(tiny)
    rows = cost_rows(tiny, [4, 10], list(range(1, 30)), repeats=2)
    weights = 32 * (3 if tiny.kind == "llama" else 2) + (tiny.kind == "gpt2")  # a bias per neuron
    saved = (rows["whole_parameters"] - rows["parameters"]).to_list()
    assert saved == [4 * weights * len(layout.mlps), 10 * weights * len(layout.mlps)]
    assert (
        (rows["whole_weight_bytes"] - rows["weight_bytes"]) == 4 * (rows["whole_parameters"] - rows["parameters"])
    ).all()
    assert (rows["prompt_seconds"] > 0).all()
    assert (rows["token_seconds"] > 0).all()
    assert (rows["token_faster_low"] <= rows["token_faster"]).all()
    assert (rows["prompt_faster"] <= rows["prompt_faster_high"]).all()
    assert rows["working_bytes"].null_count() == 2
    assert mlp_layout(without_first(tiny, 4)).width == layout.width - 4


def strictly(self: GenerationConfig, *_: Any, **__: Any) -> None:
    """What saving does in some versions of transformers; in others only where settings were changed after loading."""
    self.validate(strict=True)


@pytest.mark.parametrize("more", [{"temperature": 0.5}, {"top_p": 0.9}, {"early_stopping": True}, {"top_k": 7}])
def test_settings_of_generation_that_are_not_saved(
    more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are loaded, so that nothing tells of them until hours later."""
    model = make_tiny(tmp_path / "tiny-llama", "llama")
    file = model / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "do_sample": False, **more}), encoding="utf-8")
    monkeypatch.setattr(GenerationConfig, "save_pretrained", strictly)
    asked = ["llm", "prune", str(model), "words", "--queries", "4", "--draws", "1", "--shots", "2", "--rates", "0.5"]
    asked += ["--out", str(tmp_path / "out"), "--save", str(tmp_path / "small")]
    capsys.readouterr()
    assert main(asked) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "MODEL: expected a model that transformers saves, for --save, got " in told.err
    assert "it refuses its generation_config: " in told.err
    assert next(iter(more)) in told.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize("part", ["config", "generation_config", "tokenizer"])
def test_whatever_is_not_saved_is_named(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    language_model = load_language_model(str(make_tiny(tmp_path / "tiny-llama", "llama")))
    check_saveable(language_model)
    place: Any = language_model if part == "tokenizer" else language_model.model

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("not\nsaved")

    monkeypatch.setattr(type(getattr(place, part)), "save_pretrained", refuse)
    for save in (check_saveable, lambda model: save_checkpoint(model, tmp_path / "small")):
        with pytest.raises(BadRequest, match=rf"it refuses its {part}: not saved$"):
            save(language_model)
    assert not (tmp_path / "small").exists()


def test_settings_changed_after_loading(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: Any = tiny_llama.model.generation_config
    monkeypatch.setattr(settings, "temperature", 0.5)
    with pytest.raises(BadRequest, match=r"it refuses its generation_config: .*temperature"):
        check_saveable(tiny_llama)
