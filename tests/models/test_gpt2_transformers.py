"""GPT-2 with a run axis against transformers' own model, one run and one prompt at a time."""

from __future__ import annotations

from typing import Any

import gpt2_reference
import pytest
import torch
import transformers
from torch import nn

from iclscope.models import GPT2Transformer
from iclscope.tasks import ExamplePrompts, FunctionClass, PatternClassification

PATTERNS = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
FUNCTIONS = FunctionClass(d_X=4, length=3, noise=0.5)
SIZES: dict[str, Any] = {"layers": 3, "heads": 2, "embedding": 8, "positions": 12}
# Measured on these models: at most 4e-15 in float64, 2e-6 in float32.
TOLERANCE = {torch.float64: 1e-13, torch.float32: 1e-5}
CASES = {
    "patterns, columns": (PATTERNS, {"tokens": "columns", "d_X": 5, "d_Y": 2}),
    "patterns of several lengths, columns": (
        PATTERNS.replace(length=(0, 4)),
        {"tokens": "columns", "d_X": 5, "d_Y": 2},
    ),
    "patterns, alternating": (PATTERNS, {"tokens": "alternating", "d_X": 5, "d_Y": 2}),
    "patterns of several lengths, alternating": (PATTERNS.replace(length=(1, 4)), {"d_X": 5, "d_Y": 2}),
    "answers longer than inputs": (PATTERNS.replace(d_Y=7), {"d_X": 5, "d_Y": 7}),
    "no context": (PATTERNS.replace(length=0), {"tokens": "columns", "d_X": 5, "d_Y": 2}),
    "functions, every x": (FUNCTIONS, {"d_X": 4}),
    "functions, the last x": (FUNCTIONS.replace(predictions="query"), {"d_X": 4}),
    "functions, columns": (FUNCTIONS.replace(predictions="query"), {"d_X": 4, "tokens": "columns"}),
    "functions, no context": (FUNCTIONS.replace(length=0), {"d_X": 4}),
    "functions, no final norm": (FUNCTIONS, {"d_X": 4, "final_norm": False}),
    "patterns, columns, no final norm": (PATTERNS, {"tokens": "columns", "d_X": 5, "d_Y": 2, "final_norm": False}),
}


def scrambled(dtype: torch.dtype = torch.float64, seeds: Any = (3, 4), **settings: Any) -> GPT2Transformer:
    """A model far from its initial values: no bias is zero, no gain is one, attention is far from even."""
    model = GPT2Transformer(seeds=seeds, dtype=dtype, **{**SIZES, **settings})
    with torch.no_grad():
        for name, weight in model.named_parameters():
            for run, seed in enumerate(model.seeds):  # a run's weights are its seed's, wherever it stands
                generator = torch.Generator().manual_seed(100 * seed + len(name))
                noise = torch.randn(weight[run].shape, generator=generator, dtype=torch.float64)
                weight[run] += (0.3 * noise).to(dtype)
    return model


def tokens_of(prompts: ExamplePrompts, form: str, run: int, prompt: int) -> gpt2_reference.Tokens:
    examples = prompts.examples()
    query = None if examples.query_at is None else int(examples.query_at[run, prompt])
    inputs, answers = examples.inputs[run, prompt].tolist(), examples.answers[run, prompt].tolist()
    if form == "columns":
        assert query is not None
        return gpt2_reference.columns(inputs, answers, query)
    return gpt2_reference.alternating(inputs, answers, query)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("case", CASES)
def test_every_run_equals_transformers(case: str, dtype: torch.dtype) -> None:
    """Output, attention of every layer and head, and activations of every layer."""
    task, settings = CASES[case]
    model = scrambled(dtype, **settings)
    prompts = task.sampler(model.seeds, dtype=dtype).prompts(2, purpose="test")
    found = model.predict(prompts, inside=True)
    assert found.attention is not None
    assert found.hidden is not None
    for run in range(model.run_count):
        plain = gpt2_reference.PlainGPT2(model.state_dict(), run, model.config.heads)
        for prompt in range(2):
            tokens = tokens_of(prompts, model.config.tokens, run, prompt)
            answer = plain.read(tokens.vectors)
            output = answer.output[tokens.read_at]
            for ours, theirs in (
                (found.output[run, prompt].reshape(-1), output),
                (found.attention[run, prompt], answer.attention),
                (found.hidden[run, prompt], answer.hidden),
            ):
                assert ours.shape == theirs.shape
                torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("case", CASES)
