"""What layers and heads of GPT-2 do, against loops over prompts, heads and neurons."""

from __future__ import annotations

import math
from typing import Any

import gpt2_reference
import pytest
import torch
from torch import Tensor

from iclscope.mechanism import layer_attention, layer_neurons
from iclscope.models import GPT2Transformer
from iclscope.tasks import PatternClassification, PatternPrompts

TASK = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
FORMATS = ["columns", "alternating"]


def scrambled(tokens: str, seeds: Any = (3, 4), **settings: Any) -> GPT2Transformer:
    model = GPT2Transformer(
        seeds=seeds, dtype=torch.float64, tokens=tokens,
        **{"d_X": 5, "d_Y": 2, "layers": 2, "heads": 2, "embedding": 8, "positions": 12, **settings},
    )  # fmt: skip
    with torch.no_grad():
        for name, weight in model.named_parameters():
            generator = torch.Generator().manual_seed(len(name))
            weight += 0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return model


def prompts_of(model: GPT2Transformer, length: Any, batch: int = 6) -> PatternPrompts:
    return TASK.replace(length=length).sampler(model.seeds, dtype=torch.float64).prompts(batch, purpose="test")


def tokens_of(prompts: PatternPrompts, form: str, run: int, prompt: int) -> gpt2_reference.Tokens:
    examples = prompts.examples()
    assert examples.query_at is not None
    write = gpt2_reference.columns if form == "columns" else gpt2_reference.alternating
    inputs, answers = examples.inputs[run, prompt].tolist(), examples.answers[run, prompt].tolist()
    return write(inputs, answers, int(examples.query_at[run, prompt]))


@pytest.mark.parametrize("tokens", FORMATS)
@pytest.mark.parametrize("length", [4, (0, 4)])
def test_attention_written_out(tokens: str, length: Any) -> None:
    """Head by head and prompt by prompt, on attention weights of transformers' own model."""
    model = scrambled(tokens)
    prompts = prompts_of(model, length)
    found = layer_attention(model, prompts)
    for run in range(2):
        plain = gpt2_reference.PlainGPT2(model.state_dict(), run, 2)
        shares: dict[tuple[int, int], list[float]] = {(layer, head): [] for layer in range(2) for head in range(2)}
        on_context: dict[int, list[float]] = {0: [], 1: []}
        for prompt in range(6):
            written = tokens_of(prompts, tokens, run, prompt)
            attention = plain.read(written.vectors).attention
            there = [True] * 4 if prompts.mask is None else prompts.mask[run, prompt].tolist()
            wanted = int(prompts.query_relevant[run, prompt])
            same = [yes and int(prompts.relevant[run, prompt, s]) == wanted for s, yes in enumerate(there)]
            for layer, head in shares:
                row = attention[layer, head, written.read_at[0]].tolist()
                on = [row[s] if tokens == "columns" else row[2 * s] + row[2 * s + 1] for s in range(sum(there))]
                on_context[layer].append(sum(on))
                if any(same):
                    shares[layer, head].append(sum(a for s, a in enumerate(on) if same[s]) / sum(on))
        for layer in range(2):
            heads = [sum(shares[layer, head]) / len(shares[layer, head]) for head in range(2)]
            assert float(found.same_pattern[run, layer]) == pytest.approx(sum(heads) / 2, rel=1e-10)
            assert float(found.best_head[run, layer]) == pytest.approx(max(heads), rel=1e-10)
            assert heads[0] != pytest.approx(heads[1], rel=1e-3), "both heads do the same: the test sees too little"
            mean = sum(on_context[layer]) / len(on_context[layer])
            assert float(found.on_context[run, layer]) == pytest.approx(mean, rel=1e-10)


@pytest.mark.parametrize("tokens", FORMATS)
def test_even_attention_sees_the_share_of_the_pattern(tokens: str) -> None:
    """Without queries and keys every token gets the same attention, the query's own as much as any other."""
    model = scrambled(tokens, seeds=[3])
    with torch.no_grad():
        for layer in range(2):
            attention = model.network.get_submodule(f"backbone.h.{layer}.attn.c_attn")
            attention.weight[:, :, :16] = 0
            attention.bias[:, :16] = 0
    prompts = prompts_of(model, 4)
    found = layer_attention(model, prompts)
    share = prompts.same_pattern.double().mean(dim=2)
    expected = float(share[share > 0].mean())
    assert found.same_pattern.flatten().tolist() == pytest.approx([expected] * 2)
    assert found.best_head.flatten().tolist() == pytest.approx([expected] * 2)
    tokens_before = 4 if tokens == "columns" else 8
    assert found.on_context.flatten().tolist() == pytest.approx([tokens_before / (tokens_before + 1)] * 2)


def test_prompts_without_the_pattern_are_left_out() -> None:
    model = scrambled("columns", seeds=[3])
    prompts = prompts_of(model, (0, 2), batch=30)
    has = prompts.same_pattern.any(dim=2)[0]
    assert 0 < int(has.sum()) < 30
    kept = PatternPrompts(
        **{
            name: value[:, has] if isinstance(value, Tensor) and name != "dictionary" else value
            for name, value in vars(prompts).items()
        }
    )
    both = layer_attention(model, prompts), layer_attention(model, kept)
    torch.testing.assert_close(both[0].same_pattern, both[1].same_pattern)
    nothing = layer_attention(model, prompts_of(model, 0))
    assert bool(nothing.same_pattern.isnan().all())
    assert not nothing.on_context.any()


