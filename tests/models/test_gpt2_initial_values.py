"""Initial values of GPT-2: transformers' own distribution, from a seed per run."""

from __future__ import annotations

import math

import pytest
import torch
import transformers
from scipy import stats
from torch import Tensor, nn

from iclscope.models import GPT2Transformer

CONFIG = {"d_X": 20, "layers": 3, "heads": 2, "embedding": 64, "positions": 64}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Tensor]:
    """What transformers and PyTorch draw for a model of these sizes."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=1, n_positions=64, n_embd=64, n_layer=3, n_head=2)
    modules = {
        "backbone": transformers.GPT2Model(config),
        "read_in": nn.Linear(20, 64),
        "read_out": nn.Linear(64, 1),
    }
    torch.set_rng_state(state)
    found = {
        f"network.{n}.{m}": w.detach().double() for n, module in modules.items() for m, w in module.named_parameters()
    }
    del found["network.backbone.wte.weight"]
    return found


@pytest.fixture(scope="module")
def ours() -> dict[str, Tensor]:
    model = GPT2Transformer(seeds=[0, 1], dtype=torch.float64, **CONFIG)
    return {name: weight.detach() for name, weight in model.named_parameters()}


def test_names_and_shapes_are_transformers_own(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert {name: weight.shape[1:] for name, weight in ours.items()} == {name: w.shape for name, w in theirs.items()}


def test_every_weight_is_distributed_as_theirs(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Mean and standard deviation within five standard errors of theirs, and no other shape of distribution."""
    drawn = 0
    for name, weight in theirs.items():
        for run in range(2):
            own = ours[name][run]
            if weight.numel() == 1:  # the bias of the read-out, as uniform as its weights
                assert 0 < abs(float(own)) <= 1 / math.sqrt(64)
                continue
            if not float(weight.std(correction=0)):
                assert torch.equal(own, weight), f"{name}: a constant"
                continue
            drawn += 1
            count = weight.numel()
            deviation = float(weight.std(correction=0))
            error = 5 * math.sqrt(2 / count)  # both are samples
            assert abs(float(own.mean() - weight.mean())) < error * deviation, name
            assert abs(float(own.std(correction=0)) / deviation - 1) < error, name
            assert stats.ks_2samp(own.flatten().numpy(), weight.flatten().numpy()).pvalue > 1e-4, name
    assert drawn == 2 * (3 * 4 + 1 + 3), "four matrices per layer, positions, read-in with its bias, read-out"


def test_residual_weights_are_smaller_by_the_square_root_of_twice_the_layers(ours: dict[str, Tensor]) -> None:
    deviation = {name: float(weight.std()) for name, weight in ours.items() if name.endswith("weight")}
    for layer in range(3):
        for part in ("attn", "mlp"):
            into = deviation[f"network.backbone.h.{layer}.{part}.c_proj.weight"]
            assert into == pytest.approx(0.02 / math.sqrt(6), rel=0.05)
    assert deviation["network.backbone.h.0.attn.c_attn.weight"] == pytest.approx(0.02, rel=0.05)


def test_a_read_in_is_uniform_up_to_its_bound() -> None:
    model = GPT2Transformer(seeds=1, dtype=torch.float64, **{**CONFIG, "d_X": 4})
    values = model.network.read_in.weight.detach()
    assert 0.45 < float(values.abs().max()) <= 0.5  # 1/√4


def test_no_two_weights_are_drawn_from_the_same_numbers(ours: dict[str, Tensor]) -> None:
    parts = [weight[run].flatten()[:64] for weight in ours.values() for run in range(2) if weight[run].numel() >= 64]
    drawn = [part for part in parts if float(part.std())]
    together = torch.corrcoef(torch.stack(drawn)).fill_diagonal_(0)
    assert float(together.abs().max()) < 0.6  # of 64 independent numbers: 5/√64


def test_equal_seeds_give_equal_weights_whatever_the_company() -> None:
    together = GPT2Transformer(seeds=[5, 6, 5], **CONFIG).state_dict()
    alone = GPT2Transformer(seeds=[6], **CONFIG).state_dict()
    for name, weight in together.items():
        assert torch.equal(weight[0], weight[2]), name
        assert torch.equal(weight[1], alone[name][0]), name
    assert not torch.equal(*together["network.backbone.wpe.weight"][:2])
    assert GPT2Transformer(seeds=3, **CONFIG).seeds == (0, 1, 2)


def test_precision_only_rounds() -> None:
    single, double = (GPT2Transformer(seeds=[3], dtype=dtype, **CONFIG) for dtype in (torch.float32, torch.float64))
    for name, weight in double.state_dict().items():
        assert torch.equal(weight.float(), single.state_dict()[name]), name


def test_untrained_goes_back_to_the_initial_values() -> None:
    model = GPT2Transformer(seeds=[7, 8], dtype=torch.float64, **CONFIG)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(-3)
    again = model.untrained()
    assert again.seeds == (7, 8)
    assert again.trained_on is None
    assert all(torch.equal(weight, before[name]) for name, weight in again.state_dict().items())


def test_every_weight_is_trained() -> None:
    """No buffer, and nothing left without values; the embedding of words, which nothing reads, is gone."""
    model = GPT2Transformer(**CONFIG)
    assert list(model.buffers()) == []
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}
    assert all(weight.requires_grad for weight in model.parameters())
    assert [name for name in model.state_dict() if "wte" in name] == []


def test_fan_in_scales_the_matrices_of_the_layers_by_their_inputs(ours: dict[str, Tensor]) -> None:
    model = GPT2Transformer(seeds=[0, 1], dtype=torch.float64, initial="fan_in", **CONFIG)
    for name, weight in model.named_parameters():
        own = weight.detach()
        if name not in model.matrices:
            assert torch.equal(own, ours[name]), f"{name} is no matrix of a layer"
            continue
        shrunk = math.sqrt(2 * 3) if "c_proj" in name else 1
        expected = 1 / math.sqrt(4 * 64 if name.endswith("mlp.c_proj.weight") else 64) / shrunk
        assert float(own.std()) == pytest.approx(expected, rel=0.05), name
        assert torch.allclose(own / expected, ours[name] / (0.02 / shrunk)), "the same draws"
