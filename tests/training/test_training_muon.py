"""Muon: each matrix as a plain reference moves it, Adam for the rest, and settings that belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.gpt2_config import GPT2TransformerConfig
from iclscope.models.run_model import Matrix
from iclscope.tasks.patterns import PatternClassification
from iclscope.training.loop import Checkpointing, matrices_of, train_runs
from iclscope.training.losses import squared_loss
from iclscope.training.muon import MOMENTUM, Muon, joined, orthogonalised, split
from iclscope.training.optimizers import UpdateRule, clipped, optimizer_of
from iclscope.training.trial import Training, Trial

RATES = torch.tensor([0.02, 0.05], dtype=torch.float64)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def reference_direction(matrix: Tensor) -> Tensor:
    """Newton–Schulz on one matrix [out, in], written out as published."""
    X = matrix / (matrix.norm() + 1e-7)
    if matrix.shape[0] > matrix.shape[1]:
        X = X.T
    for _ in range(5):
        A = X @ X.T
        X = 3.4445 * X + (-4.7750 * A + 2.0315 * A @ A) @ X
    return X.T if matrix.shape[0] > matrix.shape[1] else X


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), seed=st.integers(0, 99))
def test_singular_values_come_near_one(rows: int, columns: int, seed: int) -> None:
    U, S, V = torch.linalg.svd(drawn(rows, columns, seed=seed), full_matrices=False)
    found = orthogonalised(U @ torch.diag(0.3 + S / S.max()) @ V)
    in_its_own_basis = U.T @ found @ V.T
    assert in_its_own_basis.diagonal().sub(1).abs().max() < 0.35
    assert (in_its_own_basis - torch.diag(in_its_own_basis.diagonal())).abs().max() < 1e-9


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonalised(torch.zeros(2, 3, 4)).any()


@pytest.mark.parametrize("outputs_last", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
def test_steps_are_those_of_a_plain_reference(parts: int, outputs_last: bool) -> None:
    """Per run and matrix, [out, in] as published, with decay, shape factor and Nesterov's momentum."""
    inputs, outputs, runs, decay = 4, 6, 2, 0.3
    shape = (runs, inputs, parts * outputs) if outputs_last else (runs, parts * outputs, inputs)
    weight, bias = drawn(*shape), drawn(runs, 5, seed=1)
    kind = Matrix(parts, outputs_last)
    rule = UpdateRule("muon", adam_rate=0.01, weight_decay=decay)
    mine, my_bias = weight.clone(), bias.clone()
    optimizer = optimizer_of(rule, [mine, my_bias], RATES, {}, {0: kind})
    plain_bias = torch.nn.Parameter(bias.clone())
    adam = torch.optim.Adam([plain_bias], lr=0.01)
    momentum = torch.zeros_like(weight)
    expected = weight.clone()
    for step in range(3):
        gradient, of_bias = drawn(*shape, seed=10 + step), drawn(runs, 5, seed=20 + step)
        factor = 1 - step / 4
        optimizer.step([gradient.clone(), of_bias.clone()], factor)
        momentum = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
        ahead = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
        for run in range(runs):
            of_run = ahead[run].T if outputs_last else ahead[run]  # [parts · out, in]
            moved = torch.cat([reference_direction(part) for part in of_run.chunk(parts)])
            moved = moved * (outputs / inputs) ** 0.5
            rate = float(RATES[run]) * factor
            expected[run] = expected[run] * (1 - rate * decay) - rate * (moved.T if outputs_last else moved)
        adam.param_groups[0]["lr"] = 0.01 * factor
        plain_bias.grad = of_bias
        adam.step()
    torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(my_bias, plain_bias.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon")
def test_a_step_is_about_that_of_pytorch() -> None:
    """PyTorch's is two-dimensional only and orthogonalises in bfloat16, so loosely."""
    weight, gradient = drawn(1, 6, 4, dtype=torch.float32), drawn(1, 6, 4, seed=3, dtype=torch.float32)
    theirs = torch.nn.Parameter(weight[0].clone())
    optimizer: Any = torch.optim.Muon([theirs], lr=0.1, momentum=0.95, nesterov=True, weight_decay=0.0, eps=1e-7)
    theirs.grad = gradient[0].clone()
    optimizer.step()
    mine = weight.clone()
    rates = torch.tensor([0.1])
    Muon([mine], {0: Matrix(outputs_last=False)}, rates, {}, adam_rate=1.0).step([gradient.clone()], 1.0)
    moved, moved_there = (mine - weight)[0], theirs.detach() - weight[0]
    assert torch.nn.functional.cosine_similarity(moved.flatten(), moved_there.flatten(), dim=0) > 0.999
    assert moved.norm() / moved_there.norm() == pytest.approx(1.0, abs=0.05)


@given(parts=st.integers(1, 3), outputs_last=st.booleans(), runs=st.integers(1, 3))
def test_what_is_split_is_joined_again(parts: int, outputs_last: bool, runs: int) -> None:
    shape = (runs, 4, parts * 2) if outputs_last else (runs, parts * 2, 4)
    weight, kind = drawn(*shape), Matrix(parts, outputs_last)
    assert split(weight, kind).shape == (runs, parts, 4, 2)
    assert joined(split(weight, kind), kind).equal(weight)


def gpt2(runs: int = 2) -> GPT2Transformer:
    return GPT2Transformer(d_X=5, layers=2, heads=2, embedding=8, positions=9, seeds=runs, dtype=torch.float64)


def test_query_key_and_value_of_gpt2_move_apart() -> None:
    model = gpt2()
    names = [name for name, _ in model.named_parameters()]
    kinds = {names[place]: kind for place, kind in matrices_of(model).items()}
    assert kinds == dict(model.matrices)
    parts = {name.split(".", 4)[-1]: kind.parts for name, kind in kinds.items()}
    assert parts == {
        "attn.c_attn.weight": 3,
        "attn.c_proj.weight": 1,
        "mlp.c_fc.weight": 1,
        "mlp.c_proj.weight": 1,
    }
    for name, kind in kinds.items():
        weight = dict(model.named_parameters())[name]
        assert split(weight.detach(), kind).shape[2] == (32 if name.endswith("mlp.c_proj.weight") else 8), "inputs"


TASK = icl.tasks.FunctionClass(d_X=5, length=4)


def trained(model: GPT2Transformer, steps: int, **more: Any) -> Any:
    settings: dict[str, Any] = {"optimizer": "muon", "adam_rate": 3e-3, "weight_decay": 0.5, "clip_norm": 1.0}
    return train_runs(
        model,
        TASK.sampler(model.seeds, dtype=torch.float64),
        learning_rate=torch.full((2,), 0.02, dtype=torch.float64),
        steps=steps,
        batch_size=4,
        rate_decay=True,
        decay_power=2.0,
        loss=squared_loss,
        **settings,
        **more,
    )


def test_an_interrupted_training_goes_on_exactly(tmp_path: Path) -> None:
    whole = trained(gpt2(), 6)
    kept = Checkpointing(tmp_path / "kept.safetensors", "these", seconds=0.0)
    asked = iter([False, False, True])
    with pytest.raises(KeyboardInterrupt):
        trained(gpt2(), 6, checkpointing=kept, should_stop=lambda: next(asked))
    again = trained(gpt2(), 6, checkpointing=kept)
    assert all(again.weights[name].equal(weight) for name, weight in whole.weights.items())


def test_runs_do_not_mix() -> None:
    both = icl.train(gpt2(), TASK, optimizer="muon", steps=3, batch_size=4).model
    alone = icl.train(gpt2().run(1), TASK, optimizer="muon", steps=3, batch_size=4).model
    for (name, weight), (_, other) in zip(both.named_parameters(), alone.named_parameters(), strict=True):
        torch.testing.assert_close(weight[1], other[0], rtol=1e-9, atol=1e-12, msg=name)


def test_gradients_are_clipped_by_their_whole_norm_run_by_run() -> None:
    gradients = [0.1 * drawn(3, 2, 2), drawn(3, 5, seed=1) * torch.tensor([0.01, 1.0, 100.0])[:, None]]
    norms = torch.stack([g.reshape(3, -1).square().sum(1) for g in gradients]).sum(0).sqrt()
    found = clipped([gradient.clone() for gradient in gradients], 2.5)
    after = torch.stack([g.reshape(3, -1).square().sum(1) for g in found]).sum(0).sqrt()
    torch.testing.assert_close(after, norms.clamp(max=2.5), rtol=1e-5, atol=0)
    assert norms[0] < 2.5 < norms[2]


def test_decay_takes_a_share_of_the_weights_away() -> None:
    for name in ("sgd", "adam"):
        weight = drawn(2, 3, 3)
        now = weight.clone()
        rates = torch.full((2,), 0.1, dtype=torch.float64)
        optimizer_of(UpdateRule(name, weight_decay=0.5), [now], rates, {}, {}).step([torch.zeros_like(now)], 0.5)
        torch.testing.assert_close(now, weight * (1 - 0.1 * 0.5 * 0.5))


def test_the_one_layer_model_takes_no_compiled_steps_where_the_rule_is_another() -> None:
    task, rates = PatternClassification(length=4), torch.tensor([0.1], dtype=torch.float64)
    model = icl.models.SoftmaxReLUTransformer(width=4, seeds=1, dtype=torch.float64)
    settings = {"learning_rate": rates, "steps": 3, "batch_size": 4, "weight_decay": 0.1, "clip_norm": 0.01}
    sampler = task.sampler([0], dtype=torch.float64)
    found, plain = (train_runs(model, sampler, autograd=by_hand, **settings) for by_hand in (False, True))
    assert all(weight.equal(plain.weights[name]) for name, weight in found.weights.items())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "muon"}, r"adam_rate: expected .*, got None"),
        ({"adam_rate": 0.1}, r"adam_rate: expected .*, got 0.1"),
        ({"decay_power": 2.0}, r"decay_power: expected .*, got 2.0"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"optimizer": "muon", "adam_rate": float("nan")}, "adam_rate"),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        Training(**settings)
    assert "\n" not in str(refused.value)


def test_a_model_without_matrices_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"optimizer: expected sgd or adam"):
        icl.train(icl.models.SoftmaxReLUTransformer(width=4), PatternClassification(), optimizer="muon", steps=1)


def test_a_trial_that_muon_trains_has_a_name_of_its_own() -> None:
    gpt2 = GPT2TransformerConfig(d_X=5)
    plain, muon, decayed = (
        Trial(task=TASK, model=gpt2, training=Training(loss="squared", **more))
        for more in ({}, {"optimizer": "muon", "adam_rate": 3e-3}, {"weight_decay": 0.1})
    )
    assert len({plain.hash, muon.hash, decayed.hash}) == 3
    assert len({plain.shape, muon.shape, decayed.shape}) == 3