def test_looking_inside_changes_nothing(case: str) -> None:
    task, settings = CASES[case]
    model = scrambled(**settings)
    prompts = task.sampler(model.seeds, dtype=torch.float64).prompts(3, purpose="test")
    without, inside = model.predict(prompts), model.predict(prompts, inside=True)
    assert without.attention is None
    assert without.hidden is None
    assert without.output.shape == prompts.labels.shape
    torch.testing.assert_close(without.output, inside.output, rtol=0, atol=1e-13)
    assert torch.equal(model.predict(prompts).output, without.output)
    hooks = [module for module in model.modules() if module._forward_hooks]
    assert hooks == [], "a hook is left in the model"


def test_attention_is_causal_and_sums_to_one() -> None:
    task, settings = CASES["functions, every x"]
    model = scrambled(**settings)
    found = model.predict(task.sampler(model.seeds, dtype=torch.float64).prompts(3, purpose="test"), inside=True)
    attention = found.attention
    assert attention is not None
    assert attention.shape == (2, 3, 3, 2, 7, 7)
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, 3, 3, 2, 7, dtype=torch.float64))
    assert not attention.triu(1).any(), "a token attends to a later one"
    assert bool((attention.diagonal(dim1=-2, dim2=-1) > 0).all())
    assert bool((attention.std(dim=3) > 1e-4)[..., 1:, 0].all()), "all heads do the same: the test sees too little"
    assert found.hidden is not None
    assert found.hidden.shape == (2, 3, 3, 7, 32)


@pytest.mark.parametrize("case", ["functions, every x", "functions, no final norm"])
@pytest.mark.parametrize("inside", [False, True])
def test_the_backbone_is_a_plain_transformers_model(inside: bool, case: str) -> None:
    """What `backbone` gives, between a read-in and a read-out of our own, says what the model says."""
    task, settings = CASES[case]
    model = scrambled(**settings)
    prompts = task.sampler(model.seeds, dtype=torch.float64).prompts(2, purpose="test")
    output = model.predict(prompts, inside=inside).output
    weights = model.state_dict()
    for run in range(2):
        plain = model.backbone(run)
        assert type(plain) is transformers.GPT2Model
        assert {weight.dtype for weight in plain.parameters()} == {torch.float64}
        for prompt in range(2):
            tokens = torch.tensor(tokens_of(prompts, "alternating", run, prompt).vectors, dtype=torch.float64)
            embedded = nn.functional.linear(
                tokens, weights["network.read_in.weight"][run], weights["network.read_in.bias"][run]
            )
            states = plain(inputs_embeds=embedded[None]).last_hidden_state[0]
            said = states @ weights["network.read_out.weight"][run, 0] + weights["network.read_out.bias"][run]
            torch.testing.assert_close(said[::2], output[run, prompt], rtol=0, atol=1e-13)


def test_a_backbone_is_a_copy() -> None:
    """Whoever trains it, or sets how it computes attention, changes nothing in the model, nor the other way round."""
    model = scrambled(d_X=4)
    prompts = FUNCTIONS.sampler(model.seeds, dtype=torch.float64).prompts(2, purpose="test")
    before = model.predict(prompts).output
    plain = model.backbone(1)
    plain.set_attn_implementation("eager")
    with torch.no_grad():
        for weight in plain.parameters():
            weight.zero_()
    assert torch.equal(model.predict(prompts).output, before)
    assert plain.config._attn_implementation == "eager"
    other = model.backbone(0)
    model.predict(prompts, inside=True)
    assert other.config._attn_implementation == model.backbone(0).config._attn_implementation == "sdpa"
    assert all(weight.requires_grad for weight in other.parameters())


def test_a_backbone_can_be_saved_and_read_by_transformers(tmp_path: Any) -> None:
    model = scrambled(torch.float32, d_X=4)
    model.backbone(1).save_pretrained(tmp_path)
    again = transformers.GPT2Model.from_pretrained(tmp_path)
    weights = model.state_dict()
    for name, weight in again.state_dict().items():
        if name != "wte.weight":
            assert torch.equal(weight, weights[f"network.backbone.{name}"][1]), name


def test_nothing_is_drawn_from_pytorchs_own_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    model = GPT2Transformer(d_X=4, **SIZES)
    model.predict(FUNCTIONS.sampler([0]).prompts(2, purpose="test"))
    model.runs([0]).untrained().backbone()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    again = GPT2Transformer(d_X=4, **SIZES)
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in model.state_dict().items())
