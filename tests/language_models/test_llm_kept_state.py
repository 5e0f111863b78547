"""Models that keep anything but keys and values of attention are refused in one line, whatever they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from language_models.tiny_models import VOCABULARY, make_tiny, tiny_tokenizer
from refusals import says
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.hidden_states import text_states
from iclscope.language_models.models.kept_state import check_attention_only, check_reads_in_parts
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.format import PromptGroup
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.pruning.perplexity import nll
from iclscope.language_models.settings import ModelSource, TextMeasurement

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

TOKENS = [5, 9, 17, 30, 41, 5, 77, 12]
ATTENTION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
MAMBA = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}

OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "lfm2": ("lfm2", {**ATTENTION, "layer_types": ["conv", "full_attention", "conv", "full_attention"]}),
    "minimax": ("minimax", {**ATTENTION, "num_local_experts": 2}),
    "mamba": ("mamba", MAMBA),
    "mamba2": ("mamba2", {**MAMBA, "num_heads": 8, "head_dim": 8, "expand": 2, "n_groups": 1}),
    "falcon_mamba": ("falcon_mamba", MAMBA),
    "jamba": ("jamba", {**ATTENTION, "num_experts": 2, "mamba_d_state": 8}),
    "rwkv": ("rwkv", {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32}),
    "recurrent_gemma": ("recurrent_gemma", ATTENTION),
    "falcon_h1": ("falcon_h1", ATTENTION),
    "qwen3_next": ("qwen3_next", {**ATTENTION, "num_experts": 2}),
    "openai-gpt": ("openai-gpt", {"n_embd": 32, "n_layer": 2, "n_head": 2}),
}
"""Model type and sizes: convolutions, linear attention, state spaces, recurrence, and one that has no cache at all."""

KEPT: dict[str, tuple[str, dict[str, Any]]] = {
    "lfm2 of attention alone": ("lfm2", {**ATTENTION, "layer_types": ["full_attention"] * 4}),
    "windows": ("gemma3_text", {**ATTENTION, "sliding_window": 4}),
    "windows and whole": ("gpt_oss", {**ATTENTION, "num_local_experts": 2, "num_experts_per_tok": 1}),
    "experts": ("mixtral", {**ATTENTION, "num_local_experts": 2}),
    "distances": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2}),
}


def made(kind: str, sizes: dict[str, Any]) -> LanguageModel:
    """A tiny model of a kind, of random weights."""
    config = CONFIG_MAPPING[kind](vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, pad_token_id=0, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    return LanguageModel(model, tiny_tokenizer(), ModelSource(name=kind), f"tiny-{kind}", 512)


def one_line(refused: pytest.ExceptionInfo[BadRequest], name: str) -> str:
    text = str(refused.value)
    assert "\n" not in text
    assert says(text, "MODEL: expected a model of attention layers only; ")
    return text


@pytest.mark.parametrize(("kind", "sizes"), OTHERS.values(), ids=OTHERS)
def test_another_state_is_refused(kind: str, sizes: dict[str, Any]) -> None:
    language_model = made(kind, sizes)
    for ask in (
        lambda: check_attention_only(language_model),
        lambda: check_reads_in_parts(language_model, TOKENS),
        lambda: label_scores(language_model, [PromptGroup("", ("a",))], (" b", " c")),
        lambda: nll(language_model, [TOKENS]),
        lambda: text_states(language_model, ["a"]),
    ):
        with pytest.raises(BadRequest) as refused:
            ask()
        assert kind in one_line(refused, f"tiny-{kind}")


def test_the_layers_are_named() -> None:
    with pytest.raises(BadRequest, match=r"lfm2 has layers that keep another state: conv$"):
        check_attention_only(made(*OTHERS["lfm2"]))
    with pytest.raises(BadRequest, match=r"minimax has layers that keep another state: linear_attention$"):
        check_attention_only(made(*OTHERS["minimax"]))


@pytest.mark.parametrize(("kind", "sizes"), KEPT.values(), ids=KEPT)
def test_attention_of_all_kinds_is_read(kind: str, sizes: dict[str, Any]) -> None:
    language_model = made(kind, sizes)
    check_attention_only(language_model)
    check_reads_in_parts(language_model, TOKENS)


@pytest.mark.parametrize("kind", ["mamba", "lfm2", "minimax"])
@pytest.mark.parametrize("command", ["evaluate", "select", "prune", "attention"])
def test_all_commands_refuse_before_anything_is_written(
    command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_tiny(tmp_path / f"tiny-{kind}", *OTHERS[kind][:1], **OTHERS[kind][1])
    capsys.readouterr()
    assert main(["llm", command, str(folder), "words", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "a model of attention layers only" in told.err
    assert not (tmp_path / "out").exists()


class Forgetful(nn.Module):
    """Stands for a model of somebody else's, which takes keys and values and does not do with them what it should."""

    def __init__(self, language_model: LanguageModel, fault: str) -> None:
        super().__init__()
        self.inner, self.fault, self.state = language_model.model, fault, 0.0
        self.config, self.device, self.dtype = self.inner.config, self.inner.device, self.inner.dtype

    def forward(self, input_ids: Any, attention_mask: Any, past_key_values: Any = None, **more: Any) -> Any:
        if self.fault == "raises" and past_key_values is not None:
            raise ValueError("needs a cache\nof its own")
        if self.fault == "ignores":
            return self.inner(input_ids=input_ids, **{**more, "use_cache": False})
        found = self.inner(input_ids=input_ids, attention_mask=attention_mask, past_key_values=past_key_values, **more)
        if self.fault == "keeps more":  # a state that begins anew with each call
            found.logits += 5 * torch.linspace(-1, 1, VOCABULARY).roll(int(input_ids[0, 0]))
        return found


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "does not read on behind keys and values: needs a cache of its own"),
        ("ignores", "does not keep the keys and values"),
        ("keeps more", "gives other answers to what it reads in two parts"),
    ],
)
def test_what_a_model_does_not_say_of_itself(fault: str, words: str, tiny_llama: LanguageModel) -> None:
    broken: Any = Forgetful(tiny_llama, fault)
    language_model = LanguageModel.__new__(LanguageModel)
    for name, value in {**vars(tiny_llama), "model": broken}.items():
        object.__setattr__(language_model, name, value)
    with pytest.raises(BadRequest) as refused:
        check_reads_in_parts(language_model, TOKENS)
    assert words in one_line(refused, tiny_llama.name)


def test_half_precision_is_no_other_state(tiny_folder: Path) -> None:
    for dtype in ("bfloat16", "float16"):
        check_reads_in_parts(load_language_model(ModelSource(name=str(tiny_folder), dtype=dtype)), TOKENS * 3)


def test_a_model_is_tried_before_it_is_measured(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "tiny-rwkv", "rwkv", **OTHERS["rwkv"][1])
    with pytest.raises(BadRequest, match="attention layers only"):
        prepare(TextMeasurement(model=ModelSource(name=str(folder)), queries=2))
