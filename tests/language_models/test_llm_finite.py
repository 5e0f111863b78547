"""Scores that are no numbers are refused in one line that names the layer in which they begin."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_models.tiny_models import make_tiny
from safetensors.torch import load_file, save_file

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest
from iclscope.language_models.heads.reading import demonstration_attention
from iclscope.language_models.models.finite import check_gives_numbers, not_numbers
from iclscope.language_models.models.hidden_states import text_states
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.calibration import calibrated
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.pruning.neuron_scores import activity, magnitudes
from iclscope.language_models.pruning.perplexity import nll
from iclscope.language_models.pruning.pruned import without_neurons
from iclscope.language_models.settings import ModelSource
from iclscope.language_models.texts.labelled_text import LabelledTexts
from iclscope.pruning import kept_neurons

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

LABELS = (" animal", " food", " something of many tokens")
GROUP = PromptGroup("Text: a horse\nLabel: animal\n\n", ("Text: the wolf\nLabel:", "Text: soup\nLabel:"))
MLP = "model.layers.1.mlp"


def edited(folder: Path, to: Path, changes: dict[str, Any], dtype: str = "float32") -> LanguageModel:
    """A copy of a model with weights set: name → (place, number), or a factor for all of it."""
    shutil.copytree(folder, to)
    file = to / "model.safetensors"
    tensors = load_file(file)
    for name, change in changes.items():
        if isinstance(change, tuple):
            tensors[name][change[0]] = change[1]
        else:
            tensors[name] *= change
    save_file(tensors, file, metadata={"format": "pt"})
    return load_language_model(ModelSource(name=str(to), dtype=dtype))


def refusal(ask: Any) -> str:
    with pytest.raises(BadRequest) as refused:
        ask()
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("weights", "layer"),
    [
        (f"{MLP}.down_proj.weight", f"{MLP}.down_proj"),
        (f"{MLP}.gate_proj.weight", f"{MLP}.gate_proj"),
        ("model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.v_proj"),
        ("model.layers.0.input_layernorm.weight", "model.layers.0.input_layernorm"),
        ("model.norm.weight", "model.norm"),
    ],
)
def test_a_weight_that_is_no_number(
    weights: str, layer: str, number: float, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    place = (3, 1) if "norm" not in weights else (3,)
    change = {weights: (place, number)}
    if "attn" in weights and math.isnan(number):  # seen when it is loaded: attention could pass over it
        told = refusal(lambda: edited(tiny_llama_folder, tmp_path / "m", change))
        assert told.endswith(f"those of {weights} are not")
        return
    broken = edited(tiny_llama_folder, tmp_path / "m", change)
    told = refusal(lambda: label_scores(broken, [GROUP], LABELS))
    assert f"in layer {layer} they stop being finite: 1 of its" in told
    assert told.endswith("weights is no number")
    assert told == refusal(lambda: check_gives_numbers(broken, [5, 9])).replace("logits", "scores")


def test_the_layers_of_gpt2(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "tiny-gpt2", "gpt2")
    broken = edited(folder, tmp_path / "m", {"transformer.h.1.mlp.c_fc.bias": ((7,), float("nan"))})
    told = refusal(lambda: label_scores(broken, [GROUP], LABELS))
    assert "in layer transformer.h.1.mlp.c_fc they stop being finite: 1 of its 4,224 weights is no number" in told


def test_the_head(tiny_llama_folder: Path, tmp_path: Path) -> None:
    """NaN for one token leaves no probability to any."""
    broken = edited(tiny_llama_folder, tmp_path / "m", {"lm_head.weight": ((3, 1), float("nan"))})
    assert "in layer lm_head they stop being finite: 1 of" in refusal(lambda: label_scores(broken, [GROUP], LABELS))


def test_everything_that_makes_numbers_refuses(tiny_llama_folder: Path, tmp_path: Path) -> None:
    """Not only scores: whatever is measured."""
    name = "model.layers.0.mlp.up_proj"
    broken = edited(tiny_llama_folder, tmp_path / "m", {f"{name}.weight": ((0, 1), float("nan"))})
    shown = LabelledTexts(("a horse", "soup"), ("animal", "food"))
    for ask in (
        lambda: nll(broken, [(5, 6, 7), (8, 9)]),
        lambda: text_states(broken, ["a horse", "soup"]),
        lambda: activity(broken, [(5, 6, 7)]),
        lambda: demonstration_attention(broken, PromptFormat(), shown, ["the wolf", "bread"], ("animal", "food")),
    ):
        assert f"in layer {name} they stop being finite" in refusal(ask)
    told = refusal(lambda: magnitudes(broken, "incoming"))
    assert "in layer model.layers.0.mlp the weights or the activity of 1 of 48 are no finite numbers" in told


def test_norms_that_are_too_large(tiny_llama_folder: Path, tmp_path: Path) -> None:
    """Weights that are finite, of which the squares are not."""
    large = edited(tiny_llama_folder, tmp_path / "m", {f"{MLP}.down_proj.weight": (slice(None), 3e38)})
    assert f"in layer {MLP} the weights" in refusal(lambda: magnitudes(large))


def test_a_token_that_only_some_prompts_have(tiny_llama_folder: Path, tmp_path: Path) -> None:
    """The model is fine until it comes."""
    whole = load_language_model(str(tiny_llama_folder))
    ids = [set(whole.tokenizer(query)["input_ids"]) for query in GROUP.queries]
    (rare, *_) = ids[1] - ids[0] - set(whole.tokenizer(GROUP.prefix)["input_ids"])
    broken = edited(tiny_llama_folder, tmp_path / "m", {"model.embed_tokens.weight": ((rare, 0), float("nan"))})
    only_first = GROUP._replace(queries=GROUP.queries[:1])
    np.testing.assert_array_equal(
        label_scores(broken, [only_first], LABELS)[0], label_scores(whole, [only_first], LABELS)[0]
    )
    told = refusal(lambda: label_scores(broken, [GROUP], LABELS))
    assert "in layer model.embed_tokens they stop being finite: 1 of its 10,240 weights is no number" in told


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({f"{MLP}.down_proj.weight": 3e4}, f"{MLP}.down_proj"),
        ({f"{MLP}.up_proj.weight": 100, f"{MLP}.gate_proj.weight": 100}, MLP),  # the product of the two
    ],
    ids=["a projection", "between projections"],
)
def test_numbers_too_large_for_float16(
    changes: dict[str, Any], layer: str, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    exact = edited(tiny_llama_folder, tmp_path / "exact", changes)
    assert np.isfinite(label_scores(exact, [GROUP], LABELS)[0]).all()
    half = load_language_model(ModelSource(name=str(tmp_path / "exact"), dtype="float16"))
    told = refusal(lambda: label_scores(half, [GROUP], LABELS))
    assert (
        f"in layer {layer} they stop being finite: what it computes is too large for float16; --dtype float32" in told
    )


def test_logits_too_large_for_float16_are_in_float32(tiny_llama_folder: Path, tmp_path: Path) -> None:
    exact = edited(tiny_llama_folder, tmp_path / "exact", {"lm_head.weight": 3e4})
    half = load_language_model(ModelSource(name=str(tmp_path / "exact"), dtype="float16"))
    check_gives_numbers(half, [5, 6, 7])
    expected = label_scores(exact, [GROUP], LABELS)[0]
    assert np.abs(expected).max() > 65504
    np.testing.assert_allclose(label_scores(half, [GROUP], LABELS)[0], expected, rtol=0.05)


def test_silent_neurons_are_silent_here_too(tiny_llama_folder: Path, tmp_path: Path) -> None:
    """A neuron that gives NaN does no harm once it is removed; the layer of another one is named."""
    nan = float("nan")
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(2)]
    broken = edited(tiny_llama_folder, tmp_path / "m", dict.fromkeys(names, ((7, 1), nan)))
    kept = torch.ones(2, 48, dtype=torch.bool)
    kept[0, 7] = False
    with without_neurons(broken, kept):
        told = refusal(lambda: label_scores(broken, [GROUP], LABELS))
    assert "in layer model.layers.1.mlp.up_proj they" in told
    kept[1, 7] = False
    with without_neurons(broken, kept):
        assert np.isfinite(label_scores(broken, [GROUP], LABELS)[0]).all()
        assert np.isfinite(nll(broken, [(5, 6, 7)])).all()


@pytest.fixture
def phi(tmp_path: Path) -> LanguageModel:
    """A model whose head has a bias, by which tokens can be made impossible."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    return load_language_model(str(make_tiny(tmp_path / "phi", "phi", **sizes)))


