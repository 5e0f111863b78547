"""GPT-2 trained with products in bfloat16: gradients near autograd's, and who may ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.models import GPT2Transformer
from iclscope.models.compiled import tiles
from iclscope.models.compiled.tiles import has_bfloat16
from iclscope.models.gpt2_engine.engine import Engine
from iclscope.models.gpt2_engine.gradients import GPT2Gradients
from iclscope.tasks import FunctionClass, PatternClassification
from iclscope.training.gradients import gradients_of
from iclscope.training.loop import Checkpointing, train_runs
from iclscope.training.losses import LOSSES, squared_loss
from iclscope.training.optimizers import UpdateRule
from iclscope.training.trial import Training, Trial

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="needs AVX512-BF16")

SEEDS = (3, 4)
SMALL: dict[str, Any] = {"seeds": SEEDS, "layers": 2, "heads": 2, "embedding": 16, "d_X": 3, "positions": 41}
# Of the norm of a run's whole gradient. Measured: 0.0006 to 0.0014; one rounded number is within 0.002 of itself.
TOLERANCE = 0.005


def gradients(model: Any, sampler: Any, **settings: Any) -> Any:
    return gradients_of(
        model, sampler, rule=UpdateRule("adam"), weights=model.state_dict(), own_state={},
        **{"loss": squared_loss, "batch_size": 11, "autograd": False, **settings},
    )  # fmt: skip


@needs_bfloat16
@pytest.mark.parametrize(("embedding", "heads"), [(64, 2), (33, 3), (96, 4)])
@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("tokens", ["columns", "alternating"])
def test_gradients_are_near_autograds(embedding: int, heads: int, loss: str, tokens: Any) -> None:
    """Odd widths too, and several lengths."""
    task = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=(1, 9))
    model = GPT2Transformer(
        seeds=SEEDS, layers=3, heads=heads, embedding=embedding, d_X=5, d_Y=2, positions=41, tokens=tokens
    )
    sampler = task.sampler(SEEDS)
    rounded = gradients(model, sampler, loss=LOSSES[loss], bfloat16=True)
    assert isinstance(rounded, GPT2Gradients)
    losses, slopes = rounded.at(1)
    expected, theirs = gradients(model, sampler, loss=LOSSES[loss], autograd=True).at(1)
    torch.testing.assert_close(losses, expected, rtol=0, atol=5e-4)
    assert not torch.equal(losses, expected)
    for run in range(len(SEEDS)):
        ours, their = (torch.cat([one[run].flatten() for one in each]) for each in (slopes, theirs))
        assert float((ours - their).norm() / their.norm()) < TOLERANCE


@needs_bfloat16
def test_only_operands_of_the_layers_are_rounded() -> None:
    """Weights and gradients stay float32, and measurements too: answers are those of the same weights."""
    model, task = GPT2Transformer(**SMALL), FunctionClass(d_X=3, length=5)
    found = gradients(model, task.sampler(SEEDS), bfloat16=True)
    assert {weight.dtype for weight in found.parameters} == {torch.float32}
    for own, given in zip(found.parameters, model.parameters(), strict=True):
        assert torch.equal(own, given)
    tokens = model.tokens_of(task.sampler(SEEDS).prompts(7, purpose="evaluation"))
    plain, rounded = Engine(model).outputs(tokens), Engine(model, bfloat16=True).outputs(tokens)
    assert not torch.equal(plain, rounded)
    torch.testing.assert_close(plain, rounded, rtol=0.05, atol=0.01)


@needs_bfloat16
def test_a_run_alone_is_the_run_in_a_group() -> None:
    task, model = FunctionClass(d_X=3, length=5), GPT2Transformer(**SMALL)
    losses, slopes = gradients(model, task.sampler(SEEDS), bfloat16=True).at(2)
    for run, seed in enumerate(SEEDS):
        own, mine = gradients(model.run(run), task.sampler([seed]), bfloat16=True).at(2)
        assert torch.equal(own[0], losses[run])
        assert all(torch.equal(one[0], whole[run]) for one, whole in zip(mine, slopes, strict=True))


@needs_bfloat16
def test_a_resumed_training_gives_the_same_bits(tmp_path: Path) -> None:
    task, model = FunctionClass(d_X=3, length=5), GPT2Transformer(**SMALL)

    def trained(checkpointing: Checkpointing | None = None, *, until: int = 99) -> Any:
        count = iter(range(1, 99))
        return train_runs(
            model, task.sampler(SEEDS), learning_rate=torch.full((2,), 0.01), steps=7, batch_size=4, loss=squared_loss,
            optimizer="adam", bfloat16=True, checkpointing=checkpointing, should_stop=lambda: next(count) == until,
        )  # fmt: skip

    whole, place = trained(), Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        trained(place, until=3)
    resumed = trained(place)
    assert all(torch.equal(tensor, resumed.weights[name]) for name, tensor in whole.weights.items())


@needs_bfloat16
def test_from_python() -> None:
    task, model = FunctionClass(d_X=3, length=5), GPT2Transformer(**SMALL)
    rounded = icl.train(model, task, steps=5, batch_size=8, precision="bfloat16")
    plain = icl.train(model, task, steps=5, batch_size=8)
    assert not torch.equal(rounded.loss, plain.loss)
    torch.testing.assert_close(rounded.loss, plain.loss, rtol=0.05, atol=0.02)
    assert rounded.model.dtype == torch.float32


def frozen() -> GPT2Transformer:
    model = GPT2Transformer(**SMALL)
    model.network.read_in.bias.requires_grad_(False)
    return model


@needs_bfloat16
@pytest.mark.parametrize("made", [frozen, lambda: GPT2Transformer(**SMALL, dtype=torch.float64)])
def test_a_model_that_has_none_is_refused(made: Any) -> None:
    with pytest.raises(BadRequest, match=r"^precision: expected 'single' with this model; .*, got 'bfloat16' for a"):
        icl.train(made(), FunctionClass(d_X=3, length=5), steps=2, precision="bfloat16")


def test_a_model_of_another_kind_is_refused_by_name() -> None:
    wanted = r"precision: expected 'single' or 'double' with the model softmax_relu, got 'bfloat16'"
    with pytest.raises((BadRequest, ValidationError), match=wanted):
        Trial(training=Training(precision="bfloat16"))
    task = icl.tasks.LinearRegression(d_X=2, length=8)
    with pytest.raises(BadRequest, match=r"with the model LinearAttention, got 'bfloat16'"):
        icl.train(icl.models.LinearAttention(d_X=2), task, steps=1, precision="bfloat16")


SWEEP = {
    "base": {
        "task": {"kind": "functions", "d_X": 3, "length": 4},
        "model": {"kind": "gpt2", "d_X": 3, "layers": 1, "heads": 1, "embedding": 4, "positions": 12},
        "training": {"optimizer": "adam", "loss": "squared", "learning_rate": 0.001, "steps": 2, "batch_size": 2},
    },
    "vary": {"training.precision": ["single", "bfloat16"]},
    "seeds": 1,
}


def test_a_processor_without_it_is_refused_before_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tiles, "has_bfloat16", lambda: False)
    wanted = r"^precision: expected 'single' or 'double' on this processor, which has no AVX512-BF16, got 'bfloat16'$"
    with pytest.raises(BadRequest, match=wanted):
        icl.sweep(SWEEP, out=tmp_path / "out", device="cpu", progress=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(BadRequest, match=wanted):
        icl.train(GPT2Transformer(**SMALL), FunctionClass(d_X=3, length=5), precision="bfloat16")


@needs_bfloat16
def test_a_sweep_over_precisions(tmp_path: Path) -> None:
    rows = icl.sweep(SWEEP, out=tmp_path / "out", device="cpu", progress=False)
    found = {precision: rows.filter(rows["training.precision"] == precision) for precision in ("single", "bfloat16")}
    values = [np.asarray(one["squared_error"].to_list()) for one in found.values()]
    assert not np.array_equal(*values)
    np.testing.assert_allclose(*values, rtol=0.05)