def test_a_run_that_is_lost_says_so() -> None:
    model = scrambled("columns")
    with torch.no_grad():
        model.network.read_in.weight[1] = torch.nan
    found = layer_attention(model, prompts_of(model, 4))
    for values in found:
        assert bool(values[0].isfinite().all())
        assert bool(values[1].isnan().all()), "attention that is not a number looks like none"


def written_out_neurons(model: GPT2Transformer, run: int, q: list[float]) -> list[tuple[float, float, float]]:
    """Per layer: the mean angles of neurons that raise and lower the output, and the mean norm of their label rows."""
    w = {name.removeprefix("network."): weight[run].tolist() for name, weight in model.state_dict().items()}
    config = model.config
    n = config.embedding
    first = config.d_X if config.tokens == "columns" else 0  # where a label stands in its token
    gain = w.get("backbone.ln_f.weight", [1.0] * n)
    found = []
    for layer in range(config.layers):
        h = f"backbone.h.{layer}."
        plus, minus, norms = [], [], []
        paths = []
        for j in range(config.d_Y):  # what a label coordinate leaves in the residual stream
            embedded = [w["read_in.weight"][k][first + j] * w[h + "ln_1.weight"][k] for k in range(n)]
            values = [sum(embedded[k] * w[h + "attn.c_attn.weight"][k][2 * n + i] for k in range(n)) for i in range(n)]
            moved = [sum(values[k] * w[h + "attn.c_proj.weight"][k][i] for k in range(n)) for i in range(n)]
            paths.append([moved[k] * w[h + "ln_2.weight"][k] for k in range(n)])
        for neuron in range(4 * n):
            row = [sum(path[k] * w[h + "mlp.c_fc.weight"][k][neuron] for k in range(n)) for path in paths]
            effect = sum(w[h + "mlp.c_proj.weight"][neuron][k] * gain[k] * w["read_out.weight"][0][k] for k in range(n))
            norm = math.hypot(*row)
            angle = math.acos(sum(a * b for a, b in zip(row, q, strict=True)) / (norm * math.hypot(*q)))
            (plus if effect > 0 else minus).append((angle, abs(effect) * norm))
            norms.append((norm, abs(effect) * norm))
        found.append(tuple(sum(v * s for v, s in pairs) / sum(s for _, s in pairs) for pairs in (plus, minus, norms)))
    return found


@pytest.mark.parametrize("tokens", FORMATS)
@pytest.mark.parametrize("final_norm", [True, False])
def test_neurons_written_out(tokens: str, final_norm: bool) -> None:
    model = scrambled(tokens, final_norm=final_norm)
    basis = TASK.sampler(model.seeds, dtype=torch.float64).in_domain
    found = layer_neurons(model, basis)
    for run in range(2):
        for layer, (plus, minus, norm) in enumerate(written_out_neurons(model, run, basis.label[run].tolist())):
            assert float(found.angle_plus[run, layer]) == pytest.approx(plus, rel=1e-9)
            assert float(found.angle_minus[run, layer]) == pytest.approx(minus, rel=1e-9)
            assert float(found.label_norm[run, layer]) == pytest.approx(norm, rel=1e-9)


@pytest.mark.parametrize("tokens", FORMATS)
def test_constructed_neurons_read_the_label(tokens: str) -> None:
    """All maps on the way are identities; half of the neurons read q and raise the output, half read −2q and lower."""
    model = scrambled(tokens, seeds=[3], layers=1, heads=1, embedding=2)
    basis = TASK.sampler([3], dtype=torch.float64).in_domain
    q = basis.label[0]
    identity = torch.eye(2, dtype=torch.float64)
    block = model.network.get_submodule("backbone.h.0")
    with torch.no_grad():
        model.network.read_in.weight[0] = 0
        label = slice(5, 7) if tokens == "columns" else slice(2)
        model.network.read_in.weight[0, :, label] = identity
        for norm in ("ln_1", "ln_2"):
            block.get_submodule(norm).weight[0] = 1
        model.network.get_submodule("backbone.ln_f").weight[0] = 1
        block.get_submodule("attn.c_attn").weight[0, :, 4:] = identity
        block.get_submodule("attn.c_proj").weight[0] = identity
        block.get_submodule("mlp.c_fc").weight[0] = torch.stack([q] * 4 + [-2 * q] * 4, dim=1)
        block.get_submodule("mlp.c_proj").weight[0] = torch.tensor([[1.0, 0.0]] * 4 + [[-1.0, 0.0]] * 4)
        model.network.read_out.weight[0] = torch.tensor([[1.0, 5.0]])
    found = layer_neurons(model, basis)
    assert found.angle_plus.tolist() == [[pytest.approx(0, abs=1e-6)]]
    assert found.angle_minus.tolist() == [[pytest.approx(math.pi, abs=1e-6)]]
    # Weighted by the size of the path: (1·1 + 2·2) / (1 + 2) times ‖q‖.
    assert found.label_norm.tolist() == [[pytest.approx(5 / 3 * float(q.norm()))]]


def test_every_run_is_measured_against_its_own_q() -> None:
    model = scrambled("columns")
    basis = TASK.sampler(model.seeds, dtype=torch.float64).in_domain
    together = layer_neurons(model, basis)
    for run, seed in enumerate(model.seeds):
        alone = layer_neurons(model.run(run), TASK.sampler([seed], dtype=torch.float64).in_domain)
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], other[run])


@pytest.mark.parametrize("tokens", FORMATS)
def test_nothing_is_left_in_the_model(tokens: str) -> None:
    model = scrambled(tokens)
    prompts = prompts_of(model, 4)
    before = model.predict(prompts).output
    found = layer_attention(model, prompts)
    assert not any(values.requires_grad for values in found)
    assert torch.equal(model.predict(prompts).output, before)