def forbid(language_model: LanguageModel, tokens: list[int]) -> None:
    model: Any = language_model.model
    with torch.no_grad():
        model.lm_head.bias[tokens] = -float("inf")


def firsts(language_model: LanguageModel) -> list[int]:
    """The first token of each label."""
    found: list[int] = [language_model.tokenizer(label)["input_ids"][0] for label in LABELS]
    assert len(set(found)) == len(LABELS)
    return found


def test_a_vocabulary_of_which_tokens_are_masked(phi: LanguageModel) -> None:
    """Padding of the vocabulary: its tokens never come, and the scores of labels are numbers."""
    used = {token for label in LABELS for token in phi.tokenizer(label)["input_ids"]}
    (before,) = label_scores(phi, [GROUP], LABELS)
    forbid(phi, [token for token in range(300, 320) if token not in used])
    check_gives_numbers(phi, [5, 9])
    (found,) = label_scores(phi, [GROUP], LABELS)
    assert np.isfinite(found).all()
    assert (found >= before - 1e-4).all()  # what others lost is shared


def test_a_label_that_never_comes_never_wins(phi: LanguageModel) -> None:
    forbid(phi, firsts(phi)[:1])
    (found,) = label_scores(phi, [GROUP], LABELS)
    assert (found[:, 0] == -np.inf).all()
    assert np.isfinite(found[:, 1:]).all()
    fair = calibrated(found, found)
    assert (fair[:, 0] == -np.inf).all()
    assert np.isfinite(fair[:, 1:]).all()


def test_labels_none_of_which_can_come(phi: LanguageModel) -> None:
    forbid(phi, firsts(phi))
    told = refusal(lambda: label_scores(phi, [GROUP], LABELS))
    assert "to this one all labels are impossible behind the prompt that ends in" in told


def test_tokens_none_of_which_can_come(phi: LanguageModel) -> None:
    forbid(phi, list(range(320)))
    assert "in layer lm_head they stop being finite: 320 of its" in refusal(lambda: label_scores(phi, [GROUP], LABELS))


def test_a_text_that_can_never_come(phi: LanguageModel) -> None:
    """Its NLL is no number that a mean could be taken of."""
    forbid(phi, [7])
    assert np.isfinite(nll(phi, [(5, 6), (7, 6)])).all()
    assert "probabilities of texts" in refusal(lambda: nll(phi, [(5, 6), (5, 7)]))


def test_where_it_begins_may_be_unknown(tiny_llama: LanguageModel) -> None:
    assert "it cannot be told where that begins" in str(not_numbers(tiny_llama, [(5, 6)]))


def test_neurons_without_an_order() -> None:
    scores = torch.tensor([[1.0, float("nan"), 2.0]])
    for method in ("smallest", "largest"):
        assert "1 that are no numbers" in refusal(lambda way=method: kept_neurons(scores, 0.5, way))
    assert kept_neurons(scores, 0.34, "random", seeds=[0]).sum() == 2


@pytest.mark.parametrize("command", ["evaluate", "select", "prune", "attention"])
def test_all_commands_refuse_before_anything_is_written(
    command: str, tiny_llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(tiny_llama_folder, tmp_path / "tiny", {f"{MLP}.down_proj.weight": ((3, 1), float("nan"))})
    capsys.readouterr()
    assert main(["llm", command, str(tmp_path / "tiny"), "words", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert f"in layer {MLP}.down_proj they stop being finite: 1 of its 1,536 weights is no number" in told.err
    assert not (tmp_path / "out").exists()
